"""From an architecture and arguments to a Keras model."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from tfbn.graph.recursion import deep_graphs
from tfbn.models.arguments import Arguments
from tfbn.models.blocks import Conv, Shortcut, Wiring, block
from tfbn.models.stages import check_stages, set_flags, stages
from tfbn.models.weights import find_weights, load
from tfbn.utils.validation import fail


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What distinguishes one network from another.

    Attributes:
        name: The network's name, such as `"resnet20"`.
        blocks: The number of blocks of each stage.
        convolutions: From filters and stride to the convolutions of one block.
        shortcut: The shortcut around each block, None in a plain network.
        stem: Kernel and stride of the first convolution.
        stem_pool: Whether a 3x3 max pooling of stride 2 follows it.
        width: Filters of the stem and the first stage, unless given.
        size: Height and width of the images, unless given.
        classes: Number of classes, unless given.
    """

    name: str
    blocks: tuple[int, ...]
    convolutions: Callable[[int, int], tuple[Conv, ...]]
    shortcut: Shortcut | None
    stem: tuple[int, int]
    stem_pool: bool
    width: int
    size: int
    classes: int


def build_network(architecture: Architecture, arguments: Arguments) -> keras.Model:
    """Builds the model, loads its weights and sets its flags; checks everything first.

    Args:
        architecture: Which network.
        arguments: What the user asks for.

    Returns:
        A functional Keras model of stock layers and `tfbn.layers.BatchNormalization`.

    Raises:
        ValueError: An argument is bad, or the weights do not fit.
    """
    if keras.config.image_data_format() != "channels_last":
        raise fail(
            "keras.config.image_data_format()", "to be 'channels_last'", keras.config.image_data_format()
        )
    path = find_weights(arguments.weights, architecture.name)
    frozen = check_stages(arguments.frozen, _stage_names(architecture, arguments))
    activation = _activation(arguments.classifier_activation)
    with deep_graphs():
        inputs = keras.Input(_input_shape(architecture, arguments), name="input")
        features = _body(inputs, architecture, arguments.wiring, arguments.width or architecture.width)
        outputs = _head(features, arguments, arguments.classes or architecture.classes, activation)
        model = keras.Model(inputs, outputs, name=arguments.name or architecture.name)
        if path is not None:
            load(model, keras.Model(inputs, features), path)
    if arguments.has_flags:
        by_stage = stages(model)
        for stage in frozen:
            set_flags(by_stage[stage], arguments.training, arguments.update_statistics, arguments.trainable)
    return model


def _body(x: Any, architecture: Architecture, wiring: Wiring, width: int) -> Any:
    kernel, stride = architecture.stem
    x = wiring.convolve(x, Conv(width, kernel, stride), "stem_conv")
    x = wiring.apply(wiring.after, x, "stem_{}")
    if architecture.stem_pool:
        x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    for stage, count in enumerate(architecture.blocks, start=1):
        for number in range(1, count + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            convs = architecture.convolutions(width * 2 ** (stage - 1), stride)
            x = block(x, convs, wiring, f"stage{stage}_block{number}", architecture.shortcut)
    # Pre-activation leaves the last sum without BatchNormalization and ReLU.
    return wiring.apply(wiring.before, x, f"stage{stage}_{{}}")


def _head(x: Any, arguments: Arguments, classes: int, activation: Any) -> Any:
    pooling = arguments.pooling or ("avg" if arguments.include_top else None)
    if pooling == "avg":
        x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    elif pooling == "max":
        x = keras.layers.GlobalMaxPooling2D(name="head_pool")(x)
    if arguments.include_top:
        dense = keras.layers.Dense(
            classes, activation=activation, kernel_initializer="he_normal", name="head_dense"
        )
        x = dense(x)
    return x


def _stage_names(architecture: Architecture, arguments: Arguments) -> list[str]:
    names = ["stem", *(f"stage{number}" for number in range(1, len(architecture.blocks) + 1))]
    return names + (["head"] if arguments.include_top or arguments.pooling else [])


def _input_shape(architecture: Architecture, arguments: Arguments) -> tuple[int | None, int | None, int]:
    if arguments.input_shape is not None:
        return arguments.input_shape
    size = architecture.size if arguments.include_top else None
    return (size, size, 3)


def _activation(value: Any) -> Any:
    try:
        return keras.activations.get(value)
    except ValueError as error:
        raise fail("classifier_activation", "to be an activation that Keras knows, or None", value) from error
