"""The main job, small: what must not move does not, the same seed gives the same bits."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.frozen_batchnorm.defaults import IMAGENET
from experiments.lab import binary, runner
from experiments.training import data, head_fit, prefix, shared_arrays, transfer
from experiments.training.arms import ARMS
from tests.experiments import small_network
from tests.experiments.small import TINY

TIMING = ["seconds", "fit_seconds"]
FROZEN = tuple(IMAGENET["arms"])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    network = {"model": small_network.saved(folder), "pixels": "unit"}
    config = dataclasses.replace(TINY, work_dir=str(folder / "work"), **network)
    _, path = binary.answer(frozen_batchnorm.EXPERIMENT, config)
    return config, path.parent, pd.read_parquet(path.parent / "results.parquet")


def test_every_arm_and_seed_has_a_row_and_finite_numbers(study):
    _, _, results = study
    assert sorted(results.arm.unique()) == sorted(ARMS)
    assert (results.groupby("arm").seed.nunique() == 2).all()
    assert np.isfinite(results.select_dtypes("number")).all().all()


def test_what_is_frozen_does_not_move_by_one_bit_and_the_rest_does(study):
    _, _, results = study
    moved = results.groupby("arm").statistics_moved.max() > 0
    holding = {"inference", "batch_held", "recalibrated"}
    assert {arm for arm in ARMS if not moved[arm]} == holding
    affine = results.groupby("arm").affine_moved.max() > 0
    assert {arm for arm in ARMS if affine[arm]} == {"all_trained"}


def test_mismatch_sees_what_drift_cannot(study):
    _, _, results = study
    held = results[results.arm == "batch_held"]
    assert (held.mean_shift == 0).all()
    assert (held.mismatch > 0.1).all()
    assert (results[results.arm == "inference"].mismatch == 0).all()


def test_drift_has_every_step_and_layer(study):
    config, folder, _ = study
    drift = pd.read_parquet(folder / "drift.parquet")
    steps = config.epochs * 2
    assert set(drift.step) == set(range(steps + 1))
    one = drift[(drift.arm == "batch") & (drift.seed == 0)]
    assert (one.groupby("layer", observed=True).size() == steps + 1).all()
    assert one.layer.nunique() == small_network.LAYERS


def test_the_packaged_network_runs_too(tmp_path):
    config = dataclasses.replace(TINY, arms=("inference",), seeds=1)
    results = runner.run(frozen_batchnorm.EXPERIMENT, config, tmp_path)
    assert np.isfinite(results.select_dtypes("number")).all().all()
    assert pd.read_parquet(tmp_path / "drift.parquet").layer.nunique() == 7


def test_arms_of_a_seed_share_images_head_and_batches(tmp_path):
    splits = [transfer.prepared_split(TINY, "noise=0.3", seed=s) for s in (0, 0, 1)]
    np.testing.assert_array_equal(splits[0].train_x, splits[1].train_x)
    assert np.any(splits[0].train_x != splits[2].train_x)

    def head(arm, seed):
        return transfer.build(TINY, ARMS[arm], seed, 10, tmp_path).get_layer("head").kernel.numpy()

    heads = [head("batch", 0), head("all_trained", 0)]
    np.testing.assert_array_equal(*heads)
    other = head("batch", 1)
    assert np.any(other != heads[0])


def test_images_to_test_on_are_not_trained_on():
    split = data.target_split(TINY.target, 897, 900, "none", seed=0)
    train = {x.tobytes() for x in split.train_x}
    # The source holds a few digits twice, so compare numbers with what the whole set has.
    whole = np.concatenate([split.train_x, split.test_x])
    twice = len(whole) - len({x.tobytes() for x in whole})
    assert sum(x.tobytes() in train for x in split.test_x) <= twice


@pytest.mark.parametrize("arm", ["batch", "recalibrated"])
def test_the_same_seed_gives_the_same_bits_whatever_ran_before(study, tmp_path, arm):
    config, _, results = study
    config = dataclasses.replace(config, arms=(arm,), seeds=1, work_dir="")
    again = runner.run(frozen_batchnorm.EXPERIMENT, config, tmp_path / "again")
    first = results[(results.arm == arm) & (results.seed == 0)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again.drop(columns=TIMING), first.drop(columns=TIMING))


def test_frozen_layers_run_once_where_the_arm_allows_it(study):
    _, _, results = study
    once = results.groupby("arm").frozen_part_computed_once.agg(["min", "max"])
    assert (once["min"] == once["max"]).all()
    assert set(once.index[once["min"] == 1]) == {"inference", "recalibrated"}


def test_running_them_in_every_step_gives_the_same_results(study, tmp_path, monkeypatch):
    config, folder, results = study
    config = dataclasses.replace(config, arms=("recalibrated",), seeds=1, work_dir="")
    monkeypatch.setattr(prefix, "shortened", lambda model, split: (model, split.train_x))
    whole = runner.run(frozen_batchnorm.EXPERIMENT, config, tmp_path / "whole")
    short = results[(results.arm == "recalibrated") & (results.seed == 0)].reset_index(drop=True)
    assert (whole.frozen_part_computed_once[0], short.frozen_part_computed_once[0]) == (0, 1)
    dropped = [*TIMING, "frozen_part_computed_once"]
    # One image of 64 may fall on the other side of a border.
    pd.testing.assert_frame_equal(whole.drop(columns=dropped), short.drop(columns=dropped), atol=1 / 64)
    one, other = (pd.read_parquet(path / "drift.parquet") for path in (tmp_path / "whole", folder))
    other = other[(other.arm == "recalibrated") & (other.seed == 0)].reset_index(drop=True)
    for column in ("step", "epoch", "mean_shift", "kl", "mismatch"):
        np.testing.assert_array_equal(one[column], other[column])


@pytest.fixture(scope="module")
def shared(tmp_path_factory, study):
    """The first seed's frozen arms where they share what the network computes, and how often it did."""
    folder, passes = tmp_path_factory.mktemp("shared"), []
    whole = head_fit.Order.pass_through

    def counted(*arguments):
        passes.append(arguments)
        return whole(*arguments)

    config = dataclasses.replace(study[0], seeds=1, arms=FROZEN, share_features="always", work_dir="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head_fit.Order, "pass_through", counted)
        results = runner.run(frozen_batchnorm.EXPERIMENT, config, folder)
    return results.set_index("arm").sort_index(), folder, len(passes)


def test_shared_features_give_the_accuracies_of_fits_of_the_whole_network(study, shared):
    one, (other, *_) = study[2], shared
    one = one[(one.seed == 0) & one.arm.isin(FROZEN)].set_index("arm").sort_index()
    accuracies = [name for name in one if "accuracy" in name]
    assert len(accuracies) == 6
    # Rounding may put an image or two on the other side of a border.
    np.testing.assert_allclose(one[accuracies], other[accuracies], atol=2 / 64)
    assert np.abs(one[accuracies].to_numpy() - other[accuracies].to_numpy()).mean() < 0.005
    assert one.test_accuracy.nunique() > 1
    apart = {*accuracies, *TIMING, "frozen_part_computed_once"}
    rest = [name for name in one.select_dtypes("number") if name not in apart]
    np.testing.assert_allclose(one[rest], other[rest], rtol=1e-3, atol=1e-5)
    assert ((one.statistics_moved == 0) == (other.statistics_moved == 0)).all()
    assert (other.affine_moved == 0).all()


def test_shared_features_give_the_drift_and_mismatch_of_such_fits(study, shared):
    one, other = (pd.read_parquet(folder / "drift.parquet") for folder in (study[1], shared[1]))
    keys = ["arm", "layer", "step"]
    one = one[(one.seed == 0) & one.arm.isin(FROZEN)]
    one, other = (table.astype({"arm": str, "layer": str}).sort_values(keys) for table in (one, other))
    for column in (*keys, "epoch"):
        assert one[column].tolist() == other[column].tolist()
    for column in ("mean_shift", "kl", "mismatch", "log_variance_ratio"):
        np.testing.assert_allclose(one[column], other[column], rtol=2e-3, atol=1e-5)
    moved = other[(other.arm == "batch") & (other.step == other.step.max())]
    assert (moved.mean_shift > 0.01).all()


def test_batches_go_through_the_network_once_for_all_momenta(shared):
    _, folder, passes = shared
    assert passes == 2  # normalized by the batch; by moving statistics that update
    assert not (folder / shared_arrays.FOLDER).exists()
