"""The hook in the train step comes and goes without a trace."""

import keras
import numpy as np
import pytest

from tfbn.callbacks.step_hook import StepHook

X, Y = np.arange(12, dtype="float32").reshape(6, 2), np.ones((6, 1), "float32")


def make_model(eager=True):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=eager)
    return model


def hook_up(model, calls, name):
    hook = StepHook(model)
    hook.after_step = lambda: calls.append(name)
    return hook


def is_clean(model):
    return "train_step" not in vars(model) and "fit" not in vars(model)


def test_runs_after_each_step_until_removed():
    model, calls = make_model(), []
    hook = hook_up(model, calls, "a")
    model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    hook.remove()
    model.train_on_batch(X, Y)
    assert calls == ["a", "a"]
    assert is_clean(model)


@pytest.mark.parametrize("first_removed", [0, 1])
def test_two_hooks_in_any_order_of_removal(first_removed):
    model, calls = make_model(), []
    hooks = [hook_up(model, calls, "a"), hook_up(model, calls, "b")]
    model.train_on_batch(X, Y)
    hooks[first_removed].remove()
    model.train_on_batch(X, Y)
    hooks[1 - first_removed].remove()
    assert calls == ["a", "b", "ba"[first_removed]]
    assert is_clean(model)


def test_next_fit_removes_a_hook_left_behind():
    model, calls = make_model(eager=False), []
    model.fit(X, Y, verbose=0)
    hook_up(model, calls, "a")
    hook_up(model, calls, "b")
    model.fit(X, Y, verbose=0)
    assert calls == []
    assert is_clean(model)


def test_a_train_step_set_by_others_is_put_back():
    model, calls = make_model(), []
    own = model.train_step
    vars(model)["train_step"] = own
    hook_up(model, calls, "a").remove()
    assert vars(model)["train_step"] is own
