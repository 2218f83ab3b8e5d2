"""Strategies with chosen learning rates, several momenta, an old classifier that stays; their verdicts."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.lab import binary
from experiments.lab.decisions import FAILS, HOLDS, NO_DIFFERENCE, ONLY_IF, UNDECIDED
from experiments.training import training
from experiments.transfer_strategies import __main__ as transfer_strategies
from experiments.transfer_strategies import claims_at_scale, following, strategies
from experiments.transfer_strategies.arms import ARMS, strategy_of
from experiments.transfer_strategies.claims import Changes
from experiments.transfer_strategies.defaults import IMAGENET, RATES, with_defaults
from experiments.transfer_strategies.learning_curve import fit_and_measure
from experiments.transfer_strategies.summary import labeled
from tests.experiments import small_network
from tfbn.graph.traversal import batch_normalizations

LITE0 = with_defaults(
    transfer_strategies.Config(model="EfficientNetLite0", weights="none", image_size=32, work_dir="unused")
)


def test_the_defaults_are_those_of_the_network():
    assert (LITE0.dataset, LITE0.draws, LITE0.train_images) == ("mnist5k", "disjoint", (25, 100, 500))
    assert LITE0.is_tuned
    assert len(LITE0.arms) == 14
    small = with_defaults(transfer_strategies.Config())
    assert (small.dataset, small.draws, small.test_images) == ("uci_digits", "random", 700)
    assert not small.is_tuned
    assert small.train_images == (25, 100, 300, 1000)
    assert with_defaults(LITE0) == LITE0
    folder = with_defaults(transfer_strategies.Config(model="EfficientNetLite0", data_dir="photographs"))
    assert folder.draws == "random"


def test_a_first_look_has_a_folder_of_its_own():
    config = transfer_strategies.Config(model="EfficientNetLite0", quick=True)
    assert config.work_dir == "runs/transfer_strategies_quick"
    cells = transfer_strategies.cells(config)
    assert {cell["images"] for cell in cells} == {25}
    assert {cell.seed for cell in cells} == {0, 1}


def test_runs_that_take_long_go_by_the_number_of_images():
    cells = transfer_strategies.cells(dataclasses.replace(LITE0, seeds=4))
    assert len(cells) == 14 * 3 * 4
    assert [cell["images"] for cell in cells[:57:56]] == [25, 100]
    assert [cell.seed for cell in cells[:4]] == [0, 1, 2, 3]


def build(arm, tmp_path):
    return strategies.build(LITE0.alone(25, strategy_of(arm)), ARMS[arm], 0, 10, tmp_path)


@pytest.mark.parametrize(
    ("arm", "first", "inputs"),
    [("last_1_batch", "stage7_block1", 1280), ("last_3_inference", "stage6_block3", 1280)],
)
def test_the_last_blocks_train_and_all_that_is_after_them(arm, first, inputs, tmp_path):
    model = build(arm, tmp_path)
    trains = [v.path.split("/")[0] for v in model.trainable_variables]
    assert trains[0].startswith(first)
    assert {"top_conv", "top_bn", "head"} <= set(trains)
    names = [layer.name for layer in model.layers]
    start = next(i for i, name in enumerate(names) if name.startswith(first))
    with_weights = {layer.name for layer in model.layers[start:] if layer.weights}
    assert set(trains) == with_weights  # and none before
    assert {named.layer.training for named in batch_normalizations(model)} == {arm.endswith("batch")}
    assert model.get_layer("head").kernel.shape == (inputs, 10)


def test_the_old_classifier_stays_and_the_new_layer_is_on_its_outputs(tmp_path):
    model = build("outputs_inference", tmp_path)
    assert [v.path.split("/")[0] for v in model.trainable_variables] == ["head", "head"]
    assert model.get_layer("head").kernel.shape == (1000, 10)
    old = keras.Model(model.input, model.get_layer("head").input)
    outputs = old.predict(np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)), verbose=0)
    np.testing.assert_allclose(outputs.sum(-1), 1, rtol=1e-4)  # probabilities


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    config = transfer_strategies.Config(
        model=small_network.saved(folder),
        pixels="unit",
        tuned="always",
        draws="disjoint",
        arms=("everything_batch", "head_inference"),
        seeds=1,
        workers=0,
        train_images=(20,),
        validation_images=30,
        test_images=50,
        epochs=2,
        steps=3,
        work_dir=str(folder / "work"),
    )
    summary, path = binary.answer(transfer_strategies.EXPERIMENT, config)
    return summary, pd.read_parquet(path.parent / "results.parquet"), path.parent


def test_each_arm_has_the_best_of_its_learning_rates(study):
    summary, results, _ = study
    for row in results.itertuples():
        assert row.learning_rate in RATES[strategy_of(row.arm)]
    assert (results.test_images == 50).all()
    assert results.validation_accuracy.between(0, 1).all()
    assert len(summary.tables) == 4  # one for each momentum
    assert "learning rate is the best of two on 30 validation images" in summary.limits[1]


def test_the_curve_names_the_machine_and_ends_where_the_results_are(study):
    _, results, folder = study
    curve = pd.read_parquet(folder / "curve.parquet")
    assert curve.machine.str.contains("Keras").all()
    last = curve[curve.step == 6].set_index(["condition", "arm"])
    for row in results.itertuples():
        for name in ("test_accuracy", "slow_accuracy"):
            assert last.loc[(row.condition, row.arm), name] == getattr(row, name)
    held = curve[curve.arm == "head_inference"]
    assert (held.slow_accuracy == held.test_accuracy).all()


def small_model(momentum):
    keras.utils.set_random_seed(0)
    norm = keras.layers.BatchNormalization(momentum=momentum)
    model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(2)])
    norm.moving_mean.assign([3.0, -1.0, 0.5])
    return training.compiled(model, keras.optimizers.SGD(0.1))


def test_one_training_by_the_batch_is_judged_at_every_momentum(rng):
    x = np.float32(rng.normal(2, 3, (20, 3)))
    y = (x[:, 0] > 2).astype("int64")
    fit = {"batch_size": 8, "seed": 1, "epochs": 2, "steps": 3}
    model = small_model(0.5)
    followed = following.Followed(model, (0.5, 0.9))
    curve = fit_and_measure(
        model, (x, y), (x, y), **fit, followed=followed, momenta={"test_accuracy": 0.5, "slow_accuracy": 0.9}
    )
    for column, momentum in (("test_accuracy", 0.5), ("slow_accuracy", 0.9)):
        alone = small_model(momentum)
        expected = fit_and_measure(alone, (x, y), (x, y), **fit)
        np.testing.assert_allclose(curve[column], expected.test_accuracy)
        followed.put(momentum)
        for ours, theirs in zip(model.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert np.any(followed.row(0.5) != followed.row(0.9))


def results(slow=(), seeds=5, **leads):
    """An arm's level is 80 plus its lead, the seeds' level varies; `slow` are leads at Keras's momentum."""
    rng = np.random.default_rng(0)
    level = rng.normal(0, 5, seeds)
    rows = [
        {
            "condition": f"images={n}",
            "arm": arm,
            "seed": seed,
            "images": n,
            "strategy": strategy_of(arm),
            "mode": "batch" if ARMS[arm].training else "inference",
            "test_accuracy": (80 + level[seed] + leads.get(arm, 0) + rng.normal(0, 0.2)) / 100,
            "slow_accuracy": (80 + level[seed] + dict(slow).get(arm, 0) + rng.normal(0, 0.2)) / 100,
            "test_images": 30_000.0,
            "step_ms": 20.0 if arm.startswith("everything") else 10.0 + 0.1 * seed,
        }
        for n in (25, 100, 500)
        for arm in IMAGENET["arms"]
        for seed in range(seeds)
    ]
    return labeled(pd.DataFrame(rows))


def verdict(table, start):
    made = claims_at_scale.claims(Changes(table), 0.9)
    (claim,) = [claim for claim in made if claim.claim.startswith(start)]
    return claim.verdict


BATCH = [arm for arm in IMAGENET["arms"] if arm.endswith("batch")]
SCRATCH = {"scratch_batch": -30, "scratch_inference": -30}
OUTPUTS = {"outputs_batch": -9, "outputs_inference": -9}
KEEP = "An ImageNet network: keep BatchNorm in inference mode"


@pytest.mark.parametrize(
    ("start", "leads", "slow", "expected"),
    [
        ("An ImageNet network beats", SCRATCH, {}, HOLDS),
        ("An ImageNet network beats", {}, {}, NO_DIFFERENCE),
        ("A new layer on the outputs", {}, {}, HOLDS),
        ("A new layer on the outputs", OUTPUTS, {}, FAILS),
        (f"{KEEP} while fine-tuning (momentum 0.9)", dict.fromkeys(BATCH, -6), {}, HOLDS),
        (f"{KEEP} while fine-tuning (momentum 0.99)", {}, dict.fromkeys(BATCH, -6), HOLDS),
        (f"{KEEP} while fine-tuning (momentum 0.9)", {}, dict.fromkeys(BATCH, -6), NO_DIFFERENCE),
        (f"{KEEP} while fine-tuning (momentum 0.9)", {"head_batch": -6}, {}, ONLY_IF),
        ("An ImageNet network: training three", {"last_3_batch": 6, "last_3_inference": 6}, {}, HOLDS),
        ("An ImageNet network: freezing layers", {}, {}, HOLDS),
    ],
)
def test_verdicts_follow_from_the_numbers(start, leads, slow, expected):
    assert verdict(results(slow, **leads), start) == expected


def test_three_seeds_decide_nothing():
    made = claims_at_scale.claims(Changes(results(seeds=3, **SCRATCH, **OUTPUTS)), 0.9)
    assert len(made) == 10
    assert {claim.verdict for claim in made} == {UNDECIDED}


def test_a_study_that_was_stopped_has_the_claims_of_what_ran():
    whole = results(dict.fromkeys(BATCH, -6))
    stopped = whole[(whole.images < 500) | ~whole.arm.str.startswith("scratch")]
    stopped = stopped.drop(stopped[(stopped.images == 100) & (stopped.seed == 4)].index)
    changes = Changes(stopped)
    averaged = changes.averaged()
    assert set(averaged.results.seed) == {0, 1, 2, 3}
    alone = whole[(whole.images < 500) & (whole.seed < 4) & (whole.arm == "head_batch")]
    found = averaged.results[averaged.results.arm == "head_batch"].set_index("seed").slow_accuracy
    np.testing.assert_allclose(found, alone.groupby("seed").slow_accuracy.mean())
    assert verdict(stopped, f"{KEEP} while fine-tuning (momentum 0.99)") == HOLDS
    (beats,) = [c for c in claims_at_scale.claims(changes, 0.9) if "beats one from scratch" in c.claim]
    assert [n.condition for n in beats.numbers][:2] == [
        "training=False, 25 images",
        "training=False, 100 images",
    ]
    assert len(beats.numbers) == 4


def test_claims_of_few_images_alone_say_so_and_nothing_is_said_of_many():
    table = results()
    made = [c.claim for c in claims_at_scale.claims(Changes(table[table.images == 25]), 0.9)]
    assert not any("beats a new layer on top" in claim for claim in made)
    assert "An ImageNet network, 25 images: training three blocks is better than training one." in made
    assert sum(claim.startswith("An ImageNet network, 25 images: keep BatchNorm") for claim in made) == 2
