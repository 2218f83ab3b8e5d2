"""What was set takes effect in the next `fit`, in whichever compiled model runs the layer."""

import keras
import numpy as np
import pytest

import tfbn

L = keras.layers
RNG = np.random.default_rng(0)
X, Y = np.float32(RNG.normal(1, 2, (20, 6))), np.float32(RNG.normal(size=(20, 2)))


def inner(name):
    """A model whose layers, so whose variables, have the same names each time."""
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="bn", momentum=0.5)(L.Dense(6, name="conv")(inputs))
    return keras.Model(inputs, x, name=name)


def identical_networks(optimizer="adam"):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dense(2, name="head")(inner("b")(inner("a")(inputs))))
    model.compile(optimizer, "mse")
    return model


def moved(model, **kwargs):
    """Which of the models "a" and "b" and the head have a variable that one `fit` moved."""
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    before = {name: [v.numpy().copy() for v in layer.weights] for name, layer in layers.items()}
    model.fit(X, Y, batch_size=8, verbose=0, **kwargs)
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
    for each in (model, bystander):
        assert moved(each) == {"a", "b", "head"}
    step, optimizer = bystander.train_function, bystander.optimizer
    change(base)
    statistics = base.get_layer("bn").moving_mean
    before = statistics.numpy().copy()
    frozen = {"a"} if change is tfbn.freeze else set()
    assert moved(model) == {"a", "b", "head"} - frozen
    np.testing.assert_array_equal(statistics.numpy(), before)
    assert bystander.train_function is step
    assert bystander.optimizer is optimizer


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(0.01),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        lambda: keras.optimizers.Adagrad(0.01),
    ],
    ids=["adam", "momentum", "adagrad"],
)
def test_slots_follow_their_variable_where_paths_repeat(optimizer):
    model = identical_networks(optimizer())
    moved(model)
    paths = [v.path for v in model.trainable_variables]
    assert len(set(paths)) < len(paths)
    before, iterations = slots(model.optimizer), int(model.optimizer.iterations)
    rate = float(model.optimizer.learning_rate)
    tfbn.freeze(model, "a")
    after = slots(model.optimizer)
    assert 0 < len(after) < len(before)
    for key, value in after.items():
        np.testing.assert_array_equal(value, before[key])
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
    model = identical_networks(keras.optimizers.LossScaleOptimizer(inside, initial_scale=64.0))
    moved(model)
    tfbn.freeze(model, "a")
    gamma, kernel = (model.get_layer("b").get_layer(n).trainable_variables[0] for n in ("bn", "conv"))
    successor = model.optimizer.inner_optimizer
    assert successor is not inside
    assert (successor._use_weight_decay(gamma), successor._use_weight_decay(kernel)) == (False, True)
    assert float(model.optimizer.dynamic_scale) == 64.0


def test_a_frozen_and_fitted_model_saves_with_its_optimizer(tmp_path):
    model = identical_networks()
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
