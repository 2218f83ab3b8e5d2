"""What was set takes effect in the next `fit`, in every compiled model that runs the layer."""

import gc
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfbn
from tfbn.graph import compiled_models

L = keras.layers
RNG = np.random.default_rng(0)
X, Y = np.float32(RNG.normal(1, 2, (20, 6))), np.float32(RNG.normal(size=(20, 2)))


def inner(name):
    """A model whose layers, so whose variables, have the same names each time."""
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="bn", momentum=0.5)(L.Dense(6, name="conv")(inputs))
    return keras.Model(inputs, x, name=name)


def identical_networks(optimizer="sgd", **compiled):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dense(2, name="head")(inner("b")(inner("a")(inputs))))
    model.compile(optimizer, "mse", **compiled)
    return model


def fit(model):
    """Batches of one known shape, which take less to trace."""
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(10, drop_remainder=True)
    model.fit(data, verbose=0, shuffle=False)


def step(model):
    """One step of the function that `fit` runs."""
    model.train_on_batch(X, Y)


def moved(model, train=step):
    """Which of the models "a" and "b" and the head have a variable that training moved."""
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    before = {name: [v.numpy().copy() for v in layer.weights] for name, layer in layers.items()}
    train(model)
    return {
        name
        for name, layer in layers.items()
        if any(np.any(v.numpy() != old) for v, old in zip(layer.weights, before[name], strict=True))
    }


def slots(optimizer):
    """The slots as they are listed, by the variable they belong to."""
    return {
        (name, id(variable)): slot.numpy().copy()
        for name in ("_momentums", "_velocities", "momentums", "_accumulators")
        for variable, slot in zip(
            optimizer._trainable_variables,
            getattr(optimizer, name, []),
            strict=bool(getattr(optimizer, name, [])),
        )
    }


@pytest.mark.parametrize("change", [tfbn.freeze, lambda base: tfbn.convert(base, training=False)])
def test_a_compiled_model_around_the_changed_one_is_told(change):
    model, bystander = identical_networks(), identical_networks()
    base = model.get_layer("a")
    for each, train in ((model, fit), (bystander, step)):
        assert moved(each, train) == {"a", "b", "head"}
    traced, optimizer = bystander.train_function, bystander.optimizer
    change(base)
    statistics = base.get_layer("bn").moving_mean
    before = statistics.numpy().copy()
    frozen = {"a"} if change is tfbn.freeze else set()
    assert moved(model, fit) == {"a", "b", "head"} - frozen
    np.testing.assert_array_equal(statistics.numpy(), before)
    assert bystander.train_function is traced
    assert bystander.optimizer is optimizer


@pytest.mark.parametrize(
    ("optimizer", "eagerly"),
    [
        (lambda: keras.optimizers.Adam(0.01), True),
        (lambda: keras.optimizers.SGD(0.1, momentum=0.9), False),
        (lambda: keras.optimizers.Adagrad(0.01), True),
    ],
    ids=["adam", "momentum", "adagrad"],
)
def test_slots_follow_their_variable_where_paths_repeat(optimizer, eagerly):
    model = identical_networks(optimizer(), run_eagerly=eagerly)
    moved(model)
    used = model.optimizer
    paths = [v.path for v in model.trainable_variables]
    assert len(set(paths)) < len(paths)
    before, iterations = slots(model.optimizer), int(model.optimizer.iterations)
    rate = float(model.optimizer.learning_rate)
    tfbn.freeze(model, "a")
    after = slots(model.optimizer)
    assert 0 < len(after) < len(before)
    for key, value in after.items():
        np.testing.assert_array_equal(value, before[key])
    assert model.optimizer is used
    assert int(model.optimizer.iterations) == iterations
    assert float(model.optimizer.learning_rate) == rate
    assert moved(model) == {"b", "head"}
    tfbn.unfreeze(model, "a")
    new = {id(v) for v in model.get_layer("a").trainable_variables}
    fresh = optimizer()
    fresh.build(model.trainable_variables)
    initial = slots(fresh)
    assert any(key[1] in new for key in slots(model.optimizer))
    for key, value in slots(model.optimizer).items():
        if key[1] in new:
            np.testing.assert_array_equal(value, initial[key])
    assert moved(model) == {"a", "b", "head"}


def test_what_is_excluded_from_weight_decay_stays_so_inside_a_loss_scale():
    inside = keras.optimizers.AdamW(0.01)
    inside.exclude_from_weight_decay(var_names=["gamma"])
    optimizer = keras.optimizers.LossScaleOptimizer(inside, initial_scale=64.0)
    model = identical_networks(optimizer, run_eagerly=True)
    moved(model)
    tfbn.freeze(model, "a")
    gamma, kernel = (model.get_layer("b").get_layer(n).trainable_variables[0] for n in ("bn", "conv"))
    assert model.optimizer.inner_optimizer is inside
    assert (inside._use_weight_decay(gamma), inside._use_weight_decay(kernel)) == (False, True)
    tfbn.unfreeze(model, "a")
    gamma, kernel = (model.get_layer("a").get_layer(n).trainable_variables[0] for n in ("bn", "conv"))
    assert (inside._use_weight_decay(gamma), inside._use_weight_decay(kernel)) == (False, True)
    assert float(model.optimizer.dynamic_scale) == 64.0


def test_a_frozen_and_fitted_model_saves_with_its_optimizer(tmp_path):
    model = identical_networks(keras.optimizers.SGD(0.1, momentum=0.9), run_eagerly=True)
    moved(model)
    tfbn.freeze(model, "a")
    moved(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    pairs = list(zip(model.optimizer.variables, loaded.optimizer.variables, strict=True))
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert moved(loaded) == {"b", "head"}


def test_a_callback_thaws_between_epochs():
    model = identical_networks()
    tfbn.freeze(model, "a")
    kernel = model.get_layer("a").get_layer("conv").kernel
    seen = [kernel.numpy().copy()]

    def thaw(epoch, logs):
        seen.append(kernel.numpy().copy())
        if epoch == 1:
            tfbn.unfreeze(model, "a")

    model.fit(X, Y, epochs=3, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=thaw)])
    np.testing.assert_array_equal(seen[2], seen[0])
    assert np.all(seen[3] != seen[2])


def test_the_audit_has_nothing_to_warn_of_after_freeze():
    model = identical_networks()
    tfbn.convert(model)
    moved(model)
    tfbn.freeze(model, "a", training=True)
    assert "changed since" not in str(tfbn.audit(model))
    model.get_layer("b").get_layer("bn").training = False  # by hand: not before it was traced
    moved(model)
    model.get_layer("b").get_layer("bn").training = True
    assert "flags changed since" in str(tfbn.audit(model))


def held(base):
    """The base's kernel and statistics, as copies."""
    layer, norm = base.get_layer("conv"), base.get_layer("bn")
    return [np.array(v, copy=True) for v in (layer.kernel, norm.gamma, norm.moving_mean)]


HIDING = {
    "gc.freeze": lambda model: (gc.collect(), gc.freeze()),
    "gc.disable": lambda model: gc.disable(),
    "another thread": lambda model: None,
    "a callback": lambda model: None,
    "before tfbn": lambda model: compiled_models._MODELS.discard(model),
}


@pytest.mark.parametrize("hiding", HIDING)
def test_a_model_is_found_wherever_it_hides(hiding):
    made = []

    def make():
        model = identical_networks()
        moved(model)
        made.append(model)

    if hiding == "another thread":
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
    else:
        make()
    base = made[0].get_layer("a")
    if hiding == "a callback":
        holder = keras.callbacks.LambdaCallback()
        holder.set_model(made.pop())
    HIDING[hiding](made and made[0])
    try:
        tfbn.freeze(base, training=False)
        before = held(base)
        model = made[0] if made else holder.model
        assert moved(model) == {"b", "head"}
        for now, then in zip(held(base), before, strict=True):
            np.testing.assert_array_equal(now, then)
        tfbn.unfreeze(base)
        assert moved(model) == {"a", "b", "head"}
    finally:
        gc.enable()  # what is frozen stays so, as after each file


@pytest.mark.parametrize("call", ["evaluate", "predict"])
def test_a_model_from_before_tfbn_evaluates_and_predicts_by_the_flags(call):
    model = identical_networks()
    data = (X, Y) if call == "evaluate" else (X,)
    getattr(model, call)(*data, verbose=0)
    compiled_models._MODELS.discard(model)
    kept = vars(model)["test_function" if call == "evaluate" else "predict_function"]
    tfbn.convert(model.get_layer("a"), training=False)
    getattr(model, call)(*data, verbose=0)
    assert vars(model)["test_function" if call == "evaluate" else "predict_function"] is not kept


def test_a_loaded_model_compiles_and_is_known(tmp_path, recwarn):
    model = identical_networks()
    moved(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not [w for w in recwarn if "custom" in str(w.message)]  # `compile` is still Keras's own
    assert any(each is loaded for each in compiled_models.compiled_models())


def test_models_are_not_kept_alive():
    gc.freeze()  # nothing but this model is looked through
    model = identical_networks()
    moved(model)
    count = len(compiled_models.compiled_models())
    del model
    keras.backend.clear_session()
    gc.collect()
    assert len(compiled_models.compiled_models()) < count


def test_it_takes_no_walk_over_the_heap(monkeypatch):
    model = identical_networks()
    moved(model)
    monkeypatch.setattr(gc, "get_objects", lambda *args: pytest.fail("walked over the heap"))
    tfbn.freeze(model, "a"), tfbn.unfreeze(model, "a"), tfbn.revert(tfbn.convert(model))


def test_two_models_with_one_optimizer_each_keep_their_variables():
    """What one of them freezes is not trained; what only the other one trains stays."""
    inputs = keras.Input((6,))
    a, b = inner("a"), inner("b")
    first = keras.Model(inputs, L.Dense(2, name="first")(a(inputs)))
    second = keras.Model(inputs, L.Dense(2, name="second")(b(a(inputs))))
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(
        [*first.trainable_variables, *b.trainable_variables, *second.layers[-1].trainable_variables]
    )
    for each in (first, second):
        each.compile(optimizer, "mse")
        moved(each)
    tfbn.freeze(first, "a")
    assert first.optimizer is optimizer is second.optimizer
    assert (moved(first), moved(second)) == ({"first"}, {"b", "second"})
