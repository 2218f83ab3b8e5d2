"""Audit names statistics, gamma and beta that are beyond use, and averaged weights."""

import keras
import numpy as np
import pytest

import tfbn

CASES = {
    "moving_mean is NaN in 1 of 3 channels (number 0)": ("moving_mean", [np.nan, 0, 1]),
    "moving_mean is infinite in 2 of 3 channels (number 0, 2)": ("moving_mean", [np.inf, 0, -np.inf]),
    "moving_variance is NaN in 3 of 3 channels (number 0, 1, 2)": ("moving_variance", [np.nan] * 3),
    "moving_variance is infinite in 1 of 3 channels (number 1)": ("moving_variance", [1, np.inf, 1]),
    "moving_variance is negative in 1 of 3 channels (number 2)": ("moving_variance", [1, 1, -1e-3]),
    "gamma is NaN in 1 of 3 channels (number 1)": ("gamma", [1, np.nan, 1]),
    "beta is infinite in 1 of 3 channels (number 0)": ("beta", [np.inf, 1, 1]),
}


def model_of(channels=3, **arguments):
    bn = keras.layers.BatchNormalization(name="bn", **arguments)
    model = keras.Sequential([keras.Input((channels,)), bn])
    bn.moving_mean.assign(np.arange(channels) + 0.5)
    return model


def warnings_with(name, values, channels=3, **arguments):
    model = model_of(channels, **arguments)
    getattr(model.get_layer("bn"), name).assign(values)
    return tfbn.audit(model).rows[0].warnings


@pytest.mark.parametrize("text", CASES)
def test_what_is_beyond_use_is_named(text):
    assert text in warnings_with(*CASES[text])


def test_healthy_values_are_not_named():
    model = model_of()
    assert not tfbn.audit(model).rows[0].warnings


def test_one_channel_of_many_and_many_of_many():
    values = np.zeros(100)
    values[37] = np.nan
    assert "moving_mean is NaN in 1 of 100 channels (number 37)" in warnings_with("moving_mean", values, 100)
    values[:] = np.nan
    (text,) = [w for w in warnings_with("moving_mean", values, 100) if "NaN" in w]
    assert text == "moving_mean is NaN in 100 of 100 channels (number 0, 1, 2, 3, 4, ...)"


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("moving_mean", 7e4, True),
        ("moving_mean", -7e4, True),
        ("moving_mean", 6e4, False),
        ("moving_variance", 7e4, False),
        ("moving_variance", 7e9, True),
        ("gamma", 7e4, True),
    ],
)
def test_what_overflows_float16_is_named(name, value, named):
    found = warnings_with(name, [1, value, 1], dtype="mixed_float16")
    assert any(f"{name} overflows float16 in 1 of 3" in text for text in found) == named
    assert not any("overflows" in text for text in warnings_with(name, [1, value, 1]))


def test_a_negative_variance_is_not_called_dead():
    found = warnings_with("moving_variance", [1, -1, 0])
    assert "1 of 3 channels are dead: moving variance below 1e-12" in found


def test_a_layer_without_gamma_and_beta():
    assert "moving_mean is NaN in 1 of 3 channels (number 0)" in warnings_with(
        "moving_mean", [np.nan, 0, 1], scale=False, center=False
    )


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("use_ema", [False, True])
def test_averaged_weights_are_seen_coming(use_ema, wrapped):
    optimizer = keras.optimizers.SGD(use_ema=use_ema)
    model = model_of()
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer) if wrapped else optimizer, "mse")
    assert any("averages" in w and "tfbn.recalibrate" in w for w in tfbn.audit(model).warnings) == use_ema
