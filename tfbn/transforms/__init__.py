"""Changes to a whole model: conversion, freezing, folding, cached features.

Internal, except for the classes and functions that the reference lists; the entry points are names of `tfbn`.
"""
