"""Population statistics of every BatchNormalization layer over a data set."""

from typing import Any

import numpy as np
from keras import ops

from tfbn.graph.traversal import batch_normalizations
from tfbn.statistics.moments import Moments
from tfbn.statistics.population import Method, PopulationStatistics, measure_population
from tfbn.statistics.replaced_statistics import batch_statistics
from tfbn.utils.validation import check_between, fail

__all__ = ["batch_statistics", "population_statistics", "recalibrate"]


def recalibrate(
    model: Any,
    data: Any,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    method: Method = "batch",
    share: float = 1.0,
    verbose: bool = True,
) -> PopulationStatistics:
    """Sets every moving mean and variance to the statistics of its layer's inputs over a data set.

    The batches' moments are pooled with their true sizes `n_i` (positions N*H*W, the
    ragged last batch included) by the law of total variance, in float64:

    - `mean = sum(n_i * mean_i) / n`
    - `variance = sum(n_i * (variance_i + (mean_i - mean)**2)) / n`, with `n = sum(n_i)`

    so the moving variance is the biased one, as in training. The moments are those of each
    layer's *inputs*, which depend on how the layers before it normalize:

    - `method="batch"` (PreciseBN, AdaBN): every BatchNormalization layer normalizes by
      the batch. One pass. The first layer's statistics are those of the whole set, up to
      rounding; later layers get the average over batches of this size.
    - `method="exact"`: one layer after another in the order of their calls, each with the layers
      before it already recalibrated. The result equals the moments of the inputs in `predict`
      over the same data. Takes as many passes as there are layers.

    Everything else is in inference mode (no dropout). All layers take part, regardless of
    their flags and of `trainable`. A shared layer's uses are pooled (with "exact", it
    normalizes by the batch while it is observed). Masked positions do not count. The
    moving stddev and the renorm statistics of a renorm layer are set to match. Weights, optimizer
    state and all other layers stay untouched, and nothing is assigned before the last batch was
    read: if reading the data fails, the model is unchanged, bit for bit. 1,000 to 10,000 samples
    are enough (Wu and Johnson, 2021).

    Args:
        model: Any built Keras model or layer: functional, sequential, nested, subclassed.
        data: The model's inputs as arrays, or batches, `x` or `(x, y)` or
            `(x, y, sample_weight)`, as `fit` takes them: a `tf.data.Dataset`, a
            `keras.utils.PyDataset`, a generator; see `tfbn.utils.batches.Batches`. Targets
            and sample weights are not used.
        batch_size: Samples per batch, if `data` consists of arrays; default 32.
        steps: Read at most this many batches.
        method: `"batch"` or `"exact"`, see above.
        share: Share of the population's statistics: `(1 - share) * old + share * population`,
            for mean and variance; 1 replaces the old ones.
        verbose: Whether to show a progress bar and, at the end, how many samples were used.

    Returns:
        The `PopulationStatistics`: the number of samples and batches, the statistics by
        layer path, and the layers that were left unchanged.

    Raises:
        ValueError: The model has no BatchNormalization layer or is not built; the data is
            empty, has the wrong shape, contains NaN, cannot be read to its end, or gives a
            statistic that is not finite; `method="exact"` with data that can be read only once.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(name="bn")])
    >>> x = np.array([[1.0], [2.0], [3.0], [6.0]], "float32")
    >>> print(recalibrate(model, x, batch_size=3, verbose=False))
    population statistics of 1 BatchNormalization layers from 4 samples in 2 batches
    >>> bn = model.layers[0]
    >>> np.round(bn.moving_mean, 1).tolist(), np.round(bn.moving_variance, 1).tolist()
    ([3.0], [3.5])

    References:
        AdaBN: Li et al., 2016, https://arxiv.org/abs/1603.04779
        PreciseBN: Wu and Johnson, 2021, https://arxiv.org/abs/2105.07576
    """
    check_between("share", share, 0.0, 1.0)
    found = measure_population(
        model, data, batch_size=batch_size, steps=steps, method=method, verbose=verbose
    )
    set_population(model, found, share)
    if verbose:
        print(f"Recalibrated: {found}.")
    return found


def set_population(model: Any, found: PopulationStatistics, share: float = 1.0) -> None:
    """Sets the moving statistics of a model's layers; none of them if a value does not fit its variable.

    Args:
        model: The model that they were measured on.
        found: The statistics.
        share: As in `recalibrate`.
    """
    layers = {named.path: named.layer for named in batch_normalizations(model)}
    values = [
        (variable, _in_dtype_of(variable, value, path))
        for path, population in found.statistics.items()
        for variable, value in _variables(layers[path], _blended(layers[path], population, share))
    ]
    for variable, value in values:
        variable.assign(value)


def population_statistics(
    model: Any,
    data: Any,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    method: Method = "batch",
    verbose: bool = False,
) -> dict[str, Moments]:
    """The statistics that `recalibrate` would set, by layer path; the model stays as it is.

    Arguments and errors are those of `recalibrate`.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(name="bn")])
    >>> population_statistics(model, np.array([[1.0], [3.0]], "float32"))["bn"].mean.tolist()
    [2.0]
    """
    found = measure_population(
        model, data, batch_size=batch_size, steps=steps, method=method, verbose=verbose
    )
    return found.statistics


def _blended(layer: Any, population: Moments, share: float) -> Moments:
    if share == 1:
        return population
    variables = (layer.moving_mean, layer.moving_variance)
    old = [np.asarray(ops.convert_to_numpy(variable), np.float64) for variable in variables]
    if not all(np.isfinite(value).all() for value in old):
        what = f"to be 1, since the moving statistics of layer {layer.name!r} are NaN or infinite"
        raise fail("share", what, share)
    new = (population.mean, population.variance)
    mean, variance = ((1 - share) * a + share * b for a, b in zip(old, new, strict=True))
    return Moments(mean, variance, population.count)


def _variables(layer: Any, population: Moments) -> list[tuple[Any, np.ndarray]]:
    mean, variance = population.mean, population.variance
    values = [(layer.moving_mean, mean), (layer.moving_variance, variance)]
    if getattr(layer, "renorm", False):
        stddev = np.sqrt(variance + layer.epsilon)
        values += [(layer.moving_stddev, stddev), (layer.renorm_mean, mean), (layer.renorm_stddev, stddev)]
    return values


def _in_dtype_of(variable: Any, value: np.ndarray, path: str) -> Any:
    tensor = ops.cast(value, variable.dtype)
    if not bool(ops.all(ops.isfinite(tensor))):
        raise ValueError(
            f"Expected `data` to give statistics that fit the variables. Received: layer {path!r} has "
            f"{variable.dtype} variables, and a statistic as large as {np.abs(value).max():.3g}"
        )
    return tensor
