"""The networks of He et al. for large images: four stages, 18 to 152 layers."""

from typing import Any

import keras

from tfbn.models.arguments import Arguments, takes_arguments
from tfbn.models.blocks import basic, bottleneck, projection
from tfbn.models.network import Architecture, build_network
from tfbn.utils.validation import fail

# The blocks of each stage by depth (table 1 of the paper).
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


@takes_arguments
def resnet_imagenet(depth: int = 50, **arguments: Any) -> keras.Model:
    """A residual network in ImageNet form.

    A 7x7 convolution of stride 2 and a 3x3 max pooling of stride 2; four stages, each at
    half the resolution of the one before and with twice the filters; global average
    pooling; a dense layer. 18 and 34 layers: blocks of two 3x3 convolutions. 50, 101 and
    152 layers: blocks of 1x1, 3x3 and 1x1, the stride in the first. Where shapes change
    the shortcut is a 1x1 convolution (option B of the paper). Padding is "same".

    With 1000 classes: 11.7M, 21.8M, 25.6M, 44.5M and 60.2M parameters. Convolutions that are
    followed by a BatchNormalization have no bias; those of `keras.applications` have one.

    Args:
        depth: 18, 34, 50, 101 or 152.
        **arguments: See `tfbn.models.Arguments`; the defaults are
            `input_shape=(224, 224, 3)`, `classes=1000`, `width=64`.

    Returns:
        A functional Keras model; its layers are named by stage and block, as
        `"stage2_block1_bn1"`.

    Raises:
        ValueError: There is no such depth, or one of the arguments is bad.

    Example:

    >>> model = resnet_imagenet(18, width=8, input_shape=(None, None, 3), classes=5)
    >>> model(np.zeros((2, 33, 29, 3))).shape
    TensorShape([2, 5])

    References:
        He et al., 2015, table 1, https://arxiv.org/abs/1512.03385
    """
    return build_network(_architecture("ResNet", depth), Arguments(**arguments))


@takes_arguments
def plain_imagenet(depth: int = 34, **arguments: Any) -> keras.Model:
    """`resnet_imagenet` without its shortcuts.

    The paper describes those with 18 and 34 layers.

    Args:
        depth: 18, 34, 50, 101 or 152.
        **arguments: As in `resnet_imagenet`.

    Returns:
        A functional Keras model.

    Raises:
        ValueError: As in `resnet_imagenet`.

    Example:

    >>> model = plain_imagenet(18, width=8)
    >>> [layer.name for layer in model.layers if "add" in layer.name or "shortcut" in layer.name]
    []

    References:
        He et al., 2015, table 1, https://arxiv.org/abs/1512.03385
    """
    return build_network(_architecture("Plain", depth), Arguments(**arguments))


def _architecture(kind: str, depth: int) -> Architecture:
    if not isinstance(depth, int) or depth not in BLOCKS:
        raise fail("depth", f"to be one of {list(BLOCKS)}", depth)
    return Architecture(
        name=f"{kind}{depth}",
        blocks=BLOCKS[depth],
        convolutions=basic if depth < 50 else bottleneck,
        shortcut=projection if kind == "ResNet" else None,
        stem=(7, 2),
        stem_pool=True,
        width=64,
        size=224,
        classes=1000,
    )


@takes_arguments
def ResNet18(**arguments: Any) -> keras.Model:  # noqa: N802
    """`resnet_imagenet(18, **arguments)`: 8 basic blocks, 11.7M parameters.

    Example:

    >>> ResNet18(width=8, classes=5).output_shape
    (None, 5)
    """
    return resnet_imagenet(18, **arguments)


@takes_arguments
def ResNet34(**arguments: Any) -> keras.Model:  # noqa: N802
    """`resnet_imagenet(34, **arguments)`: 16 basic blocks, 21.8M parameters.

    Example:

    >>> ResNet34(width=8, classes=5).output_shape
    (None, 5)
    """
    return resnet_imagenet(34, **arguments)


@takes_arguments
def ResNet50(**arguments: Any) -> keras.Model:  # noqa: N802
    """`resnet_imagenet(50, **arguments)`: 16 bottleneck blocks, 25.6M parameters.

    Example:

    >>> ResNet50(width=8, include_top=False, pooling="avg").output_shape
    (None, 256)
    """
    return resnet_imagenet(50, **arguments)


@takes_arguments
def ResNet101(**arguments: Any) -> keras.Model:  # noqa: N802
    """`resnet_imagenet(101, **arguments)`: 33 bottleneck blocks, 44.5M parameters.

    Example:

    >>> len(tfbn.traversal.batch_normalizations(ResNet101(width=2)))
    104
    """
    return resnet_imagenet(101, **arguments)


@takes_arguments
def ResNet152(**arguments: Any) -> keras.Model:  # noqa: N802
    """`resnet_imagenet(152, **arguments)`: 50 bottleneck blocks, 60.2M parameters.

    Example:

    >>> len(tfbn.traversal.batch_normalizations(ResNet152(width=2)))
    155
    """
    return resnet_imagenet(152, **arguments)
