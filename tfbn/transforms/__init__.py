"""Changes to a whole model: conversion, freezing, folding, cached features."""
