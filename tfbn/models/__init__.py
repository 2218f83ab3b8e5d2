"""Builders of residual and plain networks, with `training` and `trainable` as two flags."""

from tfbn.graph.recursion import deep_graphs
from tfbn.models.arguments import Arguments
from tfbn.models.cifar import plain_cifar, resnet_cifar
from tfbn.models.imagenet import (
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNet152,
    plain_imagenet,
    resnet_imagenet,
)
from tfbn.models.pretrained import application_names, preprocess_input, pretrained
from tfbn.models.registry import build, names
from tfbn.models.stages import stages

__all__ = [
    "Arguments",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "application_names",
    "build",
    "deep_graphs",
    "names",
    "plain_cifar",
    "plain_imagenet",
    "preprocess_input",
    "pretrained",
    "resnet_cifar",
    "resnet_imagenet",
    "stages",
]
