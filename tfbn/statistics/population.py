"""Statistics of the inputs of each BatchNormalization layer, over a data set."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from tfbn.graph.call_hooks import replaced
from tfbn.graph.inner_graphs import EagerIfNeeded, check_graph, current_graph, functions_inlined
from tfbn.graph.model_inputs import check_number, predict_outputs, preprocessed
from tfbn.graph.traversal import NamedLayer
from tfbn.statistics.moments import Moments
from tfbn.statistics.replaced_statistics import moments, normalize, replaceable
from tfbn.utils.batches import Batches, as_arrays
from tfbn.utils.distribution import predictor
from tfbn.utils.tensors import batch_length, values_of
from tfbn.utils.validation import InputError, check_choice, fail

Method = Literal["batch", "exact"]


@dataclasses.dataclass(frozen=True)
class PopulationStatistics:
    """Statistics of the inputs of a model's BatchNormalization layers, over a data set.

    Attributes:
        samples: The number of samples.
        batches: The number of batches.
        statistics: The `tfbn.statistics.Moments` of the inputs of each layer that was
            called, by the layer's path. Their count is the number of positions N*H*W,
            over all uses of a shared layer.
        left_out: Paths of layers that have none: never called by the model, or
            subclasses of BatchNormalization with a `call` of their own.
    """

    samples: int
    batches: int
    statistics: dict[str, Moments]
    left_out: tuple[str, ...] = ()

    @property
    def layers(self) -> tuple[str, ...]:
        """The paths of the layers that have statistics."""
        return tuple(self.statistics)

    def __str__(self) -> str:
        text = (
            f"population statistics of {len(self.layers)} BatchNormalization layers "
            f"from {self.samples:,} samples in {self.batches:,} batches"
        )
        return text + (f"; left out: {', '.join(self.left_out)}" if self.left_out else "")


def measure_population(
    model: Any,
    data: Any,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    method: Method = "batch",
    verbose: bool = False,
    observer: "Observer | None" = None,
) -> PopulationStatistics:
    """Statistics of the inputs of every BatchNormalization layer; nothing is changed.

    Args, estimators and errors: see `tfbn.statistics.recalibration.recalibrate`. An `observer` of an
    earlier pass with `method="batch"` spares tracing the model again.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization(name="bn")])
    >>> found = measure_population(model, np.array([[1.0], [3.0]], "float32"))
    >>> found.samples, found.statistics["bn"].mean.tolist()
    (2, [2.0])
    """
    check_choice("method", method, ("batch", "exact"))
    named_layers, others = replaceable(model)
    batches = Batches(data, batch_size, steps)
    if method == "exact" and not batches.repeatable:
        raise fail("data", 'to be readable more than once, since method="exact"', data)
    observer = observer or Observer(model)
    populations: dict[int, Moments] = {}
    pending = None
    while pending is None or pending:
        pools, samples, count = _one_pass(observer, named_layers, batches, verbose)
        pending = [index for index in observer.order if index not in populations]
        if not observer.order:
            raise fail("model", "to call one of its BatchNormalization layers", model.name)
        for index in pending if method == "batch" else pending[:1]:
            population = pools[index]
            if population is None or not np.all(population.count):
                path = named_layers[index].path
                raise ValueError(
                    f"Expected `data` to have unmasked positions. Received: none for layer {path!r}"
                )
            populations[index] = population
            if method == "exact":
                observer.hold(index, population)
        pending = [index for index in pending if index not in populations]
    statistics = {named_layers[index].path: populations[index] for index in sorted(populations)}
    idle = tuple(named.path for named in named_layers if named.path not in statistics)
    return PopulationStatistics(samples, count, statistics, idle + tuple(named.path for named in others))


def _one_pass(
    observer: "Observer", named_layers: list[NamedLayer], batches: Batches, verbose: bool
) -> tuple[list[Moments | None], int, int]:
    pools: list[Moments | None] = [None] * len(named_layers)
    samples = count = 0
    progress = keras.utils.Progbar(batches.length, unit_name="batch", verbose=int(bool(verbose)))
    for x in _readable(batches):
        calls_of_layers = _observe(observer, x, count)
        for index, calls in enumerate(calls_of_layers):
            for call in calls:
                pools[index] = merged(pools[index], call)
            _check_finite(pools[index], named_layers[index].path, count)
        samples += batch_length(keras.tree.flatten(x)[0])
        count += 1
        progress.update(count, finalize=False)
    if not samples:
        raise ValueError("Expected `data` to hold at least one sample. Received: an empty data set")
    progress.update(count, finalize=True)
    return pools, samples, count


def _readable(batches: Batches) -> Iterator[Any]:
    """Yields checked batches; an error while reading the data set names the batch at which it occurred."""
    count = 0
    iterator = iter(batches)
    while True:
        try:
            x = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            raise ValueError(
                "Expected `data` to be readable to its end. "
                f"Received: {type(error).__name__} at batch {count}: {error}"
            ) from error
        if any(map(_has_nan, keras.tree.flatten(x))):
            raise ValueError(f"Expected `data` to be free of NaN. Received: NaN in batch {count}")
        yield x
        count += 1


def _has_nan(leaf: Any) -> bool:
    values = values_of(leaf)
    return values.dtype.kind in "fV" and bool(np.isnan(values).any())


def _observe(observer: "Observer", x: Any, count: int) -> Any:
    check_number(observer.inner, x)
    try:
        x = as_arrays(preprocessed(observer.inner, x)[0])
        return observer.observe(x)
    except InputError:
        raise
    except NotImplementedError as error:
        name, kind = observer.inner.name, type(observer.inner).__name__
        raise fail("model", "to have a `call`, since `predict` runs it", f"{name} of class {kind}") from error
    except Exception as error:
        shapes = keras.tree.map_structure(lambda leaf: getattr(leaf, "shape", leaf), x)
        raise ValueError(
            f"Expected `data` to be batches that the model {observer.inner.name!r} takes. "
            f"Received: batch {count} of shape {shapes}: {error}"
        ) from error


class Observer(keras.Model):
    """Calls a model and returns (count, mean, variance) of each layer's inputs, call by call.

    It is a model so that Keras traces and runs it, on any backend. It passes `training=False` on
    to the model that it calls, and casts nothing.
    """

    def __init__(self, model: Any):
        super().__init__(dtype="float32", autocast=False, name="observer")
        self.inner = model
        layers = self._substitutable()
        self.order: list[int] = []
        held = {"initializer": "zeros", "trainable": False}
        self.is_held = [self.add_weight(shape=(), **held) for _ in layers]
        self.means = [self.add_weight(shape=layer.moving_mean.shape, **held) for layer in layers]
        self.variances = [self.add_weight(shape=layer.moving_mean.shape, **held) for layer in layers]
        self.built = True
        # Eagerly where a layer runs inside an inner graph, since its tensors cannot leave that
        # graph.
        self.observe = EagerIfNeeded(model, predictor(self), self._call_eagerly)

    def _substitutable(self) -> list[Any]:
        # Fetched each time, since Keras would track a list of layers kept here.
        return [named.layer for named in replaceable(self.inner)[0]]

    def hold(self, index: int, population: Moments) -> None:
        """Makes the layer normalize by the given statistics from now on."""
        self.means[index].assign(population.mean)
        self.variances[index].assign(population.variance)
        self.is_held[index].assign(1.0)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.run(x)[1]

    def run(self, x: Any) -> tuple[Any, list[list[tuple[Any, Any, Any]]]]:
        """The model's outputs, and (count, mean, variance) for each call of each layer."""
        layers = self._substitutable()
        graph = current_graph()
        position = {id(layer): index for index, layer in enumerate(layers)}
        seen: list[list[tuple[Any, Any, Any]]] = [[] for _ in layers]

        def observe(layer: Any, call: Any, inputs: Any, training: bool | None, mask: Any) -> Any:
            check_graph(graph, layer)
            index = position[id(layer)]
            if index not in self.order:
                self.order.append(index)
            count, mean, variance = moments(layer, inputs, mask)
            seen[index].append((count, mean, variance))
            held = ops.cast(self.is_held[index], "bool")
            mean = ops.where(held, ops.cast(self.means[index], mean.dtype), mean)
            variance = ops.where(held, ops.cast(self.variances[index], variance.dtype), variance)
            return normalize(layer, inputs, mean, variance)

        with replaced(layers, observe), functions_inlined():
            outputs = predict_outputs(self.inner, x)
        return outputs, seen

    def _call_eagerly(self, x: Any) -> Any:
        outputs = self(keras.tree.map_structure(keras.ops.convert_to_tensor, x), training=False)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def merged(pool: Moments | None, call: tuple[Any, Any, Any]) -> Moments | None:
    """The moments so far with those of one more call, as `Observer` gives them."""
    count, mean, variance = np.asarray(call[0]), *(np.asarray(value, np.float64) for value in call[1:])
    if not count.any():  # a batch that is masked as a whole
        return pool
    new = Moments(mean, variance, count if count.ndim else int(count))
    return pool.merge(new) if pool else new


def _check_finite(pool: Moments | None, path: str, batch: int) -> None:
    if pool and not (np.isfinite(pool.mean).all() and np.isfinite(pool.variance).all()):
        raise ValueError(
            "Expected `data` to give finite statistics. Received: NaN or infinity in the inputs "
            f"of layer {path!r} in batch {batch}"
        )
