"""A small network whose gradients are given, and what three of its layers must be after a late start."""

import keras
import numpy as np

import tfbn

RATE, BEFORE, AFTER = 0.05, 5, 6


SHAPES = {"matrix": (3, 2), "vector": (3,)}


class Weights(keras.layers.Layer):
    """A matrix, a vector or both."""

    def __init__(self, *kinds, **kwargs):
        super().__init__(**kwargs)
        self.kinds = kinds

    def build(self, shape):
        for kind in self.kinds:
            setattr(self, kind, self.add_weight(shape=SHAPES[kind], name=kind))

    def call(self, x):
        return x


class Shifted(keras.optimizers.schedules.LearningRateSchedule):
    """No `get_config`, as users' own often are."""

    def __init__(self, shift=0):
        self.shift = shift

    def __call__(self, step):
        return RATE * 0.9 ** keras.ops.cast(step + self.shift, "float32")


def network():
    """Three layers `a`, `b` and `c`, of which `a` and `c` train; their weights are always the same.

    Those of `b`, which stands between them, have the shapes of theirs.
    """
    kinds = {"a": ["vector"], "b": ["matrix", "vector"], "c": ["matrix"]}
    model = keras.Sequential([keras.Input((2,)), *(Weights(*kinds[name], name=name) for name in kinds)])
    rng = np.random.default_rng(0)
    model.set_weights([np.float32(rng.normal(size=w.shape)) for w in model.weights])
    model.get_layer("b").trainable = False
    return model


def gradients(variables, step, scale=1.0):
    """By the variable's layer, name and the step."""
    seeds = [(ord(v.path.split("/")[-2][0]), len(v.shape), step) for v in variables]
    return [
        np.float32(scale * np.random.default_rng(s).normal(size=v.shape))
        for s, v in zip(seeds, variables, strict=True)
    ]


def run(optimizer, variables, steps, scale=1.0):
    for step in steps:
        optimizer.apply_gradients(zip(gradients(variables, step, scale), variables, strict=True))


def values(variables):
    return [keras.ops.convert_to_numpy(v).copy() for v in variables]


def expected(make, weights, joined_rate=None, scale=1.0):
    """The three layers after all steps: `a` and `c` undisturbed, `b` by a fresh optimizer."""
    model = network()
    model.set_weights(weights)
    theirs = [v for name in "ac" for v in model.get_layer(name).weights]
    undisturbed = make()
    run(undisturbed, theirs, range(BEFORE + AFTER), scale)
    undisturbed.finalize_variable_values(theirs)
    mine = model.get_layer("b").weights
    for v in mine:
        v.trainable = True
    fresh = make() if joined_rate is None else joined_rate()
    run(fresh, mine, range(BEFORE, BEFORE + AFTER), scale)
    fresh.finalize_variable_values(mine)
    return {name: values(model.get_layer(name).weights) for name in "abc"}


def disturbed(make, scale=1.0):
    """The same by a user's optimizer and `tfbn.unfreeze`; returns the start too."""
    model, optimizer = network(), make()
    start = values(model.weights)
    model.compile(optimizer, "mse")
    run(optimizer, model.trainable_variables, range(BEFORE), scale)
    state = {id(v): values([v])[0] for v in optimizer.variables}
    tfbn.unfreeze(model, "b")
    assert model.optimizer is optimizer
    for v in optimizer.variables:
        if id(v) in state:
            np.testing.assert_array_equal(values([v])[0], state[id(v)])
    kept = [v for v in optimizer.variables if id(v) in state]
    assert len(kept) == len(state)  # all that it had, and more
    run(optimizer, model.trainable_variables, range(BEFORE, BEFORE + AFTER), scale)
    counted = getattr(optimizer, "inner_optimizer", optimizer)  # Keras 3.8 does not count around it
    assert int(counted.iterations) == (BEFORE + AFTER) // (
        getattr(counted, "gradient_accumulation_steps", None) or 1
    )
    optimizer.finalize_variable_values(model.trainable_variables)
    return start, {name: values(model.get_layer(name).weights) for name in "abc"}


def check(found, wanted, start):
    for name, tolerance in {"a": 1e-6, "b": 1e-5, "c": 1e-6}.items():
        for now, then in zip(found[name], wanted[name], strict=True):
            np.testing.assert_allclose(now, then, rtol=tolerance, atol=tolerance, err_msg=name)
    after = [value for each in found.values() for value in each]
    moved = [np.abs(now - then).max() for now, then in zip(after, start, strict=True)]
    assert min(moved) > 2e-5
