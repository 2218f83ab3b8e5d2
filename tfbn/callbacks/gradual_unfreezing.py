"""Unfreezes the stages of a network one after another, epoch by epoch."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from tfbn.graph.selection import select
from tfbn.transforms.freezing import freeze, unfreeze
from tfbn.utils.validation import check_at_least, check_flag, fail

Patterns = str | Iterable[str]


class GradualUnfreezing(keras.callbacks.Callback):
    """Unfreezes stage by stage at given epochs, with BatchNormalization's mode as its argument.

    At first only layers that are not frozen when `fit` begins train, such as the head. At the start of
    each epoch that the schedule names, its layers begin to train: kernels, biases, gamma
    and beta. The mode of their BatchNormalization is a separate choice: with the default
    `training=False` they stay in inference mode, with `training=True` they normalize by the batch and
    update, with None they behave as in stock Keras, which normalizes by the batch as soon as they
    train. Layers that the schedule does not name stay as they are.

    The optimizer keeps the state of layers that trained before, see `tfbn.unfreeze`. A `fit` that
    resumes at `initial_epoch` applies the earlier epochs of the schedule first. TensorFlow only: the
    other backends cannot change what trains inside `fit`.

    Args:
        schedule: Maps epochs, counted from 0 as in Keras, to patterns or stages, see
            `tfbn.graph.selection.select`.
        training: The unfrozen BatchNormalization layers' `training` flag.
        update_statistics: Their `update_statistics` flag.
        verbose: Print which layers begin to train.

    Raises:
        InputError: The schedule is empty, or an epoch or a flag is invalid. When `fit` begins: a
            pattern matches nothing; then nothing was changed.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4, input_shape=(8, 8, 1), classes=2)
    >>> _ = tfbn.freeze(model, up_to="head_pool", training=False)
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy())
    >>> x, y = np.random.rand(8, 8, 8, 1), np.arange(8) % 2
    >>> gradual = GradualUnfreezing({1: "stage3", 2: ["stage2", "stage1"]}, verbose=False)
    >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[gradual])
    >>> model.get_layer("stage3_block1_bn1").trainable, model.get_layer("stage2_block1_bn1").trainable
    (True, False)
    >>> model.get_layer("stage3_block1_bn1").training
    False
    """

    def __init__(
        self,
        schedule: Mapping[int, Patterns],
        *,
        training: bool | None = False,
        update_statistics: bool | None = None,
        verbose: bool = True,
    ):
        super().__init__()
        if not isinstance(schedule, Mapping) or not schedule:
            raise fail("schedule", "to map epochs to layers, such as {2: 'stage3'}", schedule)
        for epoch, layers in schedule.items():
            check_at_least("schedule's epochs", epoch, 0)
            if not isinstance(layers, Iterable):
                raise fail(f"schedule[{epoch}]", "to be one or several patterns", layers)
        self.schedule = {
            int(epoch): [layers] if isinstance(layers, str) else list(layers)
            for epoch, layers in sorted(schedule.items())
        }
        self.training = check_flag("training", training)
        self.update_statistics = check_flag("update_statistics", update_statistics)
        self.verbose = verbose
        self._waiting: list[int] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if keras.backend.backend() != "tensorflow":
            raise fail("backend", "to be tensorflow, to unfreeze inside fit", keras.backend.backend())
        for layers in self.schedule.values():
            select(self.model, layers)  # raises if one matches nothing
        self._waiting = list(self.schedule)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        while self._waiting and self._waiting[0] <= epoch:
            self._unfreeze(self.schedule[self._waiting.pop(0)], epoch)

    def _unfreeze(self, layers: list[str], epoch: int) -> None:
        unfreeze(self.model, layers)
        if self.training is not None or self.update_statistics is not None:
            freeze(
                self.model,
                layers,
                trainable=True,
                training=self.training,
                update_statistics=self.update_statistics,
            )
        if self.verbose:
            print(f"Epoch {epoch}: {', '.join(layers)} begin to train.")
