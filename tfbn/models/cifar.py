"""The networks of He et al. for small images: three stages, any depth of 6n+2."""

from typing import Any

import keras

from tfbn.models.arguments import Arguments, takes_arguments
from tfbn.models.blocks import basic, padded_identity
from tfbn.models.network import Architecture, build_network
from tfbn.utils.validation import check_at_least, fail


@takes_arguments
def resnet_cifar(depth: int = 20, **arguments: Any) -> keras.Model:
    """A residual network in CIFAR form.

    A 3x3 convolution of `width` filters; three stages of n blocks of two 3x3
    convolutions with `width`, `2 * width` and `4 * width` filters, the second and third
    at half the resolution of the one before; global average pooling; a dense layer:
    `6n + 2` layers with weights. The shortcuts have no parameters: every second pixel,
    new channels filled with zeros (option A of the paper). Padding is "same", even where the
    stride is 2.

    Parameters: ResNet-8 75k, ResNet-20 0.27M, ResNet-56 0.85M, ResNet-110 1.7M, ResNet-1202 19.4M.

    Args:
        depth: 6n+2, such as 8, 20, 32, 44, 56, 110, 1202. To load or clone a network of more
            than 900 layers (plain: 300), use `tfbn.models.deep_graphs`.
        **arguments: See `tfbn.models.Arguments`; the defaults are `input_shape=(32, 32, 3)`,
            `classes=10`, `width=16`.

    Returns:
        A functional Keras model; its layers are named by stage and block, as
        `"stage2_block1_bn1"`.

    Raises:
        ValueError: `depth` is not 6n+2, or one of the arguments is bad.

    Example:

    >>> model = resnet_cifar(8, input_shape=(28, 28, 1), frozen=("stem", "stage1"), training=False)
    >>> model.count_params() - 480  # less the moving statistics
    75002
    >>> print(model.get_layer("stage1_block1_bn1").mode)
    moving statistics, held, gamma and beta train

    References:
        He et al., 2015, section 4.2, https://arxiv.org/abs/1512.03385
    """
    return build_network(_architecture("resnet", depth), Arguments(**arguments))


@takes_arguments
def plain_cifar(depth: int = 20, **arguments: Any) -> keras.Model:
    """`resnet_cifar` without its shortcuts: the same layers and parameters.

    Args:
        depth: 6n+2.
        **arguments: As in `resnet_cifar`.

    Returns:
        A functional Keras model.

    Raises:
        ValueError: As in `resnet_cifar`.

    Example:

    >>> plain_cifar(8).count_params() == tfbn.models.resnet_cifar(8).count_params()
    True

    References:
        He et al., 2015, section 4.2, https://arxiv.org/abs/1512.03385
    """
    return build_network(_architecture("plain", depth), Arguments(**arguments))


def _architecture(kind: str, depth: int) -> Architecture:
    check_at_least("depth", depth, 1)
    count, rest = divmod(depth - 2, 6)
    if rest or count < 1:
        nearest = f"{6 * count + 2} and {6 * count + 8}" if count >= 1 else "8"
        raise fail("depth", f"to be 6n+2 (nearest: {nearest})", depth)
    return Architecture(
        name=f"{kind}{depth}",
        blocks=(count, count, count),
        convolutions=basic,
        shortcut=padded_identity if kind == "resnet" else None,
        stem=(3, 1),
        stem_pool=False,
        width=16,
        size=32,
        classes=10,
    )
