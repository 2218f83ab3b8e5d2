"""Every layer that Keras tracks is found, wherever it is kept, and what works on layers reaches it."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.graph.traversal import batch_normalizations, named_layers

L = keras.layers


def norm(name):
    layer = L.BatchNormalization(name=name, momentum=0.5)
    layer.build((None, 2))
    return layer


class OnFunctional(keras.Model):
    """Layers as attributes, in lists and dicts; `in_train_step` is used by the train step alone."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.extra = norm("extra")
        self.listed = [norm("listed"), [norm("deeper")]]
        self.keyed = {"key": norm("keyed"), "more": [norm("in_both")]}
        self.in_train_step = norm("in_train_step")
        self.block = keras.Sequential([keras.Input((2,)), norm("inside")], name="block")

    def call(self, x, training=None):
        x = super().call(x, training=training)
        for layer in (self.extra, *self.listed[:1], self.keyed["key"], self.block):
            x = layer(x, training=training)
        return x

    def train_step(self, data):
        self.in_train_step(data[0], training=True)
        return super().train_step(data)


class OnSequential(keras.Sequential):
    def __init__(self, layers):
        super().__init__(layers)
        self.extra = norm("extra")

    def call(self, x, training=None):
        return self.extra(super().call(x, training=training), training=training)


def functional(name="net"):
    inputs = keras.Input((2,), name="in")
    return OnFunctional(inputs, norm("bn")(inputs), name=name)


def nested():
    inputs = keras.Input((2,), name="in")
    inner = functional("inner")
    return keras.Model(inputs, inner(inputs))


ATTRIBUTES = ["bn", "extra", "listed", "deeper", "keyed", "in_both", "in_train_step", "block/inside"]
MODELS = {
    "functional": (functional, ATTRIBUTES),
    "nested": (nested, [f"inner/{path}" for path in ATTRIBUTES]),
    "sequential": (lambda: OnSequential([keras.Input((2,)), norm("bn")]), ["bn", "extra"]),
}


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("kind", MODELS)
def test_every_tracked_layer_is_found_held_and_counted(kind, rng):
    make, paths = MODELS[kind]
    model = make()
    assert [named.path for named in batch_normalizations(model)] == paths
    found = [id(named.layer) for named in named_layers(model)]
    assert len(found) == len(set(found))
    assert len(tfbn.audit(model).rows) == len(paths)
    tfbn.freeze(model, training=False)
    assert not model.trainable_variables
    tfbn.unfreeze(model)
    tfbn.freeze(model, training=False, trainable=True)
    x = rng.normal(3, 1, (8, 2)).astype("float32")
    before = [np.array(named.layer.moving_mean, copy=True) for named in batch_normalizations(model)]
    model.compile("sgd", "mse")
    model.fit(x, x, verbose=0)
    after = [np.array(named.layer.moving_mean) for named in batch_normalizations(model)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    tfbn.recalibrate(model, x, verbose=False)
    used = next(named.layer for named in batch_normalizations(model) if named.path.endswith("extra"))
    assert not np.array_equal(np.array(used.moving_mean), before[0])


def test_graph_layers_come_first_and_inputs_of_a_sequential_are_left_out():
    model = OnSequential([keras.Input((2,)), L.Dense(2, name="dense")])
    assert [named.path for named in named_layers(model)] == ["dense", "extra"]


class FromElsewhere:
    pass


def of_module(module, name="Net"):
    return type(name, (type("Base", (), {"__module__": module}),), {"__module__": "user"})()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: of_module("tf_keras.src.engine.training"), r"Net, a Keras 2 model \(tf_keras\); build"),
        (lambda _: of_module("torch.nn.modules.module"), r"Net, a PyTorch module; build the same"),
        (
            lambda _: of_module("tensorflow.python.trackable"),
            r"a TensorFlow object that is not a Keras layer",
        ),
        (lambda folder: folder, r"a SavedModel folder, in which no layers are left"),
        (lambda folder: str(folder), r"a SavedModel folder"),
        (
            lambda folder: str(folder / "model.keras"),
            r"a path; load the model first: `keras.models.load_model",
        ),
        (lambda _: keras.Sequential, r"the class Sequential; call it to make a model"),
        (lambda _: FromElsewhere(), r"FromElsewhere object"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        tfbn.audit,
        tfbn.freeze,
        tfbn.convert,
        tfbn.fold,
        lambda model: tfbn.recalibrate(model, np.ones((2, 2))),
        lambda model: tfbn.cache_features(model, np.ones((2, 2))),
    ],
    ids=["audit", "freeze", "convert", "fold", "recalibrate", "cache_features"],
)
def test_what_is_no_model_of_keras_3_is_named(make, says, use, tmp_path):
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(
        ValueError, match=rf"Expected `model` to be a Keras 3 model or layer. Received: .*{says}"
    ):
        use(make(tmp_path))
