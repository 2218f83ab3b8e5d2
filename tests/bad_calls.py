"""Calls that a public function must refuse, each with a piece of its message.

A call gets a `network()`, which must stay as it was, in a folder made by `write_world`.
"""

from pathlib import Path

import keras
import numpy as np

import tfbn
from tfbn import callbacks, datasets, models, statistics, summary
from tfbn.graph import selection
from tfbn.statistics import drift, mismatch
from tfbn.statistics.moments import moments
from tfbn.statistics.snapshots import Statistics
from tfbn.transforms import folding
from tfbn.utils import batches

layers = keras.layers
X = np.random.default_rng(0).random((8, 6, 6, 2)).astype("float32")
QUIET = {"verbose": False}


def network() -> keras.Model:
    """Convolution, BatchNormalization with statistics that have moved, and a head."""
    norm = layers.BatchNormalization(name="bn", moving_mean_initializer="ones")
    head = [layers.GlobalAveragePooling2D(name="pool"), layers.Dense(2, name="head")]
    return keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 3, name="conv"), norm, *head], name="net"
    )


def frozen() -> keras.Model:
    """The same, so that the outputs of its first layers can be kept."""
    model = network()
    tfbn.freeze(model, ["conv", "bn"])
    return model


def plain() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), layers.Dense(2)], name="plain")


def unbuilt() -> keras.Model:
    return keras.Sequential([layers.BatchNormalization(name="bn")], name="unbuilt")


def subclassed() -> keras.Model:
    class Own(keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.bn = layers.BatchNormalization()

        def call(self, x):
            return self.bn(x)

    return Own()


def channels(count: int, mean: float = 0.0) -> Statistics:
    return Statistics(np.full(count, mean), np.ones(count), epsilon=1e-3)


def write_world(folder: Path) -> None:
    (folder / "file").write_text("a file")
    (folder / "log").mkdir()
    (folder / "log" / "drift.parquet").write_text("no table")


NO_MODEL = "Expected `model` to be a Keras 3 model or layer. Received: model="
NO_NORM = "Expected `model` to have at least one BatchNormalization layer"
NOT_BUILT = (
    "Expected `model` to be built: call it on data once, or give it an Input. Received: model='unbuilt'"
)
FLAG = "to be True, False or None. Received: "
LAYER = {
    "momentum": (1.5, "`momentum` to be a number in [0, 1]. Received: momentum=1.5"),
    "momentum as text": ("high", "`momentum` to be a number in [0, 1]. Received: momentum='high'"),
    "momentum None": (None, "Received: momentum=None"),
    "momentum NaN": (float("nan"), "Received: momentum=nan"),
    "axis": ([1, 2], "`axis` to be a whole number. Received: axis=[1, 2]"),
    "axis as text": ("last", "`axis` to be a whole number. Received: axis='last'"),
    "epsilon as text": ("small", "`epsilon` to be a finite number of at least 0. Received: epsilon='small'"),
    "epsilon": (-1e-3, "`epsilon` to be a finite number of at least 0. Received: epsilon=-0.001"),
    "training": (1, f"`training` {FLAG}training=1"),
    "update_statistics": ("no", f"`update_statistics` {FLAG}update_statistics='no'"),
    "fused": (0, f"`fused` {FLAG}fused=0"),
}
BUILDERS = {
    "depth": (21, "`depth` to be 6n+2 (nearest: 20 and 26). Received: depth=21"),
    "depth as text": ("20", "`depth` to be a whole number of at least 1. Received: depth='20'"),
    "classes": (0, "`classes` to be a whole number of at least 1. Received: classes=0"),
    "width": (-4, "`width` to be a whole number of at least 1. Received: width=-4"),
    "input_shape": ((32, 32), "`input_shape` to be (height, width, channels) of positive whole numbers"),
    "frozen": ("stage9", "`frozen` to"),
    "pooling": ("mean", "`pooling` to be 'avg', 'max' or None. Received: pooling='mean'"),
    "order": ("bn-conv", "Received: order='bn-conv'"),
    "weights": ("imagenet", "Received: weights='imagenet'"),
    "weights nowhere": (
        "a.weights.h5",
        "`weights` to be a file that exists. Received: weights='a.weights.h5'",
    ),
    "classifier_activation": ("softmx", "`classifier_activation` to be an activation that Keras knows"),
}
DATA = {
    "empty": (X[:0], {}, "`data` to hold at least one sample. Received: an empty data set"),
    "of another shape": (
        X[..., :1],
        {},
        "`data` to be batches that the model 'net' takes. Received: batch 0",
    ),
    "with NaN": (X * np.nan, {}, "`data` to be free of NaN. Received: NaN in batch 0"),
    "of batches in a list": (
        [X[:4], X[4:]],
        {},
        "`data` to be the model's 1 input; batches come from an iterator, iter(batches). Received: data='",
    ),
    "with targets in a tuple": ((X, X[..., 0]), {}, "Received: data='tuple of 2'"),
    "of batches with targets in a list": ([(X[:4], X[:4]), (X[4:], X[4:])], {}, "Received: data='list of 4'"),
    "a batch of nothing": (iter([None]), {}, "Received: batch 0 of shape None"),
    "nothing": (
        None,
        {},
        "`data` to be arrays, or a tf.data.Dataset or other iterable of batches. Received: data=",
    ),
    "of no batches": (X, {"batch_size": 0}, "`batch_size` to be a whole number of at least 1"),
    "of no steps": (X, {"steps": 0}, "`steps` to be a whole number of at least 1. Received: steps=0"),
    "by no method": (X, {"method": "fast"}, "`method` to be one of ['batch', 'exact']"),
    "read once": (iter([X]), {"method": "exact"}, "`data` to be readable more than once"),
}
FEATURES = {
    "empty": ({"x": X[:0]}, "`x` to hold at least one example. Received: x='an empty data set'"),
    "of another shape": ({"x": X[..., :1]}, "`x` to be batches that the model takes"),
    "unequal": ({"x": X, "y": np.zeros(3)}, "`data` to be arrays of the same length. Received: data=[3, 8]"),
    "weights without y": ({"x": X, "sample_weight": np.ones(8)}, "`sample_weight` to be None, since y is"),
    "in a list": ({"x": [X, X]}, "`x` to be the model's 1 input"),
    "y in a list": ({"x": X, "y": [0] * 8}, "`y` to be arrays, as x is. Received: y='list'"),
    "folder a number": ({"x": X, "folder": 3}, "`folder` to be the path of a folder. Received: folder=3"),
    "up_to": ({"x": X, "up_to": "nowhere"}, "`up_to` to match a layer"),
    "memory": ({"x": X, "memory_limit": -1}, "`memory_limit` to be a whole number of at least 0"),
    "folder": ({"x": X, "folder": "file"}, "`folder` to be an empty folder, or not to exist yet"),
}
IMAGES = {
    "split": ({"split": "trian"}, "`split` to be a split of uci_digits or a slice of one (it has ['train'])"),
    "image_size": ({"image_size": 0}, "`image_size` to be a whole number of at least 1"),
    "channels": ({"channels": 2}, "`channels` to be 1, 3 or None. Received: channels=2"),
    "limit": ({"limit": 0}, "`limit` to be a whole number of at least 1. Received: limit=0"),
    "border": ({"image_size": 8, "border": 4}, "`image_size` to be a whole number of at least 9"),
    "data_dir": ({"data_dir": "file"}, "`data_dir` to be a folder that can be written"),
}
SHIFTS = {
    "": "`shift` to be one of ['none', 'contrast', 'noise', 'inversion', 'blur']. Received: shift=''",
    "nois=0.3": "'blur'] (did you mean noise, none?). Received: shift='nois'",
    "noise": "`shift` to have a strength, such as noise=0.3. Received: shift='noise'",
    "noise=inf": "`noise strength` to be a number in [0.0, 10.0]. Received: noise strength=inf",
    "contrast=0.3+blur=-1": "`blur strength` to be a number in [0.0, 10.0]. Received: blur strength=-1.0",
}

CALLS: dict = {
    "freeze: no pattern": (
        lambda m: tfbn.freeze(m, "stage9"),
        "`layers` to match a layer (there are: bn, conv",
    ),
    "freeze: near": (lambda m: tfbn.freeze(m, "heat"), "`layers` to match a layer (did you mean head"),
    "freeze: nothing": (
        lambda m: tfbn.freeze(m, []),
        "`layers` to name at least one layer. Received: layers=[]",
    ),
    "freeze: a number": (lambda m: tfbn.freeze(m, 3), "`layers` to be one or several patterns"),
    "freeze: a layer": (lambda m: tfbn.freeze(m, m.layers[0]), "`layers` to be one or several patterns"),
    "freeze: numbers": (lambda m: tfbn.freeze(m, [1]), "`layers` to be text. Received: layers=1"),
    "freeze: up_to": (lambda m: tfbn.freeze(m, up_to="block"), "`up_to` to match a layer"),
    "freeze: training": (lambda m: tfbn.freeze(m, training="no"), f"`training` {FLAG}training='no'"),
    "freeze: trainable": (lambda m: tfbn.freeze(m, trainable=None), "`trainable` to be True or False"),
    "freeze: a single layer": (
        lambda m: tfbn.freeze(layers.Dense(2)),
        "`model` to hold layers: a built model",
    ),
    "unfreeze: no pattern": (lambda m: tfbn.unfreeze(m, "stage9"), "Received: layers='stage9'"),
    "convert: training": (lambda m: tfbn.convert(m, training=1), f"`training` {FLAG}training=1"),
    "convert: subclasses": (lambda m: tfbn.convert(m, subclasses="all"), "`subclasses` to be True, False or"),
    "audit: batch_size": (lambda m: tfbn.audit(m, batch_size=0), "`batch_size` to be a whole number of at"),
    "fold: subclassed": (lambda m: tfbn.fold(subclassed()), "`model` to be a Functional or Sequential model"),
    "cache_features: all trains": (lambda m: tfbn.cache_features(m, X), "'conv': its weights train"),
    "probe: no examples": (
        lambda m: mismatch.Probe(m, X[:0]),
        "`inputs` to be a batch with at least one example",
    ),
    "select: no pattern": (lambda m: selection.select(m, "a*"), "Received: layers='a*'"),
    "build: no network": (lambda m: models.build("resnt20"), "`name` to be a network (did you mean resnet20"),
    "build: a number": (lambda m: models.build(20), "`name` to be a network"),
    "resnet_imagenet": (lambda m: models.resnet_imagenet(20), "`depth` to be one of [18, 34, 50, 101, 152]"),
    "plain_imagenet": (lambda m: models.plain_imagenet([18]), "[18, 34, 50, 101, 152]. Received: depth=[18]"),
    "pretrained: no network": (lambda m: models.pretrained("MobilNetV2"), "did you mean MobileNetV2"),
    "pretrained: no BatchNorm": (
        lambda m: models.pretrained("VGG16"),
        "with BatchNormalization, which this one",
    ),
    "preprocess_input": (
        lambda m: models.preprocess_input("resnet8"),
        "`name` to be a network of keras.applic",
    ),
    "stages": (lambda m: models.stages(m), "`model` to have layers named after stages"),
    "moments: empty": (lambda m: moments([]), "`x` to have at least one value. Received: x=(0,)"),
    "moments: axis": (
        lambda m: moments(X, axis=4),
        "`axis` to be an axis of x, which has the shape (8, 6, 6, 2)",
    ),
    "pool: nothing": (
        lambda m: statistics.pool([]),
        "`parts` to have at least one element. Received: parts=[]",
    ),
    "pool: unequal": (
        lambda m: statistics.pool([moments(np.ones((2, 2))), moments(np.ones((2, 3)))]),
        "`parts` to have 2 channels each. Received: parts=3",
    ),
    "moving_average": (lambda m: statistics.moving_average(0, 1, 2), "`momentum` to be a number in [0, 1]"),
    "moving_average_after": (
        lambda m: statistics.moving_average_after(-1, 0, 1, 0.5),
        "`steps` to be a whole",
    ),
    "take_one: not built": (
        lambda m: statistics.take_one(layers.BatchNormalization()),
        "that is built. Received",
    ),
    "take_one: another": (lambda m: statistics.take_one(layers.Dense(2, name="d")), "Received: layer='d'"),
    "distances": (lambda m: drift.distances(channels(2), channels(3)), "`current` to have 3 channels"),
    "between: unequal": (
        lambda m: drift.between([channels(2)], [channels(3)]),
        "reference's channels [3]. Received",
    ),
    "between: nothing": (lambda m: drift.between([], []), "`current` to have at least one layer"),
    "of_snapshots": (
        lambda m: drift.of_snapshots({"a": channels(2)}, {"b": channels(2)}),
        "reference's layers ['b']",
    ),
    "Reference.of": (lambda m: drift.Reference.of([]), "`layers` to have at least one element"),
    "DriftRecorder": (
        lambda m: tfbn.DriftRecorder("log", every=0),
        "`every` to be a whole number of at least 1",
    ),
    "DriftRecorder: a number": (
        lambda m: tfbn.DriftRecorder(3),
        "`log_dir` to be a folder that can be written",
    ),
    "DriftRecorder: none": (lambda m: tfbn.DriftRecorder(None), "Received: log_dir=None"),
    "DriftRecorder: a file": (lambda m: tfbn.DriftRecorder("file"), "Received: log_dir='file'"),
    "DriftRecorder: read-only": (lambda m: tfbn.DriftRecorder("/proc/new"), "Received: log_dir='/proc/new'"),
    "DriftRecorder: labels": (
        lambda m: tfbn.DriftRecorder("new", probe=X, probe_labels=X[:3]),
        "`probe_labels` to be the targets of the probe, which has",
    ),
    "DriftRecorder: overwrite": (
        lambda m: tfbn.DriftRecorder("log", overwrite="no"),
        "`overwrite` to be True or False. Received: overwrite='no'",
    ),
    "DriftRecorder: reference": (
        lambda m: tfbn.DriftRecorder("log", reference={"bn": 3}),
        "`reference` to be statistics by layer, from `tfbn.statistics.take`",
    ),
    "DriftRecorder: probe": (
        lambda m: tfbn.DriftRecorder("log", probe="x"),
        "`probe` to be a batch of inputs. Received: probe='x'",
    ),
    "Probe: two for one": (lambda m: mismatch.Probe(m, [X, X]), "`inputs` to be the model's 1 input"),
    "AveragedStatistics": (
        lambda m: callbacks.AveragedStatistics(None),
        "`images` to be arrays, or batches as `predict` takes them. Received: images=None",
    ),
    "GradualUnfreezing": (
        lambda m: callbacks.GradualUnfreezing({1: 3}),
        "`schedule[1]` to be one or several patterns. Received: schedule[1]=3",
    ),
    "BatchNormalization: inputs": (
        lambda m: tfbn.BatchNormalization(axis=4)(X),
        "`axis` to be an axis of inputs of shape (8, 6, 6, 2). Received: axis=4",
    ),
    "read_drift": (lambda m: callbacks.read_drift("nowhere"), "drift.parquet"),
    "writer: a file": (
        lambda m: summary.writer("file", m),
        "`log_dir` to be a folder that can be written (File exists",
    ),
    "writer: every": (
        lambda m: summary.writer("new", m, every=0),
        "`every` to be a whole number of at least 1",
    ),
    "writer: steps": (
        lambda m: summary.writer("new", m, steps=-1),
        "`steps` to be a whole number of at least 0",
    ),
    "writer: modes": (
        lambda m: summary.writer("new", m, modes={"x": None}),
        "`modes` to have the layers ['bn']",
    ),
    "writer: no layers": (lambda m: summary.writer("new", {}), "`reference` to have at least one layer"),
    "hparams: nothing": (
        lambda m: summary.hparams("new", {}, {}),
        "`values` to be a dict of texts, numbers or bools",
    ),
    "hparams: results": (
        lambda m: summary.hparams("new", {"a": 1}, {"b": "c"}),
        "`results` to be a dict of numbers",
    ),
    "hparams: choices": (
        lambda m: summary.hparams("new", {"a": 1}, {"b": 1.0}, choices={"c": [1]}),
        "`choices` to be of the hyperparameters ['a']. Received: choices={'c': [1]}",
    ),
    "text: a file": (
        lambda m: summary.text("file", "a", "b"),
        "`log_dir` to be a folder that can be written",
    ),
    "text: none": (
        lambda m: summary.text("new", "a", None),
        "`markdown` to be text. Received: markdown=None",
    ),
    "load: no such": (lambda m: datasets.load("mnist5"), "`dataset` to be a TFDS name (did you mean mnist5k"),
    "load: not here": (lambda m: datasets.load("cifar10", data_dir="log"), "`dataset` to be prepared in"),
    "load_folder": (
        lambda m: datasets.load_folder("nowhere", image_size=8),
        "`data_dir` to be a folder. Received",
    ),
    "apply": (
        lambda m: datasets.shifts.parse("blur=1").apply(X[0], 0),
        "`images` to be of shape (n, height, width",
    ),
    "Batches": (
        lambda m: batches.Batches(X, batch_size=-1),
        "`batch_size` to be a whole number of at least 1",
    ),
}


def _add(name, call, piece) -> None:
    assert name not in CALLS
    CALLS[name] = (call, piece)


def _takes_models(module, name, *arguments, **options):
    """One row for each thing that is no model, or none that the function can take."""
    for what, make, piece in (
        ("no model", lambda: "resnet8", NO_MODEL),
        ("without BatchNorm", plain, "BatchNormalization layer"),
        ("not built", unbuilt, "to be built" if name != "fold" else "nor one that is not built"),
    ):
        _add(
            f"{name}: {what}",
            lambda m, make=make: getattr(module, name)(make(), *arguments, **options),
            piece,
        )


for _module, _name in ((tfbn, "convert"), (tfbn, "audit"), (statistics, "take"), (summary, "channel_values")):
    _takes_models(_module, _name)
_takes_models(tfbn, "fold", **QUIET)
_takes_models(tfbn, "recalibrate", X, **QUIET)
_takes_models(mismatch, "Probe", X)
for _name in ("revert", "freeze", "unfreeze"):
    _add(f"{_name}: no model", lambda m, name=_name: getattr(tfbn, name)(None), f"{NO_MODEL}None")
_add("plan: no model", lambda m: folding.plan(np.ones(3)), NO_MODEL)
for _case, (_value, _piece) in LAYER.items():
    _options = {_case.split()[0]: _value}
    _add(f"BatchNormalization: {_case}", lambda m, o=_options: tfbn.BatchNormalization(**o), _piece)
for _case, (_value, _piece) in BUILDERS.items():
    _options = {_case.split()[0]: _value, **({"training": False} if _case == "frozen" else {})}
    _add(f"resnet_cifar: {_case}", lambda m, o=_options: models.resnet_cifar(**o), _piece)
for _case, (_value, _options, _piece) in DATA.items():
    _add(
        f"recalibrate: data {_case}",
        lambda m, v=_value, o=_options: tfbn.recalibrate(m, v, **QUIET, **o),
        _piece,
    )
for _case, (_options, _piece) in FEATURES.items():
    _add(
        f"cache_features: {_case}", lambda m, o=_options: tfbn.cache_features(frozen(), **o, **QUIET), _piece
    )
for _case, (_options, _piece) in IMAGES.items():
    _add(f"load: {_case}", lambda m, o=_options: datasets.load("uci_digits", **o), _piece)
for _case, _piece in SHIFTS.items():
    _add(f"shifts.parse: {_case!r}", lambda m, text=_case: datasets.shifts.parse(text), _piece)
