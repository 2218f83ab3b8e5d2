"""Strategies: what trains, cached features, the clock, and verdicts from made-up results."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
from absl import flags

from experiments.lab import binary, grids
from experiments.lab import flags as config_flags
from experiments.lab.decisions import FAILS, HOLDS, ONLY_IF, UNDECIDED
from experiments.training import reuse, training, transfer
from experiments.transfer_strategies import __main__ as transfer_strategies
from experiments.transfer_strategies import claims as transfer_claims
from experiments.transfer_strategies import learning_curve, strategies
from experiments.transfer_strategies.arms import ARMS, strategy_of
from experiments.transfer_strategies.defaults import SMALL, with_defaults
from experiments.transfer_strategies.summary import labeled
from tests.experiments import small_network
from tfbn.graph.traversal import batch_normalizations
from tfbn.utils.validation import InputError

TINY = with_defaults(
    transfer_strategies.Config(
        seeds=2,
        workers=0,
        train_images=(25, 40),
        test_images=50,
        epochs=2,
        steps=2,
        arms=("everything_batch", "head_batch"),
    )
)
BY_BLOCKS = ("last_1_inference", "last_2_batch")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    network = {"model": small_network.saved(folder), "pixels": "unit"}
    config = dataclasses.replace(TINY, work_dir=str(folder / "work"), **network)
    summary, path = binary.answer(transfer_strategies.EXPERIMENT, config)
    return summary, path.parent, pd.read_parquet(path.parent / "results.parquet")


def test_every_run_has_a_row_and_a_curve(study):
    summary, folder, results = study
    assert len(results) == 2 * 2 * 2
    assert set(results.condition) == {"images=25", "images=40"}
    curve = pd.read_parquet(folder / "curve.parquet")
    assert (
        curve.groupby(["condition", "arm", "seed"], observed=True).step.apply(list).map(tuple) == (2, 4)
    ).all()
    assert (curve.groupby(["condition", "arm", "seed"], observed=True).seconds.diff().dropna() > 0).all()
    heads = results.arm.str.startswith("head")
    head = small_network.FEATURES * 10 + 10
    assert (results[heads].trained_parameters == head).all()
    assert (results[~heads].trained_parameters == small_network.PARAMETERS + head).all()
    assert results[heads].converged_accuracy.notna().all()
    assert len(summary.figures) == 2
    assert {claim.verdict for claim in summary.claims}


def build(arm, tmp_path, seed=0, **options):
    config = dataclasses.replace(TINY.alone(25, strategy_of(arm)), **options)
    return strategies.build(config, ARMS[arm], seed, 10, tmp_path)


@pytest.mark.parametrize("arm", [*SMALL["arms"], *BY_BLOCKS])
def test_what_trains_and_what_batchnorm_does(arm, tmp_path):
    model = build(arm, tmp_path)
    trains = {v.path.split("/")[0].split("_")[0] for v in model.trainable_variables}
    expected = {"last": {"stage3", "head"}, "last_1": {"stage3", "head"}, "head": {"head"}}
    expected["last_2"] = {"stage2", "stage3", "head"}
    assert trains == expected.get(strategy_of(arm), {"stem", "stage1", "stage2", "stage3", "head"})
    flags = {named.layer.training for named in batch_normalizations(model)}
    assert flags == {arm.endswith("batch")}


def test_from_scratch_means_other_weights_and_the_same_new_layer(tmp_path):
    keras.utils.set_random_seed(3)
    scratch = build("scratch_batch", tmp_path)
    loaded = build("everything_batch", tmp_path)
    differ = [np.any(a.numpy() != b.numpy()) for a, b in zip(scratch.weights, loaded.weights, strict=True)]
    assert differ[0]  # the first convolution
    assert differ[-2:] == [False, False]  # the new layer
    statistics = scratch.get_layer("stem_bn").moving_mean.numpy()
    np.testing.assert_array_equal(statistics, np.zeros_like(statistics))


@pytest.mark.parametrize("arm", ["head_inference", pytest.param("last_inference", marks=pytest.mark.long)])
def test_cached_features_train_to_the_same_weights(arm, tmp_path):
    small = {"model": small_network.saved(tmp_path), "pixels": "unit"} if arm.startswith("head") else {}
    split = transfer.prepared_split(dataclasses.replace(TINY.alone(25, strategy_of(arm)), **small), "none", 0)
    fit = {"batch_size": 16, "seed": 0, "epochs": 2, "steps": 2}

    def trained(cached):
        keras.utils.set_random_seed(0)
        model = build(arm, tmp_path, **small)
        part, images, seconds = strategies.cached(model, split) if cached else (model, split, 0.0)
        assert (seconds > 0) == cached
        data = (images.train_x, images.train_y), (images.test_x, images.test_y)
        return learning_curve.fit_and_measure(part, *data, **fit), model

    (curve, model), (cached_curve, cached_model) = trained(False), trained(True)
    np.testing.assert_allclose(curve.test_accuracy, cached_curve.test_accuracy, atol=0.05)
    start = build(arm, tmp_path, **small)
    for a, b, before in zip(model.weights, cached_model.weights, start.weights, strict=True):
        # Adam turns a rounding error in a small gradient into a step: compare with the way gone.
        assert np.abs(a.numpy() - b.numpy()).max() <= 0.1 * np.abs(a.numpy() - before.numpy()).max() + 1e-6
    assert np.any(model.get_layer("head").kernel.numpy() != start.get_layer("head").kernel.numpy())


def small_model(seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dense(2)]
    )
    return training.compiled(model, keras.optimizers.Adam(0.1))


@pytest.fixture
def data(rng):
    x = np.float32(rng.normal(2, 3, (20, 3)))
    return x, (x[:, 0] > 2).astype("int64")


def test_tracing_before_the_clock_starts_leaves_no_mark(data):
    fit = {"batch_size": 8, "seed": 1, "epochs": 3, "steps": 4}
    plain, measured = small_model(), small_model()
    history = training.fit(plain, *data, **fit)
    curve = learning_curve.fit_and_measure(measured, data, data, **fit, spent=1000.0)
    for a, b in zip(plain.get_weights(), measured.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(curve.fit_accuracy, history["accuracy"])
    assert list(curve.step) == [4, 8, 12]
    assert curve.test_accuracy.iloc[-1] == pytest.approx(measured.evaluate(*data, verbose=0)[1])
    assert 1000 < curve.seconds.iloc[0] < curve.seconds.iloc[-1] < 1060


def test_a_model_used_again_does_what_a_new_one_does(data):
    fit = {"batch_size": 8, "seed": 1, "epochs": 2}
    first = reuse.model_for("key", lambda: small_model(0))
    training.fit(first, *data, **fit)
    function = first.train_function
    again = reuse.model_for("key", lambda: small_model(1))
    assert again is first
    training.fit(again, *data, **fit)
    assert again.train_function is function
    new = small_model(1)
    training.fit(new, *data, **fit)
    for a, b in zip(again.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert reuse.model_for("other", lambda: small_model(2)) is not first


def results(**leads):
    """Five seeds at 25 and 1000 images; an arm's level is 80 plus its lead, the seeds' level varies."""
    rng = np.random.default_rng(0)
    level = rng.normal(0, 5, 5)
    rows = [
        (
            f"images={n}",
            arm,
            seed,
            n,
            strategy_of(arm),
            arm.partition("_")[2],
            (80 + level[seed] + leads.get(arm, 0) + rng.normal(0, 0.2)) / 100,
            10.0 + ms,
        )
        for n in (25, 1000)
        for arm, ms in ((arm, 10.0 * arm.startswith("everything")) for arm in SMALL["arms"])
        for seed in range(5)
    ]
    columns = ["condition", "arm", "seed", "images", "strategy", "mode", "test_accuracy", "step_ms"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(step_ms=frame.step_ms * (1 + 0.01 * frame.seed * (frame.arm == "head_batch")))


INFERENCE = ("everything_inference", "last_inference", "head_inference")


@pytest.mark.parametrize(
    ("start", "leads", "verdict"),
    [
        ("A pretrained network", {"scratch_batch": -9}, HOLDS),
        ("A pretrained network", {"scratch_batch": 9}, FAILS),
        ("Keep BatchNorm in inference", dict.fromkeys(INFERENCE, 3), HOLDS),
        ("Keep BatchNorm in inference", dict.fromkeys(INFERENCE, -3), FAILS),
        ("Keep BatchNorm in inference", {"head_inference": 3}, ONLY_IF),
        ("Training the last layers", {}, HOLDS),
        ("Training the last layers", {"last_batch": -6, "last_inference": -6}, FAILS),
        ("With 1000 images", {"everything_batch": 4, "everything_inference": 4}, HOLDS),
        ("With 1000 images", {"head_batch": 4, "everything_inference": 4}, ONLY_IF),
        ("Freezing layers saves", {}, HOLDS),
    ],
)
def test_verdicts_follow_from_the_numbers(start, leads, verdict):
    made = transfer_claims.claims(transfer_claims.Changes(labeled(results(**leads))), 0.9)
    (claim,) = [claim for claim in made if claim.claim.startswith(start)]
    assert claim.verdict == verdict, claim


def test_time_saved_is_of_a_whole_step():
    made = transfer_claims.claims(transfer_claims.Changes(labeled(results())), 0.9)
    (claim,) = [claim for claim in made if claim.claim.startswith("Freezing")]
    assert "last inference: +50 [50, 50]" in claim.measured


def test_one_seed_decides_nothing():
    frame = results(scratch_batch=-30)
    made = transfer_claims.claims(transfer_claims.Changes(labeled(frame[frame.seed == 0])), 0.9)
    assert {claim.verdict for claim in made} == {UNDECIDED}


def test_claims_need_the_arms_they_compare():
    frame = results()
    some = frame[frame.arm.isin(["head_inference", "head_batch"])]
    made = transfer_claims.claims(transfer_claims.Changes(labeled(some)), 0.9)
    assert [claim.claim for claim in made] == [
        "Keep BatchNorm in inference mode while fine-tuning (momentum 0.9)."
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_images": ()}, "Expected `train_images` to name at least one. Received"),
        ({"train_images": (25, 0)}, "Expected `train_images` to be a whole number of at least 1"),
        ({"train_images": (25, 1760)}, "to be at most 1797"),
        ({"epochs": 1}, "Expected `epochs` to be a whole number of at least 2"),
        ({"arms": ("heads",)}, "Expected `arms` to be one of"),
        ({"shift": "contrst=0.3"}, "did you mean contrast"),
        ({"frozen": ("stage9",)}, "Expected `frozen` to match a layer"),
        ({"arms": ("auto", "head_batch")}, "Expected `arms` to be auto alone, or names"),
        (
            {"model": "MobileNetV2", "weights": "none", "image_size": 32, "arms": ("last_batch",)},
            "Expected `frozen` to name what last_. freezes of MobileNetV2",
        ),
        (
            {"arms": ("last_3_batch",)},
            "Expected `model` to have more than 3 blocks, named as the builders name them",
        ),
        ({"arms": ("outputs_batch",)}, "Expected `model` to be one with ImageNet's classifier"),
    ],
)
def test_bad_options(options, message, tmp_path):
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **options)
    with pytest.raises(InputError, match=message):
        binary.answer(transfer_strategies.EXPERIMENT, config)
    assert not (tmp_path / "work").exists()


def test_cells_are_every_arm_at_every_number():
    cells = transfer_strategies.cells(TINY)
    assert len(cells) == 2 * 2 * 2
    assert cells[0].folder == "images=25/everything_batch/seed0"
    assert (cells[0]["images"], cells[0]["strategy"], cells[0]["mode"]) == (25, "everything", "batch")


def test_numbers_in_lists_are_read_as_numbers():
    values = flags.FlagValues()
    config_flags.define(transfer_strategies.Config, values)
    values(["binary", "--train_images=30, 60", "--arms=head_batch"])
    config = config_flags.read(transfer_strategies.Config, values)
    assert config == transfer_strategies.Config(train_images=(30, 60), arms=("head_batch",))
    assert [point.train_images for _, point in grids.points(config, ["train_images=25,100"])] == [
        (25,),
        (100,),
    ]
    assert grids.with_options(config, ["train_images=3,4"]).train_images == (3, 4)
    with pytest.raises(flags.Error, match="invalid literal for int"):
        values(["binary", "--train_images=few"])
