"""Optimizers in optimizers, schedules, norms over all gradients, custom optimizers; and what lasts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfbn
from tests.transforms import late_start
from tests.transforms.late_start import (
    AFTER,
    BEFORE,
    RATE,
    Shifted,
    check,
    disturbed,
    expected,
    gradients,
    network,
    run,
    values,
)

optimizers = keras.optimizers
several = pytest.mark.skipif(not hasattr(optimizers, "MultiOptimizer"), reason="this Keras has none")


@pytest.mark.parametrize("inner", [optimizers.Adam, optimizers.Nadam])
def test_inside_a_loss_scale(inner):
    def make():
        return optimizers.LossScaleOptimizer(inner(RATE, use_ema=True, ema_momentum=0.6), initial_scale=4.0)

    start, found = disturbed(make, scale=4.0)
    check(found, expected(make, start, scale=4.0), start)


@pytest.mark.parametrize("inner", [optimizers.Adam, optimizers.Nadam, optimizers.SGD])
def test_loss_scale_averages_accumulation_and_a_schedule_at_once(inner, monkeypatch):
    monkeypatch.setattr(late_start, "BEFORE", 6)  # whole accumulations

    def make(shift=0):
        options = {"use_ema": True, "ema_momentum": 0.6, "ema_overwrite_frequency": 2, "clipnorm": 0.5}
        optimizer = inner(Shifted(shift), gradient_accumulation_steps=3, **options)
        return optimizers.LossScaleOptimizer(optimizer, initial_scale=4.0)

    start, found = disturbed(make, scale=4.0)
    check(found, expected(make, start, lambda: make(6), scale=4.0), start)


def by_layer(**optimizers):
    return lambda variable: optimizers[variable.path.split("/")[-2]]


@several
@pytest.mark.parametrize("kind", ["map", "shared", "each", "late"])
def test_several_optimizers(kind):
    def make():
        if kind == "map":
            return optimizers.MultiOptimizer(
                optimizers.OptimizerMap(optimizers.Adam(RATE), {"a/.*": optimizers.SGD(RATE, momentum=0.9)})
            )
        if kind == "shared":
            one = optimizers.Nadam(RATE)
            return optimizers.MultiOptimizer(by_layer(a=one, b=one, c=optimizers.SGD(RATE)))
        if kind == "late":  # one whose first variables join
            return optimizers.MultiOptimizer(
                by_layer(a=optimizers.SGD(RATE), b=optimizers.Nadam(RATE), c=optimizers.SGD(RATE))
            )
        return optimizers.MultiOptimizer(lambda variable: optimizers.Adam(RATE))

    start, found = disturbed(make)
    check(found, expected(make, start), start)


@pytest.mark.parametrize("optimizer", [optimizers.Adam, optimizers.SGD, optimizers.Nadam])
def test_a_schedule_goes_on(optimizer):
    start, found = disturbed(lambda: optimizer(Shifted()))
    check(found, expected(lambda: optimizer(Shifted()), start, lambda: optimizer(Shifted(BEFORE))), start)


def test_a_function_as_learning_rate():
    start, found = disturbed(lambda: optimizers.Adam(lambda: RATE))
    check(found, expected(lambda: optimizers.Adam(lambda: RATE), start), start)


@pytest.mark.parametrize("steps", [None, 2, 5])  # after 5, both groups are due at once
def test_a_norm_over_all_gradients_that_are_applied(steps):
    """Two optimizers without it, whose gradients are clipped here, must come to the same."""
    model, limit = network(), 0.5
    clipped = optimizers.SGD(RATE, momentum=0.9, global_clipnorm=limit, gradient_accumulation_steps=steps)
    model.compile(clipped, "mse")
    start = values(model.weights)
    run(clipped, model.trainable_variables, range(BEFORE))
    tfbn.unfreeze(model, "b")
    run(clipped, model.trainable_variables, range(BEFORE, BEFORE + AFTER))

    oracle = network()
    oracle.set_weights(start)
    groups = [[v for n in "ac" for v in oracle.get_layer(n).weights], oracle.get_layer("b").weights]
    clipless = [optimizers.SGD(RATE, momentum=0.9) for _ in groups]
    sums = [[0.0] * len(group) for group in groups]
    for step in range(BEFORE + AFTER):
        due = []
        for i, begin in enumerate((0, BEFORE)):
            if step < begin:
                continue
            grads = gradients(groups[i], step)
            sums[i] = [total + g for total, g in zip(sums[i], grads, strict=True)]
            if (step - begin + 1) % (steps or 1) == 0:
                due.append((i, [total / (steps or 1) for total in sums[i]]))
                sums[i] = [0.0] * len(groups[i])
        norm = np.sqrt(sum(np.sum(np.square(g)) for _, grads in due for g in grads))
        for i, grads in due:
            scaled = [np.float32(g * limit / max(limit, norm)) for g in grads]
            clipless[i].apply_gradients(zip(scaled, groups[i], strict=True))
    for now, then in zip(values(model.weights), values(oracle.weights), strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-5, atol=1e-5)


def test_a_second_start_and_a_layer_that_comes_back():
    """`c` leaves and returns: it starts afresh, `a` and `b` go on."""
    model, optimizer = network(), optimizers.Nadam(RATE)
    start = values(model.weights)
    model.compile(optimizer, "mse")
    run(optimizer, model.trainable_variables, range(3))
    tfbn.unfreeze(model, "b")
    run(optimizer, model.trainable_variables, range(3, 5))
    tfbn.freeze(model, "c")
    run(optimizer, model.trainable_variables, range(5, 7))
    tfbn.unfreeze(model, "c")
    assert model.optimizer is optimizer
    run(optimizer, model.trainable_variables, range(7, 10))

    oracle = network()
    oracle.set_weights(start)
    for name, spans in {"a": [(0, 10)], "b": [(3, 10)], "c": [(0, 5), (7, 10)]}.items():
        for span in spans:
            run(optimizers.Nadam(RATE), oracle.get_layer(name).weights, range(*span))
    for now, then in zip(values(model.weights), values(oracle.weights), strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-5, atol=1e-5)


def test_everything_leaves_and_others_join():
    """The schedule goes on, the moments do not."""
    model, optimizer = network(), optimizers.Adam(Shifted())
    model.compile(optimizer, "mse")
    run(optimizer, model.trainable_variables, range(BEFORE))
    tfbn.freeze(model)
    before = values(model.weights)
    tfbn.unfreeze(model, "b")
    run(optimizer, model.trainable_variables, range(BEFORE, BEFORE + AFTER))
    oracle = network()
    oracle.set_weights(before)
    run(optimizers.Adam(Shifted(BEFORE)), oracle.get_layer("b").weights, range(BEFORE, BEFORE + AFTER))
    for now, then in zip(values(model.weights), values(oracle.weights), strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-5, atol=1e-5)


def test_an_unbuilt_optimizer_is_left_alone():
    model, optimizer = network(), optimizers.Adam(RATE)
    model.compile(optimizer, "mse")
    before = dict(vars(optimizer))
    tfbn.unfreeze(model, "b")
    assert dict(vars(optimizer)) == before


def test_settings_changed_later_hold_for_all():
    model, optimizer = network(), optimizers.Adam(RATE)
    model.compile(optimizer, "mse")
    run(optimizer, model.trainable_variables, range(BEFORE))
    tfbn.unfreeze(model, "b")
    optimizer.learning_rate = 0.0
    before = values(model.weights)
    run(optimizer, model.trainable_variables, range(3))
    np.testing.assert_array_equal(
        np.concatenate([v.ravel() for v in values(model.weights)]),
        np.concatenate([v.ravel() for v in before]),
    )
    optimizer.learning_rate, optimizer.beta_1 = RATE, 0.0
    run(optimizer, model.trainable_variables, range(1))
    last = optimizer._momentums[optimizer._get_variable_index(model.get_layer("b").vector)]
    np.testing.assert_allclose(values([last])[0], gradients([model.get_layer("b").vector], 0)[0], rtol=1e-5)


# Custom optimizers.


class Lists(optimizers.Optimizer):
    """From Keras's docs: a momentum in a list, and a required argument."""

    def __init__(self, factor, **kwargs):
        super().__init__(learning_rate=RATE, **kwargs)
        self.factor = factor

    def build(self, variables):
        super().build(variables)
        self.means = [self.add_variable_from_reference(v, name="mean") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        mean = self.means[self._get_variable_index(variable)]
        count = keras.ops.cast(self.iterations + 1, "float32")
        self.assign(mean, mean + (gradient - mean) / count)
        self.assign_sub(variable, self.factor * learning_rate * mean)


class Dicts(Lists):
    """Its slots in a dict, which is there before `build`."""

    def __init__(self, factor, **kwargs):
        super().__init__(factor, **kwargs)
        self.slots = {}

    def build(self, variables):
        optimizers.Optimizer.build(self, variables)
        for v in variables:
            self.slots[v.path] = self.add_variable_from_reference(v, name="mean")
        self.means = list(self.slots.values())


class Counts(Lists):
    """A count of the whole that `build` makes, tracked as Nadam's product is."""

    def build(self, variables):
        super().build(variables)
        self.weight = keras.Variable(1.0, name="weight")

    def _backend_update_step(self, *args):
        self.weight.assign(self.weight * 0.9)
        super()._backend_update_step(*args)

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate * self.weight)


OWN = {"lists": Lists, "dicts": Dicts, "counts": Counts}


@pytest.mark.parametrize("name", OWN)
def test_an_optimizer_of_ones_own(name):
    start, found = disturbed(lambda: OWN[name](0.5, use_ema=True))
    check(found, expected(lambda: OWN[name](0.5, use_ema=True), start), start)


class CountsFromTheStart(Lists):
    """State that is there before `build`: it is unknown whether it is one for all."""

    def __init__(self, factor):
        super().__init__(factor)
        self.gain = keras.Variable(1.0)


class InOne(Lists):
    """All slots in one variable."""

    def build(self, variables):
        super().build(variables)
        self.state = [[self.add_variable((3,), name="all")]]


class Around(Lists):
    """Another optimizer inside."""

    def __init__(self, factor):
        super().__init__(factor)
        self.inside = optimizers.SGD(0.1)


class Reads(Lists):
    """Its `build` reads the slots."""

    def build(self, variables):
        super().build(variables)
        self.norms = [float(keras.ops.sum(mean)) for mean in self.means]


class Scales(Lists):
    """Divides by the norm of all gradients, in a method of its own that gets all of them."""

    def apply(self, grads, trainable_variables=None):
        super().apply(_scaled(grads), trainable_variables)


class Clips(Lists):
    def _clip_gradients(self, grads):
        return _scaled(grads)


class ScalesPairs(Lists):
    """One that does not mind: `fit` passes the gradients of all variables to it."""

    def apply_gradients(self, grads_and_vars):
        grads, variables = zip(*grads_and_vars, strict=True)
        return super().apply_gradients(zip(_scaled(grads), variables, strict=True))


def _scaled(grads):
    norm = keras.ops.sqrt(sum(keras.ops.sum(g * g) for g in grads))
    return [g / norm for g in grads]


@pytest.mark.parametrize("kind", [Scales, Clips, ScalesPairs])
def test_before_the_first_step_any_of_them_takes_in_variables(kind):
    model, optimizer = network(), kind(0.5)
    model.compile(optimizer, "mse")
    optimizer.build(model.trainable_variables)
    tfbn.unfreeze(model, "b")
    before = values(model.get_layer("b").weights)
    run(optimizer, model.trainable_variables, range(1))
    assert np.any(values(model.get_layer("b").weights)[0] != before[0])


@pytest.mark.parametrize("kind", [CountsFromTheStart, InOne, Around, Reads, Scales, Clips])
def test_what_cannot_follow_is_refused_before_anything_changes(kind):
    model, optimizer = network(), kind(0.5)
    model.compile(optimizer, "mse")
    run(optimizer, model.trainable_variables, range(2))
    before, flags = dict(vars(optimizer)), [v.trainable for v in model.weights]
    layers = [layer.trainable for layer in model.layers]
    state = values(optimizer.variables)
    with pytest.raises(ValueError, match=r"Expected `optimizer` .*Received: optimizer="):
        tfbn.unfreeze(model, "b")
    assert {k: id(v) for k, v in vars(optimizer).items()} == {k: id(v) for k, v in before.items()}
    assert [v.trainable for v in model.weights] == flags
    assert [layer.trainable for layer in model.layers] == layers
    for now, then in zip(values(optimizer.variables), state, strict=True):
        np.testing.assert_array_equal(now, then)
    run(optimizer, model.trainable_variables, range(2))  # goes on as if nothing had been


@several
def test_a_map_that_has_no_optimizer_for_what_joins():
    model, optimizer = (
        network(),
        optimizers.MultiOptimizer({"a": optimizers.SGD(RATE), "c": optimizers.SGD(RATE)}.get),
    )
    optimizer._optimizer_map = lambda v: {"a": one, "c": one}[v.path.split("/")[-2]]
    one = optimizers.SGD(RATE)
    model.compile(optimizer, "mse")
    run(optimizer, model.trainable_variables, range(2))
    with pytest.raises(KeyError):
        tfbn.unfreeze(model, "b")
    assert not model.get_layer("b").trainable
    assert len(model.trainable_variables) == 2


# What lasts: files, averages, traced steps.

RNG = np.random.default_rng(0)
X, Y = np.float32(RNG.normal(size=(24, 4))), np.float32(RNG.normal(size=(24, 1)))


def fit(model, **kwargs):
    """Batches of one known shape, which take less to trace."""
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8, drop_remainder=True)
    return model.fit(data, verbose=0, shuffle=False, **kwargs).history


def step(model):
    model.train_on_batch(X, Y)


def trained(optimizer, train=fit, **compiled):
    """A model whose hidden layer joined after an epoch or a step, and trained for another."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(5, name="hidden"), keras.layers.ReLU(), keras.layers.Dense(1, name="head")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.get_layer("hidden").trainable = False
    model.compile(optimizer, "mse", **compiled)
    optimizer.build(model.trainable_variables)  # takes longer while `fit` traces
    train(model)
    tfbn.unfreeze(model, "hidden")
    train(model)
    assert model.optimizer is optimizer
    return model


@pytest.mark.parametrize(
    "make",
    [
        optimizers.Adam,
        optimizers.Nadam,
        optimizers.Adafactor,
        lambda r: optimizers.Adam(r, amsgrad=True, use_ema=True),
    ],
)
def test_a_file_loads_with_the_optimizers_state(make, tmp_path):
    """What is traced is in no file: one trace of all, that the loaded optimizer can be traced."""
    model = trained(make(0.01), step, run_eagerly=make is not optimizers.Adam)
    with pytest.warns(UserWarning, match=r"one count for all of it \(\[0, 1\]"):
        model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.keras")  # warns once
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert "apply" not in vars(loaded.optimizer)
    for ours, theirs in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(values([ours])[0], values([theirs])[0])
    step(loaded)
    model.load_weights(tmp_path / "model.keras")
    step(model)


def test_a_file_of_an_optimizer_that_counts_nothing_needs_no_warning(tmp_path, recwarn):
    trained(optimizers.SGD(0.01, momentum=0.9), step, run_eagerly=True).save(tmp_path / "model.keras")
    assert not [w for w in recwarn if "joined" in str(w.message)]


def traced(**compiled):
    options = {"use_ema": True, "ema_overwrite_frequency": 2, "global_clipnorm": 0.5}
    return values(trained(optimizers.Nadam(0.01, **options), **compiled).weights)


@pytest.fixture(scope="module")
def plainly_traced():
    return traced(jit_compile=False)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="ways to trace of TensorFlow")
@pytest.mark.parametrize(
    "compiled", [{"jit_compile": True}, {"steps_per_execution": 3}, {"run_eagerly": True}]
)
def test_traced_in_any_way_it_is_the_same(compiled, plainly_traced):
    for now, then in zip(plainly_traced, traced(**compiled), strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-4, atol=1e-5)


def test_weights_are_swapped_with_their_averages():
    """The averages stand in for the weights while validation runs, and only then."""
    model, losses, weights = trained(optimizers.Adam(0.01, use_ema=True)), [], []
    variables = [*model.weights, *model.optimizer.variables]
    start = values(variables)
    for callbacks in ([], [keras.callbacks.SwapEMAWeights()]):
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)
        losses.append(fit(model, epochs=2, validation_data=(X, Y), callbacks=callbacks)["val_loss"])
        weights.append(values(model.weights))
    assert not np.allclose(*losses, rtol=1e-6)
    for plain, swapped in zip(*weights, strict=True):
        np.testing.assert_allclose(plain, swapped, rtol=1e-6)


def losses_of_joining(*before, after=()):
    """The losses of three epochs; between these callbacks is one that unfreezes at the second."""
    unfreeze = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: tfbn.unfreeze(unfreeze.model, "hidden") if epoch == 1 else None
    )
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(5, name="hidden"), keras.layers.ReLU(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.get_layer("hidden").trainable = False
    model.compile(optimizers.Adam(0.01, use_ema=True, ema_momentum=0.7), "mse")
    start = values(model.weights)
    losses = fit(model, epochs=3, callbacks=[*before, unfreeze, *after])["loss"]
    moved = [np.abs(now - then).max() for now, then in zip(values(model.weights), start, strict=True)]
    assert min(moved) > 1e-3
    return losses


@pytest.fixture(scope="module")
def losses_without_swaps():
    return losses_of_joining()


@pytest.mark.parametrize("first", ["swaps", "unfreezes"])
def test_layers_that_join_while_weights_are_swapped_with_their_averages(first, losses_without_swaps):
    """`SwapEMAWeights` swaps at the end of each epoch and back at the next; a callback unfreezes between."""
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    losses = losses_of_joining(swap) if first == "swaps" else losses_of_joining(after=[swap])
    np.testing.assert_allclose(losses, losses_without_swaps, rtol=1e-5)


def test_averages_before_the_first_step_are_the_weights():
    model = trained(optimizers.SGD(0.0, use_ema=True), step, run_eagerly=True)
    tfbn.freeze(model, "hidden")
    tfbn.unfreeze(model, "hidden")
    before = values(model.weights)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    for now, then in zip(values(model.weights), before, strict=True):
        np.testing.assert_allclose(now, then, rtol=1e-6)
