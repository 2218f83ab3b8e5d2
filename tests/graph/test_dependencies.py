"""`up_to` means what a layer's output depends on, not what comes earlier in a list."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.graph.selection import select

L = keras.layers


def dense(name):
    return L.Dense(4, name=name)


def three_branches():
    inputs = [keras.Input((4,), name=name) for name in "abc"]
    ends = [dense(f"{x.name}2")(dense(f"{x.name}1")(x)) for x in inputs]
    return keras.Model(inputs, dense("head")(L.Add(name="add")(ends)))


def skip_around():
    inputs = keras.Input((4,), name="a")
    start = dense("start")(inputs)
    around, through = dense("around")(start), dense("through")(start)
    return keras.Model(inputs, dense("head")(L.Add(name="add")([around, through])))


def shared():
    """The shared layer is called before `middle` and once more after it."""
    inputs = keras.Input((4,), name="a")
    each = dense("shared")
    return keras.Model(inputs, dense("head")(each(dense("middle")(each(inputs)))))


def nested():
    """Two branches outside, two in each nested model, of which one is needed as a whole."""

    def inner(name, outputs):
        inputs = keras.Input((4,), name=f"{name}_in")
        start = dense("first")(inputs)
        both = [dense("left")(start), dense("right")(start)]
        return keras.Model(inputs, both if outputs == 2 else L.Add(name="sum")(both), name=name)

    inputs = keras.Input((4,), name="a")
    whole, part = inner("whole", 1), inner("part", 2)
    left, right = part(whole(dense("stem")(inputs)))
    other = dense("other")(inputs)
    return keras.Model(inputs, L.Add(name="add")([dense("l2")(left), dense("r2")(right), other]))


def sequential():
    return keras.Sequential(
        [keras.Input((4,)), dense("a1"), keras.Sequential([dense("b1")], name="b"), dense("c")]
    )


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.a1, self.b1, self.head = dense("a1"), dense("b1"), dense("head")

    def call(self, x):
        return self.head(self.b1(self.a1(x)))


WHOLE = {"whole", "whole/whole_in", "whole/first", "whole/left", "whole/right", "whole/sum"}
CASES = [
    (three_branches, "a2", {"a", "a1", "a2"}),
    (three_branches, "c1", {"c", "c1"}),
    (three_branches, "b?", {"b", "b1", "b2"}),
    (three_branches, "add", {"a", "b", "c", "a1", "a2", "b1", "b2", "c1", "c2", "add"}),
    (skip_around, "through", {"a", "start", "through"}),
    (skip_around, "add", {"a", "start", "through", "around", "add"}),
    (shared, "middle", {"a", "shared", "middle"}),
    (shared, "shared", {"a", "shared", "middle"}),
    (nested, "stem", {"a", "stem"}),
    (nested, "whole", {"a", "stem", *WHOLE}),
    (nested, "whole/left", {"a", "stem", "whole/whole_in", "whole/first", "whole/left"}),
    (nested, "l2", {"a", "stem", *WHOLE, "part/part_in", "part/first", "part/left", "l2"}),
    (sequential, "b", {"a1", "b", "b/b1"}),
    (sequential, "b1", {"a1", "b", "b/b1"}),
    (Subclassed, "b1", {"a1", "b1"}),  # no graph: in the order of the list
]


@pytest.mark.parametrize(("make", "up_to", "chosen"), CASES, ids=[f"{c[0].__name__}-{c[1]}" for c in CASES])
def test_up_to_means_what_the_output_depends_on(make, up_to, chosen):
    assert {named.path for named in select(make(), up_to=up_to)} == chosen


def test_freezing_up_to_a_branch_leaves_the_others_to_train():
    model = three_branches()
    assert {change.path for change in tfbn.freeze(model, up_to="a2")} == {"a1", "a2"}
    trained = {v.path.split("/")[-2] for v in model.trainable_variables}
    assert trained == {"b1", "b2", "c1", "c2", "head"}


def test_cached_features_end_where_one_tensor_carries_everything(rng):
    model = skip_around()
    tfbn.freeze(model, up_to="add")
    model.compile("sgd", "mse")
    x = rng.normal(size=(5, 4)).astype("float32")
    features = tfbn.cache_features(model, x, up_to="add", verbose=False)
    assert features.up_to == "add"
    cached = np.stack(list(features.data.as_numpy_iterator()))
    np.testing.assert_allclose(
        features.rest.predict(cached, verbose=0), model.predict(x, verbose=0), rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"`up_to` to name a layer after which one tensor alone"):
        tfbn.cache_features(model, x, up_to="through", verbose=False)
