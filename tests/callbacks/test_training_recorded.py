"""A recorder leaves training as it was, to the bit."""

import gc

import keras
import numpy as np
import pandas as pd
import pytest

from tests.callbacks.test_drift_recorder import (
    QUICK,
    STEPS,
    WAYS,
    Fails,
    arrays,
    compiled,
    data,
    is_clean,
    train,
)
from tfbn.callbacks import DriftRecorder, read_drift

assert arrays, data  # fixtures


@pytest.mark.parametrize(
    "way", ["plain", *(pytest.param(w, marks=pytest.mark.long) for w in WAYS if w != "plain")]
)
def test_a_model_that_fit_builds(way, data, tmp_path):
    """The same rows and the same weights as when it was built before, and without a recorder."""
    logs, results = [], []
    for built, recorded in [(True, True), (False, True), (False, False)]:
        model = compiled("subclassed", **WAYS[way])
        if built:
            model(keras.KerasTensor((None, 5)))
        folder = tmp_path / f"{built}_{recorded}"
        recorder = DriftRecorder(folder, probe=data[0], tensorboard=False)
        train(model, data, [recorder] if recorded else [], epochs=2)
        if recorded:
            logs.append(read_drift(folder))
        results.append([v.numpy().copy() for v in model.variables])
        assert is_clean(model)
    assert len(logs[0]) == 2 * (2 * STEPS + 1)
    pd.testing.assert_frame_equal(*logs)
    for each in zip(*results, strict=True):
        np.testing.assert_array_equal(each[0], each[1])
        np.testing.assert_array_equal(each[2], each[1])


def with_momentum(way):
    return compiled(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), **WAYS[way])


def variables(model):
    return [*model.variables, *model.optimizer.variables]


def values(model):
    return [variable.numpy().copy() for variable in variables(model)]


@pytest.mark.parametrize("way", [pytest.param(way, marks=marks) for way, marks in QUICK.items()])
def test_training_is_the_same_to_the_bit(way, data, tmp_path):
    probe = {"probe": data[0][:7], "probe_labels": data[1][:7], "probe_every": 2}
    recorder = DriftRecorder(tmp_path, **probe, heat_maps=False)
    model, results = with_momentum(way), []
    if way != "plain":  # there the first step makes the optimizer's variables, as it mostly does
        model.optimizer.build(model.trainable_variables)
    start = values(model)
    for callbacks in ([], [recorder]):
        if callbacks and way == "plain":
            model = with_momentum(way)
        elif callbacks:  # the model that is traced for `evaluate`
            for variable, value in zip(variables(model), start, strict=True):
                variable.assign(value)
        keras.utils.set_random_seed(4)
        train(model, data, callbacks, epochs=2, validation_data=data)
        results.append(values(model))
    assert len(results[0]) > 20
    for without, with_recorder in zip(*results, strict=True):
        np.testing.assert_array_equal(without, with_recorder)


def test_after_a_fit_that_raised_the_model_is_as_ever(data, tmp_path):
    model, recorder = compiled(), DriftRecorder(tmp_path, tensorboard=False)
    with pytest.raises(KeyboardInterrupt):
        train(model, data, [recorder, Fails()])
    assert read_drift(tmp_path)["step"].unique().tolist() == [0, 1, 2, 3]
    twin = compiled()
    with pytest.raises(KeyboardInterrupt):
        train(twin, data, [Fails()])
    for each in (model, twin):
        train(each, data)
    assert is_clean(model)
    for ours, plain in zip(model.variables, twin.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), plain.numpy())
    assert recorder._recording.source.step == 3
    del recorder
    gc.collect()
    assert {path.name for path in tmp_path.iterdir()} == {"drift.parquet", "drift_reference.npz"}
