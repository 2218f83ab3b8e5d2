"""Ways to put a head on a pretrained base, and to ask for inference mode in the base."""

import dataclasses
from typing import Any

import keras

import tfbn
from tfbn.graph.traversal import batch_normalizations

from .arms import Recipe


@dataclasses.dataclass(frozen=True)
class Head:
    """The head on the base: stock layers that behave differently in training, and a classifier."""

    normalization: Any
    dropout: Any
    classifier: Any

    @classmethod
    def new(cls, classes: int, momentum: float, rate: float, seed: int) -> "Head":
        """The same weights and the same dropout for the same seed.

        Args:
            classes: Number of classes.
            momentum: BatchNormalization's.
            rate: Share of the features that Dropout drops.
            seed: Decides the rest.
        """
        initial = keras.initializers.GlorotUniform(seed=seed)
        return cls(
            keras.layers.BatchNormalization(momentum=momentum, name="head_bn"),
            keras.layers.Dropout(rate, seed=seed, name="head_dropout"),
            keras.layers.Dense(classes, kernel_initializer=initial, name="head"),
        )


@keras.saving.register_keras_serializable(package="experiments")
class Subclassed(keras.Model):
    """A base and a head in a class of its own, as the recipe writes its `call`."""

    def __init__(self, base: Any, head: Head, recipe: Recipe):
        super().__init__()
        self.base, self.recipe = base, recipe
        self.normalization, self.dropout, self.classifier = head.normalization, head.dropout, head.classifier

    def call(self, x: Any, training: bool | None = None) -> Any:
        x = self.base(x, training=False) if self.recipe.flag else self.base(x)
        passed = {"training": training} if self.recipe.passes else {}
        x = self.dropout(self.normalization(x, **passed), **passed)
        return self.classifier(x)


def build(recipe: Recipe, base: Any, head: Head) -> Any:
    """The built model on a base with tfbn's layers (which the stock recipes convert to stock ones)."""
    if not recipe.tfbn:
        tfbn.revert(base)
    if recipe.subclassed:
        model = Subclassed(base, head, recipe)
        model(keras.ops.zeros((1, *base.input_shape[1:])))
        return model
    inputs = keras.Input(base.input_shape[1:])
    features = base(inputs, training=False) if recipe.flag else base(inputs)
    return keras.Model(inputs, head.classifier(head.dropout(head.normalization(features))))


def set_base(recipe: Recipe, base: Any, trainable: bool) -> None:
    """Freezes or unfreezes the base as the recipe does; to be followed by `compile`."""
    if recipe.tfbn:
        tfbn.freeze(base, training=False, trainable=trainable)
    else:
        base.trainable = trainable


def set_momentum(base: Any, momentum: float) -> None:
    """The momentum of every BatchNormalization layer of the base."""
    for named in batch_normalizations(base):
        named.layer.momentum = momentum
