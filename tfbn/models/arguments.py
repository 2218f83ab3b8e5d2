"""The arguments that every builder takes, with their defaults and checks."""

import dataclasses
import inspect
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tfbn.models.blocks import BatchNormSettings, Wiring
from tfbn.utils.validation import check_at_least, check_flag, fail

Builder = TypeVar("Builder", bound=Callable)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments that every builder takes besides the depth, as in `keras.applications`.

    Attributes:
        include_top: Whether the network ends in global pooling and a dense layer.
        weights: None (initialized as in He et al. 2015), a path that ends in
            `.weights.h5` or `.keras`, or the name of weights packaged with tfbn, as
            `"mnist5k"` or `"mnist5k-3"` (seed 3) for `resnet8`. Stem and stages must fit
            the file; the head is loaded too if it fits, and stays fresh if the file has
            other classes or no head.
        input_shape: `(height, width, channels)`, channels last. Height and width may be
            None: any size. Default: (32, 32, 3) in CIFAR form, (224, 224, 3) in ImageNet
            form, (None, None, 3) without the top.
        pooling: `"avg"`, `"max"` or None. Without the top, None gives the feature map;
            with it, None means `"avg"`.
        classes: Number of classes. Default: 10 in CIFAR form, 1000 in ImageNet form.
        classifier_activation: Activation of the dense layer, None for logits.
        name: The model's name. Default: the network's, such as `"resnet20"`.
        training: Whether the batch normalizes in a training call (True), or the moving
            statistics (False), or either as in stock Keras (None). Set on the
            BatchNormalization layers of the frozen stages. See
            `tfbn.layers.BatchNormalization`.
        update_statistics: Whether their moving statistics update. Set on the same layers.
        trainable: Whether weights train. Set on all layers of the frozen stages,
            independently of `training`: neither flag implies the other.
        frozen: The stages that the three flags above apply to, as
            `("stem", "stage1", "stage2")`. None: the whole network, the head included.
        order: Order of convolution, BatchNormalization and ReLU: `"conv-bn-relu"`,
            `"conv-relu-bn"` or `"bn-relu-conv"` (pre-activation).
        normalization: `"batch"`, or None for a network without BatchNormalization.
        use_bias: Whether convolutions have a bias. None: only where it has an effect,
            that is without BatchNormalization and in the order `"conv-relu-bn"`.
        momentum: Weight of the old moving value, in every BatchNormalization layer.
        epsilon: Added to the variance, in every BatchNormalization layer.
        width: Filters of the first stage; each later one has twice as many. Default: 16
            in CIFAR form, 64 in ImageNet form.
        fused: As in `tfbn.layers.BatchNormalization`.

    Example:

    >>> Arguments(momentum=0.99).wiring.normalization.momentum
    0.99
    """

    include_top: bool = True
    weights: str | os.PathLike | None = None
    input_shape: tuple[int | None, int | None, int] | None = None
    pooling: str | None = None
    classes: int | None = None
    classifier_activation: str | Callable | None = "softmax"
    name: str | None = None
    training: bool | None = None
    update_statistics: bool | None = None
    trainable: bool | None = None
    frozen: str | Iterable[str] | None = None
    order: str = Wiring.order
    normalization: str | None = "batch"
    use_bias: bool | None = None
    momentum: float = BatchNormSettings.momentum
    epsilon: float = BatchNormSettings.epsilon
    width: int | None = None
    fused: bool | None = None

    def __post_init__(self):
        if not isinstance(self.include_top, bool):
            raise fail("include_top", "to be True or False", self.include_top)
        for name in ("classes", "width"):
            if getattr(self, name) is not None:
                check_at_least(name, getattr(self, name), 1)
        for name in ("training", "update_statistics", "trainable"):
            check_flag(name, getattr(self, name))
        if self.pooling not in (None, "avg", "max"):
            raise fail("pooling", "to be 'avg', 'max' or None", self.pooling)
        if self.normalization not in ("batch", None):
            raise fail("normalization", "to be 'batch' or None", self.normalization)
        self._check_input_shape()
        self._check_flags_have_an_effect()
        _ = self.wiring  # checks order, use_bias, momentum, epsilon and fused

    def _check_input_shape(self) -> None:
        shape = self.input_shape
        if shape is None:
            return
        whole = isinstance(shape, tuple | list) and len(shape) == 3 and shape[2] is not None
        if not whole or any(size is not None and not _is_positive(size) for size in shape):
            raise fail(
                "input_shape",
                "to be (height, width, channels) of positive whole numbers, height and width possibly None",
                shape,
            )

    def _check_flags_have_an_effect(self) -> None:
        statistics = {"training": self.training, "update_statistics": self.update_statistics}
        for name, value in statistics.items():
            if value is not None and self.normalization is None:
                raise fail(name, "to be None in a network without BatchNormalization", value)
        if self.frozen is not None and not self.has_flags:
            raise fail("frozen", "to come with `training`, `update_statistics` or `trainable`", self.frozen)

    @property
    def has_flags(self) -> bool:
        """Whether any of the flags for the frozen stages is given."""
        return any(flag is not None for flag in (self.training, self.update_statistics, self.trainable))

    @property
    def wiring(self) -> Wiring:
        """The order and the BatchNormalization of the blocks."""
        settings = BatchNormSettings(self.momentum, self.epsilon, self.fused)
        return Wiring(self.order, settings if self.normalization else None, self.use_bias)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def takes_arguments(builder: Builder) -> Builder:
    """Shows the fields of `Arguments` in the signature of a builder, for `help` and editors.

    Args:
        builder: A function whose last parameter is `**arguments`.

    Returns:
        The same function.

    Example:

    >>> import inspect
    >>> "momentum" in inspect.signature(tfbn.models.resnet_cifar).parameters
    True
    """
    own = list(inspect.signature(builder).parameters.values())[:-1]
    shared = list(inspect.signature(Arguments).parameters.values())
    builder.__signature__ = inspect.Signature(own + shared)  # type: ignore[attr-defined]
    return builder
