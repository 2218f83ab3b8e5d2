"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, and with ReLU6 instead of swish."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras

from tfbn.utils.validation import check_at_least, check_choice, fail


@dataclasses.dataclass(frozen=True)
class Size:
    """What distinguishes the networks of the family.

    Attributes:
        width: Factor of the filters.
        depth: Factor of the blocks.
        resolution: Height and width of the images it was trained on, in pixels.
    """

    width: float
    depth: float
    resolution: int


SIZES = {
    "EfficientNetLite0": Size(1.0, 1.0, 224),
    "EfficientNetLite1": Size(1.0, 1.1, 240),
    "EfficientNetLite2": Size(1.1, 1.2, 260),
}
STEM, TOP = 32, 1280  # filters; the same in all of them, as are the blocks of the first and the last stage
# Blocks, kernel, stride of the first, factor of expansion, filters: the stages of EfficientNet-B0.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
EPSILON = 1e-3  # of BatchNormalization, as in the published weights


@dataclasses.dataclass(frozen=True)
class Block:
    """One inverted residual block: expand (1x1), depthwise, project (1x1).

    Attributes:
        name: Such as `"stage2_block1"`.
        kernel: Side of the depthwise kernel.
        stride: Of the depthwise convolution.
        expansion: Filters in the block for each channel of its input; 1: no first convolution.
        filters: Of the output.
        residual: Whether the input is added to the output.
    """

    name: str
    kernel: int
    stride: int
    expansion: int
    filters: int
    residual: bool


def blocks(name: str) -> Iterator[Block]:
    """The blocks of a network, from the input to the output.

    Args:
        name: One of `SIZES`.

    Example:

    >>> [block.name for block in blocks("EfficientNetLite0")][:3], len(list(blocks("EfficientNetLite1")))
    (['stage1_block1', 'stage2_block1', 'stage2_block2'], 21)
    """
    size = SIZES[name]
    for stage, (count, kernel, stride, expansion, filters) in enumerate(STAGES, start=1):
        if 1 < stage < len(STAGES):
            count = math.ceil(count * size.depth)
        for number in range(1, count + 1):
            first = number == 1
            yield Block(
                f"stage{stage}_block{number}",
                kernel,
                stride if first else 1,
                expansion,
                _rounded(filters * size.width),
                residual=not first,
            )


def efficientnet_lite(
    name: str,
    *,
    include_top: bool = True,
    input_shape: tuple[int | None, ...] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
) -> keras.Model:
    """The network with random weights and stock BatchNormalization; see `tfbn.models.pretrained`.

    It takes images with values 0..255; the first layer scales them to -1..1. The layers
    are named after stages, as those of the other builders.

    Args:
        name: One of `SIZES`.
        include_top: Whether there is a classification head.
        input_shape: Height, width (each may be None) and channels.
        pooling: None, `"avg"` or `"max"`, without a head.
        classes: Of the head.
        classifier_activation: Of the head.

    Raises:
        InputError: No such network, or an argument that does not fit.

    Example:

    >>> efficientnet_lite("EfficientNetLite0", include_top=False, input_shape=(64, 64, 3)).output_shape
    (None, 2, 2, 1280)
    """
    check_choice("name", name, SIZES)
    check_choice("pooling", pooling or "none", ("none", "avg", "max"))
    check_at_least("classes", classes, 1)
    if keras.config.image_data_format() != "channels_last":
        given = keras.config.image_data_format()
        raise fail("keras.config.image_data_format()", "to be 'channels_last'", given)
    inputs = keras.Input(_input_shape(name, input_shape, include_top), name="input")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(inputs)
    x = _relu(_convolve(x, "stem_{}", STEM, kernel=3, stride=2), "stem_relu")
    for each in blocks(name):
        x = _block(x, each)
    x = _relu(_convolve(x, "top_{}", TOP), "top_relu")
    if include_top or pooling == "avg":
        x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    elif pooling == "max":
        x = keras.layers.GlobalMaxPooling2D(name="head_pool")(x)
    if include_top:
        x = keras.layers.Dense(classes, activation=classifier_activation, name="head_dense")(x)
    return keras.Model(inputs, x, name=name.lower())


def _block(x: Any, block: Block) -> Any:
    entrance, name = x, block.name
    if block.expansion != 1:
        x = _convolve(x, f"{name}_expand_{{}}", x.shape[-1] * block.expansion)
        x = _relu(x, f"{name}_expand_relu")
    depthwise = keras.layers.DepthwiseConv2D(
        block.kernel,
        strides=block.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise_conv",
    )
    x = _normalize(depthwise(x), f"{name}_depthwise_bn")
    x = _relu(x, f"{name}_depthwise_relu")
    x = _convolve(x, f"{name}_project_{{}}", block.filters)
    return keras.layers.Add(name=f"{name}_add")([entrance, x]) if block.residual else x


def _convolve(x: Any, name: str, filters: int, kernel: int = 1, stride: int = 1) -> Any:
    """A convolution and its BatchNormalization; `name` holds `{}` for "conv" and "bn"."""
    convolution = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name.format("conv"),
    )
    return _normalize(convolution(x), name.format("bn"))


def _normalize(x: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=EPSILON, name=name)(x)


def _relu(x: Any, name: str) -> Any:
    return keras.layers.ReLU(6.0, name=name)(x)


def _rounded(filters: float) -> int:
    """The nearest multiple of 8, or the next larger one if that would lose more than a tenth."""
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * filters else rounded + 8


def _input_shape(name: str, shape: Any, include_top: bool) -> tuple[int | None, int | None, int]:
    if shape is None:
        size = SIZES[name].resolution if include_top else None
        return size, size, 3
    sizes = tuple(shape)
    if len(sizes) != 3 or sizes[2] != 3 or any(size is not None and size < 1 for size in sizes):
        raise fail("input_shape", "to be (height, width, 3)", shape)
    return sizes
