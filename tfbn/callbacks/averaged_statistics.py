"""`AveragedStatistics`: moving statistics for averaged weights."""

from typing import Any

import keras
import numpy as np

from tfbn.callbacks.accumulated_step import AccumulatedStatistics
from tfbn.callbacks.building import is_ready
from tfbn.callbacks.step_hook import StepHook, in_step
from tfbn.graph.traversal import built_batch_normalizations
from tfbn.statistics.population import Observer, measure_population
from tfbn.statistics.recalibration import set_population
from tfbn.utils.batches import DEFAULT_BATCH_SIZE, are_batches, is_arrays
from tfbn.utils.distribution import scope_of
from tfbn.utils.tensors import batch_length
from tfbn.utils.validation import check_at_least, fail


class AveragedStatistics(keras.callbacks.SwapEMAWeights):
    """Computes moving statistics for averaged weights whenever the model holds them.

    Keras averages weights (`use_ema=True`) but leaves the moving statistics those of the raw
    weights, which do not fit the averages. This callback replaces
    `keras.callbacks.SwapEMAWeights`: it puts the averages into the model for each evaluation, and
    with them the population statistics over some images (see `tfbn.recalibrate`); afterwards it
    restores both, the statistics bit for bit, and training continues as without it.

    - At the end of `fit` the model has the averages and their statistics.
    - With `swap_on_epoch=True`, callbacks that come after it in the list, such as
      `ModelCheckpoint`, find both in the model at the end of an epoch. Put
      `BackupAndRestore` before it, so that training resumes from the raw weights.
    - Without `use_ema`, for weights that another callback averages (SWA, soups), it sets the
      statistics at the end of `fit`. Put it after that callback.
    - With `gradient_accumulation_steps`, the moving statistics move once for each optimizer
      step, by the pooled statistics of its micro-batches (on TensorFlow and one device; before,
      each micro-batch moved them).

    Args:
        images: The training data's inputs, or batches of them, as `tfbn.recalibrate` takes them,
            that can be read repeatedly.
        batch_size: Of arrays; default 32.
        most_images: Use at most this many, drawn at random if `images` is an array.
        swap_on_epoch: Put the averages in at each epoch's end.
        seed: Seed of the random draw.

    Raises:
        InputError: A number is not positive, or batches can be read only once.

    Example:

    >>> bn = keras.layers.BatchNormalization()
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), bn])
    >>> model.compile(keras.optimizers.SGD(0.1, use_ema=True), "mse")
    >>> x = np.random.default_rng(0).normal(3, 2, (64, 2)).astype("float32")
    >>> _ = model.fit(x, x, verbose=0, callbacks=[AveragedStatistics(x)])
    >>> bool(np.allclose(bn.moving_mean, np.mean(model.layers[0](x), 0), rtol=1e-4))
    True
    """

    def __init__(
        self,
        images: Any,
        *,
        batch_size: int | None = None,
        most_images: int = 1000,
        swap_on_epoch: bool = False,
        seed: int = 0,
    ):
        super().__init__(swap_on_epoch)
        size = DEFAULT_BATCH_SIZE if batch_size is None else check_at_least("batch_size", batch_size, 1)
        most = check_at_least("most_images", most_images, 1)
        self._batch_size, self._steps = batch_size, -(-most // size)
        if is_arrays(images):
            images = _drawn(images, most, check_at_least("seed", seed, 0))
        elif not are_batches(images):
            raise fail("images", "to be arrays, or batches as `predict` takes them", images)
        elif iter(images) is images:
            raise fail("images", "to be readable more than once", images)
        self._images = images
        self._raw: list[tuple[Any, np.ndarray]] | None = None  # while the averages are in the model
        self._observer: Observer | None = None
        self._hook: StepHook | None = None

    # Keras's callback methods.

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._let_go()
        micro_steps = getattr(_inner(model), "gradient_accumulation_steps", None) or 1
        if micro_steps > 1 and in_step() and is_ready(model):
            with scope_of(model):
                accumulated = AccumulatedStatistics(model, _inner(model))
            self._hook = StepHook(model)
            self._hook.around_step = accumulated.around_step

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._averages:
            super().on_epoch_begin(epoch, logs)
            self._put_back()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._averages:
            super().on_epoch_end(epoch, logs)
            if self.swap_on_epoch:
                self._put_in()

    def on_test_begin(self, logs: Any = None) -> None:
        if self._averages:
            super().on_test_begin(logs)
            self._put_in()

    def on_test_end(self, logs: Any = None) -> None:
        if self._averages:
            super().on_test_end(logs)
            self._put_back()

    def on_predict_begin(self, logs: Any = None) -> None:
        if self._averages:
            super().on_predict_begin(logs)
            self._put_in()

    def on_predict_end(self, logs: Any = None) -> None:
        if self._averages:
            super().on_predict_end(logs)
            self._put_back()

    def on_train_end(self, logs: Any = None) -> None:
        # `fit` has put the averages in permanently.
        self._raw = None
        self._let_go()
        self._put_in()
        self._raw = self._observer = None

    # Statistics.

    @property
    def _averages(self) -> bool:
        return bool(getattr(_inner(self.model), "use_ema", False))

    def _put_in(self) -> None:
        """Saves the statistics of the raw weights and sets those of the weights in the model."""
        if self._raw is None:
            self._raw = [
                (variable, np.array(keras.ops.convert_to_numpy(variable), copy=True))
                for each in built_batch_normalizations(self.model)
                for variable in each.layer.non_trainable_variables
            ]
        self._observer = self._observer or Observer(self.model)
        found = measure_population(
            self.model,
            self._images,
            batch_size=self._batch_size if is_arrays(self._images) else None,
            steps=self._steps,
            observer=self._observer,
        )
        set_population(self.model, found)

    def _put_back(self) -> None:
        for variable, value in self._raw or ():
            variable.assign(value)
        self._raw = None

    def _let_go(self) -> None:
        hook, self._hook = self._hook, None
        if hook is not None:
            hook.remove()


def _inner(model: Any) -> Any:
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)


def _drawn(images: Any, most: int, seed: int) -> Any:
    """At most this many examples, the same ones in each pass."""
    total = batch_length(keras.tree.flatten(images)[0])
    if total <= most:
        return images
    rows = np.sort(np.random.default_rng(seed).permutation(total)[:most])
    return keras.tree.map_structure(lambda leaf: np.asarray(leaf)[rows], images)
