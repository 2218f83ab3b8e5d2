"""Arms whose network is frozen share what it computes; test_frozen_batchnorm.py has their numbers."""

import dataclasses

import keras
import numpy as np
import pytest

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.frozen_batchnorm import defaults, runs
from experiments.training import frozen_network, frozen_runs, head_fit, networks, shared_arrays, transfer
from experiments.training.arms import ARMS
from tests.experiments.small import TINY
from tfbn.utils.validation import InputError

FROZEN = tuple(defaults.IMAGENET["arms"])
LITE = {"model": "EfficientNetLite0"}
FEW = dataclasses.replace(TINY, arms=FROZEN, seeds=1)


def test_which_arms_share():
    config = dataclasses.replace(FEW, share_features="always")
    assert [name for name in ARMS if frozen_runs.serves(config, ARMS[name])] == list(FROZEN)
    for option in ({"frozen": ("stem",)}, {"strategy": "mirrored"}, {"share_features": "never"}):
        assert not frozen_runs.serves(dataclasses.replace(config, **option), ARMS["batch"])


def test_a_network_with_dropout_is_fitted_whole(monkeypatch, tmp_path):
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(inputs))
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x))
    base = keras.Model(inputs, x)
    assert not frozen_network.FrozenNetwork(base, 10, 0.01).steady
    plain = keras.Model(inputs, base.layers[-2].output)
    assert frozen_network.FrozenNetwork(plain, 10, 0.01).steady
    monkeypatch.setattr(networks, "build", lambda config, weights: base)
    monkeypatch.setattr(transfer, "run_arm", lambda *arguments: {"whole": 1.0})
    config = dataclasses.replace(FEW, share_features="always", weights="none", learning_rate=0.02)
    assert frozen_runs.run_arm(config, ARMS["batch"], "none", 0, tmp_path) == {"whole": 1.0}


def test_the_order_of_batches_and_what_goes_through_in_it():
    keras.utils.set_random_seed(3)
    order = head_fit.Order.of_fit(7, 3, 2, seed=3)
    assert [len(batch) for batch in order.batches] == [3, 3, 1] * 2
    epochs = np.concatenate(order.batches[:3]), np.concatenate(order.batches[3:])
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert (epochs[0] != epochs[1]).any()
    images = np.arange(7.0)[:, None]
    passed = order.pass_through(images, lambda batches: ((batch * 2, batch.mean(0)) for batch in batches))
    np.testing.assert_array_equal(passed["features"][:, 0], 2 * np.concatenate(epochs))
    np.testing.assert_allclose(passed["rows"][:, 0], [batch.mean() for batch in order.batches], rtol=1e-6)
    read = list(order.dataset(passed["features"], np.arange(7)).as_numpy_iterator())
    for (features, labels), batch in zip(read, order.batches, strict=True):
        np.testing.assert_array_equal(labels, batch)
        np.testing.assert_array_equal(features[:, 0], 2 * batch)


def test_arrays_that_do_not_fit_are_computed_again(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(100.0)}

    small = shared_arrays.SharedArrays(tmp_path, "key", ["a"], limit=100)
    large = shared_arrays.SharedArrays(tmp_path, "other key", ["a"])
    for store, computed in ((small, 2), (large, 3)):
        for _ in range(2):
            np.testing.assert_array_equal(store.get("x", compute)["x"], np.arange(100.0))
        assert len(calls) == computed
    with pytest.raises(RuntimeError), large.until_all_had("a"):
        raise RuntimeError  # a run that failed is not done
    assert (large.folder / "x.npz").exists()
    shared_arrays.clear(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"dataset": "mnist5k", "draws": "disjoint", "test_images": 500, "share_features": "always"}),
        ({"model": "resnet8"}, {"dataset": "uci_digits", "draws": "random", "epochs": 15, "test_images": 0}),
        ({"model": "resnet8"}, {"arms": tuple(ARMS), "shifts": ("contrast=0.3", "noise=0.3")}),
        ({"model": "mine.keras", "data_dir": "photos"}, {"train_images": 0, "draws": "random"}),
        ({"dataset": "fashion_mnist"}, {"dataset": "fashion_mnist", "draws": "random", "test_images": 0}),
        ({"epochs": 3, "arms": ("batch",)}, {"epochs": 3, "arms": ("batch",), "dataset": "mnist5k"}),
        ({"draws": "random", "share_features": "never"}, {"draws": "random", "share_features": "never"}),
    ],
)
def test_what_is_left_open_goes_by_the_network(options, expected):
    found = defaults.with_defaults(frozen_batchnorm.Config(**(LITE | options)))
    assert {name: getattr(found, name) for name in expected} == expected
    assert defaults.with_defaults(found) == found


def test_auto_stands_alone():
    with pytest.raises(InputError, match=r"Expected `shifts` to be auto alone, or names. Received"):
        defaults.with_defaults(frozen_batchnorm.Config(shifts=("auto", "none")))


def test_arms_of_a_seed_follow_each_other_where_they_share():
    shared = runs.cells(frozen_batchnorm.Config(**LITE, seeds=2))
    assert len(shared) == len(set(shared)) == 2 * 2 * len(FROZEN)
    pair = shared[: 2 * len(FROZEN)]
    assert {(cell.condition, cell.seed) for cell in pair} == {("none", 0), ("contrast=0.3", 0)}
    alone = runs.cells(frozen_batchnorm.Config(model="resnet8", seeds=2))
    assert {cell.arm for cell in alone[:8]} == set(list(ARMS)[:2])
