"""Variants of networks that experiments compare: batch renormalization, fully connected, dropout."""

import inspect
from typing import Any

import keras

import tfbn
from tfbn.models.blocks import BatchNormSettings

# The limits that the paper reaches after its first steps; it starts from r = 1 and d = 0.
CLIPPING = {"rmax": 3.0, "rmin": 1 / 3, "dmax": 5.0}


def has_renorm() -> bool:
    """Whether the installed Keras has batch renormalization."""
    return "renorm" in inspect.signature(keras.layers.BatchNormalization.__init__).parameters


def with_renorm(model: keras.Model, momentum: float) -> keras.Model:
    """A copy of a model, with the same weights, whose BatchNormalization layers renormalize.

    In training they normalize by the batch and correct towards the moving statistics:
    `r = sd(batch) / sd(moving)`, `d = (mean(batch) - mean(moving)) / sd(moving)`, clipped to
    `CLIPPING`, without a gradient.

    Args:
        model: A functional model.
        momentum: Of the statistics that correct.

    References:
        Ioffe, 2017, https://arxiv.org/abs/1702.03275
    """

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config |= {"renorm": True, "renorm_momentum": momentum, "renorm_clipping": CLIPPING}
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    for old, new in zip(model.layers, copy.layers, strict=True):
        if not isinstance(old, keras.layers.BatchNormalization):
            new.set_weights(old.get_weights())
    return copy


def dense_network(shape: tuple[int, int, int], classes: int, units: int, momentum: float) -> keras.Model:
    """Flatten, Dense, BatchNormalization, ReLU, Dense: a channel has one value per image (H*W = 1)."""
    x = inputs = keras.Input(shape)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(units, use_bias=False, kernel_initializer="he_normal", name="dense")(x)
    x = BatchNormSettings(momentum).layer("dense_bn")(x)
    x = keras.layers.ReLU()(x)
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(x), name="dense")


def with_dropout(network: str, rate: float, seed: int, classes: int, **arguments: Any) -> keras.Model:
    """A network with dropout between the pooled features and the last layer.

    Args:
        network: Its name, such as `"resnet8"`.
        rate: The share of the features that is dropped; 0: no dropout.
        seed: Of the dropout.
        classes: How many logits.
        **arguments: As `tfbn.models.build` takes them.
    """
    base = tfbn.models.build(network, include_top=False, pooling="avg", **arguments)
    x = keras.layers.Dropout(rate, seed=seed, name="dropout")(base.output) if rate else base.output
    return keras.Model(base.input, keras.layers.Dense(classes, name="logits")(x), name=network)


def seed_dropout(model: keras.Model, seed: int) -> None:
    """Starts the dropout of a model that is used again as if it had been built with `seed`."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign([seed, 0])
