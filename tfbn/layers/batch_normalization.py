"""`BatchNormalization` with `training` and `update_statistics` separate from `trainable`."""

import math
import numbers
from typing import Any

import keras
from keras import ops

from tfbn.graph.keras_internals.layers import batch_moments, renorm_transforms, update_renorm_statistics
from tfbn.layers import fused as fused_ops
from tfbn.layers import modes
from tfbn.utils.validation import check_between, check_flag, fail


@keras.saving.register_keras_serializable(package="tfbn")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's BatchNormalization whose modes can be set one by one.

    Stock Keras derives three things from one condition, `training and trainable`: which
    statistics normalize, whether the moving statistics update, and whether gamma and
    beta train. Here each has its own switch. The switches are stored on the layer, so
    `fit` obeys them and no other layer is affected.

    In a training call (`fit`, `model(x, training=True)`):

    - `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`, where mean and
      variance are those of the batch (`training=True`) or the moving ones
      (`training=False`);
    - if the statistics update,
      `moving_mean = momentum * moving_mean + (1 - momentum) * mean(batch)` and
      `moving_variance = momentum * moving_variance + (1 - momentum) * var(batch)`
      with the **biased** variance (divided by N), as in stock Keras.

    In an inference call (`evaluate`, `predict`, `model(x)`) the moving statistics
    normalize and do not update. With `batch_statistics_in_inference=True`, inference
    calls use the mean and (biased) variance of the current batch instead, and nothing
    updates; a layer's output then depends on the other examples in the batch.

    Args:
        *args: As in `keras.layers.BatchNormalization` (axis, momentum, epsilon, ...).
        training: Which statistics normalize in a training call. `True`: those of the
            batch, regardless of `trainable`. `False`: the moving ones, regardless of
            `trainable` and of the caller. `None`: as in stock Keras, those of the batch
            if the layer is trainable.
        update_statistics: Whether the moving statistics update in a training call.
            `None`: only if the batch normalizes. `True`: always. `False`: never.
            `training=False, update_statistics=True` adapts them while the forward pass
            is already the one that inference will use.
        batch_statistics_in_inference: Whether an inference call normalizes by the
            batch; `None` and `False`: by the moving statistics. Saved with the layer,
            unlike the block `tfbn.batch_statistics(model)`. (PyTorch:
            `track_running_stats=False`.)
        fused: `None`: TensorFlow's fused operation where it applies (inputs of two or
            more axes, the last one normalized, float32 or lower, no mask, no renorm,
            not synchronized). `True`: require it, and raise an error where it does not
            apply. `False`: never. Either way the moving statistics are equal up to
            rounding. Largest error of an output compared with float64, for outputs with
            a standard deviation of 1: fused 4e-7 at 64 values per channel and 2e-5 at
            65,536; Keras's own arithmetic 5e-7 and 5e-6
            (`python -m benchmarks --only=accuracy`).
        **kwargs: As in `keras.layers.BatchNormalization`.

    Attributes:
        training: The flag as given; it can be set later. A train step that is already
            traced keeps the old value until the next `compile`; `tfbn.freeze` takes
            care of that.
        update_statistics: Likewise.
        batch_statistics_in_inference: Likewise, for the functions that `predict` and
            `evaluate` have traced; `tfbn.set_modes` takes care of that.
        mode: The `tfbn.layers.modes.Mode` of the layer in a training call.

    Raises:
        ValueError: `training`, `update_statistics`, `batch_statistics_in_inference` or
            `fused` is not True, False or None; `momentum` is outside [0, 1]; `epsilon` is
            negative; `fused=True` where the operation does not apply; the rank of a mask is
            not that of the inputs minus one.

    Example:

    >>> layer = BatchNormalization(training=True, trainable=False, momentum=0.9)
    >>> print(layer.mode)
    batch statistics, updating, gamma and beta frozen
    >>> x = np.array([[1.0], [3.0]], "float32")
    >>> np.round(layer(x, training=True), 2).ravel().tolist()
    [-1.0, 1.0]
    >>> np.round(layer.moving_mean, 4)  # 0.9 * 0 + 0.1 * 2
    array([0.2], dtype=float32)

    References:
        Ioffe and Szegedy, 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(
        self,
        *args: Any,
        training: bool | None = None,
        update_statistics: bool | None = None,
        batch_statistics_in_inference: bool | None = None,
        fused: bool | None = None,
        **kwargs: Any,
    ):
        given = {**dict(zip(("axis", "momentum", "epsilon"), args, strict=False)), **kwargs}
        if not isinstance(given.get("axis", -1), numbers.Integral):
            raise fail("axis", "to be a whole number", given["axis"])
        check_between("momentum", given.get("momentum", 0.99), 0, 1)
        check_between("epsilon", given.get("epsilon", 1e-3), 0, math.inf)
        super().__init__(*args, **kwargs)
        self.training = training
        self.update_statistics = update_statistics
        self.batch_statistics_in_inference = batch_statistics_in_inference
        self.fused = check_flag("fused", fused)
        if fused and keras.backend.backend() != "tensorflow":
            raise ValueError(
                "Expected `fused` to be None or False on a backend other than TensorFlow. "
                f"Received: fused={fused}, backend={keras.backend.backend()!r}"
            )

    @property
    def training(self) -> bool | None:
        return modes.flag(self, "training")

    @training.setter
    def training(self, value: bool | None) -> None:
        modes.set_flag(self, "training", value)

    @property
    def update_statistics(self) -> bool | None:
        return modes.flag(self, "update_statistics")

    @update_statistics.setter
    def update_statistics(self, value: bool | None) -> None:
        modes.set_flag(self, "update_statistics", value)

    @property
    def batch_statistics_in_inference(self) -> bool | None:
        return modes.flag(self, "batch_statistics_in_inference")

    @batch_statistics_in_inference.setter
    def batch_statistics_in_inference(self, value: bool | None) -> None:
        modes.set_flag(self, "batch_statistics_in_inference", value)

    @property
    def mode(self) -> modes.Mode:
        return modes.of_layer(self)

    @property
    def _trace_key(self) -> tuple[modes.Mode, float]:
        """What a traced train step depends on; `tfbn.audit` compares it with the current flags."""
        return self.mode, self.momentum

    def build(self, input_shape: Any) -> None:
        """Creates the variables; raises if the inputs have no such axis."""
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise fail("axis", f"to be an axis of inputs of shape {tuple(input_shape)}", self.axis)
        super().build(input_shape)

    def train(self, mode: bool = True) -> "BatchNormalization":
        """PyTorch's `Module.train`: has no effect here, since Keras passes `training` in calls."""
        return self

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        _check_mask(inputs, mask)
        mode = modes.of_layer(self, training_call=bool(training))
        if training:
            self.__dict__["_traced_as"] = self._trace_key
        if self._use_fused(inputs, mask):
            return self._call_fused(inputs, mode, bool(training))
        if mode.normalizes_by == "moving" and not mode.updates:
            return super().call(inputs, training=False, mask=mask)
        if mode == modes.Mode("batch", updates=True, trains=True):
            return super().call(inputs, training=True, mask=mask)
        return self._call_apart(inputs, mode, mask, bool(training))

    def _use_fused(self, inputs: Any, mask: Any) -> bool:
        if self.fused is False:
            return False
        obstacle = fused_ops.obstacle(self, inputs, mask)
        if self.fused and obstacle:
            raise ValueError(
                f"Expected inputs and settings that the fused operation supports, since "
                f"fused=True; it cannot be used: {obstacle}. "
                f"Received: name={self.name!r}, inputs.shape={tuple(inputs.shape)}"
            )
        return obstacle is None

    def _call_fused(self, inputs: Any, mode: modes.Mode, training: bool) -> Any:
        gamma = self.gamma if self.scale else ops.ones_like(self.moving_mean)
        beta = self.beta if self.center else ops.zeros_like(self.moving_mean)
        affine = ops.convert_to_tensor(gamma), ops.convert_to_tensor(beta)
        moving = ops.convert_to_tensor(self.moving_mean), ops.convert_to_tensor(self.moving_variance)
        updates = mode.updates and self.momentum < 1
        if updates:
            # Even where its outputs are not used: no other operation gives the moments sooner.
            outputs, *updated = fused_ops.normalize_by_batch_and_update(
                inputs, *affine, *moving, self.epsilon, self.momentum
            )
        elif mode.normalizes_by == "batch":
            outputs = fused_ops.normalize_by_batch(inputs, *affine, self.epsilon)
        if mode.normalizes_by == "moving":
            if training and not mode.trains:
                # Where the statistics update, the inputs are needed for their moments anyway.
                outputs = fused_ops.normalize_by_held(
                    inputs, *affine, *moving, self.epsilon, fold=not mode.updates
                )
            else:
                outputs = fused_ops.normalize_by_moving(inputs, *affine, *moving, self.epsilon)
        if updates:  # not before the old values are used
            self.moving_mean.assign(updated[0])
            self.moving_variance.assign(updated[1])
        return ops.cast(outputs, self.compute_dtype)

    def _call_apart(self, inputs: Any, mode: modes.Mode, mask: Any, training: bool) -> Any:
        """The modes that stock Keras does not have, in its own arithmetic."""
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        x = ops.cast(inputs, dtype)
        gamma = ops.cast(self.gamma, dtype) if self.scale else None
        beta = ops.cast(self.beta, dtype) if self.center else None
        mean, variance = batch_moments(self, x, mask)
        # Copies, since on PyTorch an update changes the very tensors that the gradient needs later.
        statistics = (self.moving_mean, self.moving_variance)
        moving = tuple(ops.copy(ops.cast(statistic, dtype)) for statistic in statistics)
        # In inference, the batch's plain moments: renorm corrects in training only.
        renorm = training and getattr(self, "renorm", False)
        if mode.normalizes_by == "batch" and renorm:
            mean, variance, gamma, beta = renorm_transforms(self, mean, variance, gamma, beta, dtype)
        if mode.updates:
            update = update_renorm_statistics if renorm else BatchNormalization._update_moving
            update(self, mean, variance)
        by = (mean, variance) if mode.normalizes_by == "batch" else moving
        outputs = ops.batch_normalization(x, *by, self.axis, beta, gamma, self.epsilon)
        return ops.cast(outputs, self.compute_dtype)

    def _update_moving(self, mean: Any, variance: Any) -> None:
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            old = ops.cast(moving, batch.dtype)
            moving.assign(old * self.momentum + batch * (1.0 - self.momentum))

    def get_config(self) -> dict[str, Any]:
        """The stock layer's config, and the flags that are set (so that unset, it is the stock one)."""
        flags = {
            "training": self.training,
            "update_statistics": self.update_statistics,
            "batch_statistics_in_inference": self.batch_statistics_in_inference,
            "fused": self.fused,
        }
        return {**super().get_config(), **{k: v for k, v in flags.items() if v is not None}}


def _check_mask(inputs: Any, mask: Any) -> None:
    """Refuses a mask of the wrong rank, as the stock layer does in every call."""
    if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
        raise ValueError(
            "Expected `mask` to have one axis less than the inputs. "
            f"Received: mask.shape={tuple(mask.shape)}, inputs.shape={tuple(inputs.shape)}"
        )
