"""Building blocks of residual and plain networks: convolution, BatchNormalization and ReLU."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfbn.layers import BatchNormalization
from tfbn.utils.validation import check_between, check_choice, check_flag

ORDERS = ("conv-bn-relu", "conv-relu-bn", "bn-relu-conv")


@dataclasses.dataclass(frozen=True)
class BatchNormSettings:
    """The settings of every BatchNormalization layer of a network.

    Attributes:
        momentum: Weight of the old value in the moving average. 0.9 as in the papers'
            code (Keras's own default is 0.99, which lags on a short run).
        epsilon: Added to the variance. The papers' code has 1e-5; 1.001e-5 is the least that the
            fused operation accepts, and the value in `keras.applications`.
        fused: As in `tfbn.layers.BatchNormalization`.

    Example:

    >>> BatchNormSettings(momentum=0.99).layer("bn").momentum
    0.99
    """

    momentum: float = 0.9
    epsilon: float = 1.001e-5
    fused: bool | None = None

    def __post_init__(self):
        check_between("momentum", self.momentum, 0, 1)
        check_between("epsilon", self.epsilon, 0, 1)
        check_flag("fused", self.fused)

    def layer(self, name: str) -> BatchNormalization:
        return BatchNormalization(**dataclasses.asdict(self), name=name)


@dataclasses.dataclass(frozen=True)
class Conv:
    """One convolution: filters, side of the square kernel, stride."""

    filters: int
    kernel: int
    stride: int = 1


@dataclasses.dataclass(frozen=True)
class Wiring:
    """The order of convolution, BatchNormalization and activation.

    Attributes:
        order: One of `ORDERS`.
        normalization: The settings of BatchNormalization, or None for a network
            without it.
        use_bias: Whether convolutions have a bias. None: only where it has an effect.
            A BatchNormalization right after a convolution subtracts the bias again; one after the
            ReLU (`"conv-relu-bn"`) does not.

    Example:

    >>> Wiring("bn-relu-conv").before, Wiring("bn-relu-conv").after
    (('bn', 'relu'), ())
    """

    order: str = "conv-bn-relu"
    normalization: BatchNormSettings | None = dataclasses.field(default_factory=BatchNormSettings)
    use_bias: bool | None = None

    def __post_init__(self):
        check_choice("order", self.order, ORDERS)
        check_flag("use_bias", self.use_bias)

    @property
    def before(self) -> tuple[str, ...]:
        """The steps before a convolution."""
        steps = self.order.split("-")
        return tuple(steps[: steps.index("conv")])

    @property
    def after(self) -> tuple[str, ...]:
        """The steps after a convolution."""
        steps = self.order.split("-")
        return tuple(steps[steps.index("conv") + 1 :])

    def apply(self, steps: Sequence[str], x: Any, name: str) -> Any:
        """`x` after some of the steps "bn" and "relu"; `name` holds `{}` for the step's name."""
        for step in steps:
            if step == "relu":
                x = keras.layers.ReLU(name=name.format("relu"))(x)
            elif self.normalization is not None:
                x = self.normalization.layer(name.format("bn"))(x)
        return x

    def convolve(self, x: Any, conv: Conv, name: str) -> Any:
        """`x` after one convolution, initialized as in He et al. 2015 (variance 2 / fan-in)."""
        use_bias = self.use_bias
        if use_bias is None:
            use_bias = self.normalization is None or self.order == "conv-relu-bn"
        layer = keras.layers.Conv2D(
            conv.filters,
            conv.kernel,
            strides=conv.stride,
            padding="same",
            use_bias=use_bias,
            kernel_initializer="he_normal",
            name=name,
        )
        return layer(x)


def basic(filters: int, stride: int) -> tuple[Conv, ...]:
    """The convolutions of a basic block: two of 3x3."""
    return Conv(filters, 3, stride), Conv(filters, 3)


def bottleneck(filters: int, stride: int) -> tuple[Conv, ...]:
    """The convolutions of a bottleneck block: 1x1, 3x3 and a 1x1 that widens four times.

    The first one has the stride, as in the paper and in `keras.applications`.
    """
    return Conv(filters, 1, stride), Conv(filters, 3), Conv(4 * filters, 1)


# (block's input, input after the steps before its first convolution, filters, stride, wiring, name) -> tensor
Shortcut = Callable[[Any, Any, int, int, Wiring, str], Any]


def padded_identity(x: Any, entrance: Any, filters: int, stride: int, wiring: Wiring, name: str) -> Any:
    """The shortcut without parameters: every stride-th pixel, new channels filled with zeros (option A)."""
    if stride > 1:
        x = keras.layers.AveragePooling2D(1, strides=stride, name=f"{name}_shortcut_pool")(x)
    extra = filters - x.shape[-1]
    if extra:
        # "channels_first" makes this stock layer pad the last two axes: width by nothing, channels by zeros.
        padding = keras.layers.ZeroPadding2D(
            ((0, 0), (0, extra)), data_format="channels_first", name=f"{name}_shortcut_pad"
        )
        x = padding(x)
    return x


def projection(x: Any, entrance: Any, filters: int, stride: int, wiring: Wiring, name: str) -> Any:
    """The shortcut that is the identity where shapes agree, and a 1x1 convolution elsewhere (option B).

    In the pre-activation order it starts after the first BatchNormalization and ReLU,
    and has no BatchNormalization of its own.
    """
    if stride == 1 and x.shape[-1] == filters:
        return x
    x = wiring.convolve(entrance, Conv(filters, 1, stride), f"{name}_shortcut_conv")
    return wiring.apply([step for step in wiring.after if step == "bn"], x, f"{name}_shortcut_{{}}")


def block(x: Any, convs: Sequence[Conv], wiring: Wiring, name: str, shortcut: Shortcut | None = None) -> Any:
    """One block: the convolutions with their BatchNormalizations and ReLUs, and the shortcut around them.

    `y = ReLU(shortcut(x) + branch(x))` in the order "conv-bn-relu"; in the other two orders
    `y = shortcut(x) + branch(x)`: the path from block to block is the identity. Main branch and
    shortcut agree in shape for every input size, since a convolution with "same" padding and
    stride s gives ceil(size / s), as taking every s-th pixel does.

    Args:
        x: Symbolic tensor of shape `(batch, height, width, channels)`.
        convs: The convolutions of the main branch.
        wiring: Their order, BatchNormalization and bias.
        name: Prefix of all layer names, such as `"stage2_block1"`.
        shortcut: `padded_identity`, `projection` or, in a plain network, None.

    Returns:
        Symbolic tensor of shape `(batch, ceil(height / s), ceil(width / s), filters)`.

    Example:

    >>> x = keras.Input((27, 33, 16))
    >>> y = block(x, basic(32, stride=2), Wiring(), "stage2_block1", padded_identity)
    >>> y.shape
    (None, 14, 17, 32)

    References:
        He et al., 2015, https://arxiv.org/abs/1512.03385;
        pre-activation: He et al., 2016, https://arxiv.org/abs/1603.05027
    """
    filters, stride = convs[-1].filters, max(conv.stride for conv in convs)
    entrance = branch = wiring.apply(wiring.before, x, f"{name}_{{}}1")
    branch = wiring.convolve(branch, convs[0], f"{name}_conv1")
    for number, conv in enumerate(convs[1:], start=2):
        branch = wiring.apply(wiring.after, branch, f"{name}_{{}}{number - 1}")
        branch = wiring.apply(wiring.before, branch, f"{name}_{{}}{number}")
        branch = wiring.convolve(branch, conv, f"{name}_conv{number}")
    # A ReLU that ends the branch comes after the addition.
    beyond = wiring.after[-1:] if wiring.after[-1:] == ("relu",) else ()
    within = wiring.after[: len(wiring.after) - len(beyond)]
    branch = wiring.apply(within, branch, f"{name}_{{}}{len(convs)}")
    if shortcut is not None:
        around = shortcut(x, entrance, filters, stride, wiring, name)
        branch = keras.layers.Add(name=f"{name}_add")([around, branch])
    return wiring.apply(beyond, branch, f"{name}_{{}}{len(convs)}")
