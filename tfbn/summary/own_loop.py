"""Opening a `Writer` in a custom training loop."""

import os
from collections.abc import Mapping
from typing import Any

from tfbn.layers.modes import Mode
from tfbn.statistics.snapshots import Snapshot, take
from tfbn.summary.layer_modes import modes as modes_of
from tfbn.summary.writing import Writer
from tfbn.utils.validation import check_at_least


def writer(
    log_dir: str | os.PathLike,
    model: Any,
    modes: Mapping[str, Mode] | None = None,
    every: int = 1,
    steps: int | None = None,
) -> Writer:
    """Writes what `tfbn.DriftRecorder` writes for TensorBoard, from a custom training loop.

    Args:
        log_dir: The run's folder.
        model: A built Keras model with BatchNormalization layers, or, for any other
            framework, a snapshot of its statistics: `{path: tfbn.statistics.Statistics}` in
            data-flow order. Drift is measured from its present statistics.
        modes: What each layer does while training, `{path: tfbn.layers.modes.Mode}`. `None`: for
            a model, those of `tfbn.summary.modes`; otherwise not known.
        every: Steps between two calls of `drift`.
        steps: How many steps will be trained, if known; then the thinning is even.

    Returns:
        A `Writer`. Use it as a context manager, or call its `end`.

    Raises:
        ValueError: The model has no BatchNormalization layer; a snapshot is empty; `modes`
            names other layers.

    Example: a loop with `tf.GradientTape`, or any other that has a Keras model:

    >>> bn = keras.layers.BatchNormalization(momentum=0.5, name="bn")
    >>> model = keras.Sequential([keras.Input((2,)), bn])
    >>> with tfbn.summary.writer(folder / "keras", model) as log:
    ...     for step in (1, 2):
    ...         _ = model(np.array([[1.0, 5.0], [2.0, 7.0]]), training=True)
    ...         log.drift(step, model)
    ...     log.channels(step, model)

    Without Keras, as in JAX, from arrays:

    >>> from tfbn.statistics.snapshots import Statistics
    >>> from tfbn.layers.modes import Mode
    >>> state = {"stem/bn": Statistics(np.zeros(3), np.ones(3), epsilon=1e-5)}
    >>> mode = {"stem/bn": Mode("batch", updates=True, trains=True)}
    >>> with tfbn.summary.writer(folder / "jax", state, modes=mode) as log:
    ...     state = {"stem/bn": Statistics(np.full(3, 0.5), np.ones(3), epsilon=1e-5)}
    ...     log.drift(1, state)
    ...     log.performance(1, training={"accuracy": 0.9}, inference={"accuracy": 0.5})
    """
    if steps is not None:
        check_at_least("steps", steps, 0)
    reference: Snapshot = dict(model) if isinstance(model, Mapping) else take(model)
    if modes is None:
        modes = {} if isinstance(model, Mapping) else modes_of(model)
    log = Writer(log_dir, reference, every)
    log.begin(modes, steps=steps)
    log.drift(0, reference)
    log.channels(0, model)
    return log
