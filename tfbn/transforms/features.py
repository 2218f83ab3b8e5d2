"""Outputs of a frozen prefix, computed once, so that only the rest of a model runs in training."""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfbn.graph.keras_internals.trainers import compile_arguments
from tfbn.graph.model_inputs import check_number, has_own, preprocessed
from tfbn.graph.traversal import batch_normalizations, named_layers
from tfbn.transforms import frozen_prefix
from tfbn.transforms.folding import fold
from tfbn.transforms.preprocessed import Preprocessed
from tfbn.utils.batches import Batches, as_arrays, is_arrays
from tfbn.utils.distribution import predictor, scope_of
from tfbn.utils.tensors import values_of
from tfbn.utils.validation import InputError, check_at_least, fail


@dataclasses.dataclass(frozen=True)
class Features:
    """The result of `cache_features`.

    Attributes:
        data: A `tf.data.Dataset` of single examples in the order of the data: `features`,
            `(features, y)` or `(features, y, sample_weight)`. Shuffle and batch it as needed.
        rest: The part of the model after the features. Its layers and variables are the
            model's own: training `rest` trains the model. It is compiled as the model is,
            with the same optimizer.
        prefix: The part before, for other data: `prefix.predict(x_validation)` preprocesses if the
            model does.
        up_to: Path of the last layer of the prefix.
        examples: Number of examples.
        nbytes: The size of all features.
        on_disk: Whether they are on disk, because they exceed `memory_limit`.
    """

    data: Any
    rest: keras.Model
    prefix: keras.Model
    up_to: str
    examples: int
    nbytes: int
    on_disk: bool

    def __str__(self) -> str:
        where = "on disk" if self.on_disk else "in memory"
        size = f"{self.nbytes / 2**20:,.1f} MiB"
        return f"outputs of {self.up_to!r} for {self.examples:,} examples, {size} {where}"


def cache_features(
    model: keras.Model,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    up_to: str | None = None,
    batch_size: int | None = None,
    memory_limit: int = 2**30,
    folder: str | Path | None = None,
    verbose: bool = True,
) -> Features:
    """Computes the outputs of a model's frozen prefix once, so that only the rest trains.

    Where the first layers of a model are frozen and their BatchNormalization normalizes by
    moving statistics that are held, `fit` computes the same numbers in every epoch. Here
    they are computed once, in inference mode, with BatchNormalization folded into the layers
    before it where possible (`tfbn.fold`), and stored. Training the rest on them is equivalent to
    training the model, up to rounding: same steps, same weights, same metrics.

    This holds only if nothing in the prefix changes or is random in `fit`. A layer
    with weights that train, BatchNormalization that normalizes by the batch or updates,
    Dropout and augmentation layers, layers that add to the loss or whose own code looks
    at `training` end the prefix; if there is nothing before them, an error names the first.

    If flags or weights of the prefix are changed afterwards, the features are stale.

    Args:
        model: A Functional or Sequential model, also with models nested in it.
        x: Inputs as `fit` takes them, raw ones if the model preprocesses: arrays, ragged and
            sparse ones too; or a `tf.data.Dataset` or other iterable of batches, `x`, `(x, y)` or
            `(x, y, sample_weight)`. They are read once, so a random order or augmentation would be
            drawn once: shuffle `data` instead. A data set
            whose first batch differs when it is read again is an error.
        y: Targets, if `x` are arrays.
        sample_weight: Weights of the examples, if `x` are arrays.
        up_to: The prefix ends after the last layer that matches this pattern (see
            `tfbn.graph.selection.select`), where one tensor must carry everything on. `None`:
            the longest prefix that is allowed.
        batch_size: Examples to compute at a time, if `x` are arrays; default 32.
        memory_limit: Bytes of features to keep in memory; if there are more, all go to disk,
            in the format of `tf.data.Dataset.save`.
        folder: A folder on disk that does not exist or is empty; `None` means a temporary one that is
            removed with `data`.
        verbose: Print a summary.

    Returns:
        `Features`, with `data` to train on and the `rest` to train.

    Raises:
        InputError: The model has no such prefix, nothing that trains, or a custom `train_step` or
            `predict_step`; the data is empty, infinite or random; `folder` is not empty. Nothing was
            computed.

    Example:

    >>> model = tfbn.models.build("resnet8", width=4, input_shape=(32, 32, 3), classes=2)
    >>> _ = tfbn.freeze(model, up_to="head_pool", training=False)
    >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy())
    >>> x, y = np.random.rand(10, 32, 32, 3), np.arange(10) % 2
    >>> features = cache_features(model, x, y)
    Cached outputs of 'head_pool' for 10 examples, 0.0 MiB in memory.
    >>> before = model.get_layer("head_dense").bias.numpy()
    >>> batches = features.data.shuffle(10).batch(4)
    >>> _ = features.rest.fit(batches, epochs=3, verbose=0, shuffle=False)
    >>> bool((model.get_layer("head_dense").bias.numpy() != before).all())
    True
    """
    check_at_least("memory_limit", memory_limit, 0)
    named_layers(model)  # raises if it is no model at all
    _check_own_code(model)
    read = _Examples(model, x, y, sample_weight, batch_size)
    folder = _empty_folder(folder)
    cut = frozen_prefix.find(model, up_to)
    with scope_of(model):
        prefix, rest = cut.split(model)
        prefix = _folded(prefix)
        if model.compiled:
            _compile_like(rest, model)
    store = _Store(read, predictor(prefix), memory_limit, folder)
    prefix = _taking_raw_inputs(prefix, model)
    path = next(named.path for named in named_layers(model) if named.layer is cut.operation)
    features = Features(store.data, rest, prefix, path, store.examples, store.nbytes, store.on_disk)
    if verbose:
        print(f"Cached {features}.")
    return features


def _folded(prefix: keras.Model) -> keras.Model:
    """The prefix with BatchNormalization folded in; as it is if layers cannot be made again for that."""
    if not batch_normalizations(prefix):
        return prefix
    try:
        return fold(prefix, verbose=False)
    except InputError:  # it is only slower unfolded
        return prefix


def _taking_raw_inputs(prefix: keras.Model, model: keras.Model) -> keras.Model:
    """The prefix, with the model's preprocessing if there is one."""
    if not hasattr(model, "preprocess_samples"):
        return prefix
    wrapped = Preprocessed(prefix.input, prefix.output, name=prefix.name)
    wrapped.preprocess = lambda x: preprocessed(model, x)[0]
    return wrapped


class _Examples:
    """The data, batch by batch: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, as `fit` gets them."""

    def __init__(self, model: Any, x: Any, y: Any, sample_weight: Any, batch_size: int | None):
        self._model = model
        self._arrays = is_arrays(x)
        if y is not None and not self._arrays:
            raise fail("y", f"to be None, since a {type(x).__name__} brings its targets", type(y).__name__)
        if y is None and sample_weight is not None:
            raise fail("sample_weight", "to be None, since y is", type(sample_weight).__name__)
        for name, given in (("y", y), ("sample_weight", sample_weight)):
            if given is not None and not is_arrays(given):
                raise fail(name, "to be arrays, as x is", type(given).__name__)
        self._batches = Batches(_present(x, y, sample_weight) if self._arrays else x, batch_size)
        if not self._arrays and self._batches.repeatable:
            first, again = (next(iter(self), None) for _ in range(2))
            if not _equal(first, again):
                what = "to be the same each time they are read; shuffle and augment what comes out"
                raise fail("x", what, type(x).__name__)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        read = self._batches if self._arrays else (_present(*parts) for parts in self._batches.elements())
        for parts in read:
            check_number(self._model, parts[0], "x")
            yield tuple(map(as_arrays, _present(*preprocessed(self._model, *parts))))


def _present(*parts: Any) -> tuple[Any, ...]:
    return tuple(part for part in parts if part is not None)


class _Store:
    """The features of all batches: in memory, or on disk once they are more than the limit."""

    def __init__(
        self, read: Iterable[tuple[Any, ...]], function: Callable, memory_limit: int, folder: Path | None
    ):
        self.examples = self.nbytes = 0
        self.on_disk = False
        elements = self._computed(read, function)
        kept: list[tuple[Any, ...]] = []
        for element in elements:
            kept.append(element)
            if self.nbytes > memory_limit:
                self.on_disk = True
                break
        if not kept:
            raise fail("x", "to hold at least one example", "an empty data set")
        self.data = self._saved(kept, elements, folder) if self.on_disk else _in_memory(kept)

    def _computed(self, read: Iterable[tuple[Any, ...]], function: Callable) -> Iterator[tuple[Any, ...]]:
        for x, *others in read:
            features = keras.ops.convert_to_numpy(_outputs(function, x))
            self.examples += len(features)
            self.nbytes += features.nbytes
            yield features, *others

    def _saved(self, kept: list[Any], more: Iterator[Any], folder: Path | None) -> Any:
        import tensorflow as tf

        def elements() -> Iterator[Any]:
            while kept:
                yield _element(kept.pop(0))
            yield from map(_element, more)

        def spec(array: Any) -> tf.TensorSpec:
            return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

        temporary = None if folder else tempfile.TemporaryDirectory(prefix="features_")
        path = str(folder or Path(temporary.name) / "data")  # type: ignore[union-attr]
        signature = keras.tree.map_structure(spec, _element(kept[0]))
        tf.data.Dataset.from_generator(elements, output_signature=signature).save(path)
        data = tf.data.Dataset.load(path).unbatch()
        data = data.apply(tf.data.experimental.assert_cardinality(self.examples))
        data._temporary = temporary  # the folder lives as long as what reads it
        return data


def _outputs(function: Callable, x: Any) -> Any:
    try:
        return function(x)
    except Exception as error:
        shapes = keras.tree.map_structure(np.shape, x)
        raise fail(
            "x", f"to be batches that the model takes ({str(error).splitlines()[0]})", shapes
        ) from error


def _in_memory(kept: list[tuple[Any, ...]]) -> Any:
    import tensorflow as tf

    arrays = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *kept)
    return tf.data.Dataset.from_tensor_slices(_element(arrays))


def _element(parts: tuple[Any, ...]) -> Any:
    return parts if len(parts) > 1 else parts[0]


def _compile_like(rest: keras.Model, model: keras.Model) -> None:
    arguments = {**compile_arguments(model), "optimizer": model.optimizer}
    rest.compile(**arguments, auto_scale_loss=False)


def _check_own_code(model: Any) -> None:
    for name in ("train_step", "compute_loss", "compute_metrics", "predict_step"):
        if has_own(model, name):
            what = f"{getattr(model, 'name', model)} of class {type(model).__name__}"
            raise fail("model", f"to be a Keras model with Keras's own {name}", what)


def _empty_folder(folder: str | Path | None) -> Path | None:
    if folder is None:
        return None
    if not isinstance(folder, str | os.PathLike):
        raise fail("folder", "to be the path of a folder", folder)
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise fail("folder", "to be an empty folder, or not to exist yet", str(folder))
    return path


def _equal(first: Any, second: Any) -> bool:
    pairs = zip(keras.tree.flatten(first), keras.tree.flatten(second), strict=True)
    return all(np.array_equal(values_of(a), values_of(b)) for a, b in pairs)
