"""A BatchNorm that never trained, against its formula; moving statistics, against the closed form."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import tfbn
from experiments.lab import binary
from experiments.lab.decisions import FAILS, HOLDS, ONLY_IF
from experiments.untrained_inference import __main__ as untrained_inference
from experiments.untrained_inference import signal_scale, warm_up
from experiments.untrained_inference import summary as summaries
from experiments.untrained_inference.tables import steps_text, steps_until
from tfbn.utils.validation import InputError

TINY = untrained_inference.Config(
    seeds=1,
    workers=0,
    networks=("plain8", "resnet8"),
    momenta=(0.5, 0.99),
    train_images=64,
    test_images=50,
    steps=8,
    width=4,
    image_size=8,
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "work"
    config = dataclasses.replace(TINY, work_dir=str(folder))
    summary, _ = binary.answer(untrained_inference.EXPERIMENT, config)
    return summary, pd.read_parquet(folder / "scales.parquet"), pd.read_parquet(folder / "steps.parquet")


def test_a_fresh_layer_divides_by_the_root_of_one_plus_epsilon(study):
    _, scales, _ = study
    inference = scales[scales["mode"] == "inference"]
    epsilon = tfbn.models.build("resnet8").get_layer("stem_bn").epsilon
    np.testing.assert_allclose(inference.rms_out, inference.rms_in / np.sqrt(1 + epsilon), rtol=1e-6)
    assert (inference.identity_error < 1e-6).all()
    batch = scales[scales["mode"] == "batch"]
    # One minus the small part that epsilon takes; a dead channel lowers it.
    assert (np.abs(batch.rms_out - 1) < 0.3).all()
    assert (batch.identity_error > 0.1).all()


def test_the_signal_is_that_of_the_layers_inputs(rng):
    model = tfbn.models.build("resnet8", width=4, input_shape=(8, 8, 1))
    x = rng.normal(1, 2, (6, 8, 8, 1)).astype("float32")
    before = [np.array(w, copy=True) for w in model.get_weights()]
    found = signal_scale.through_batch_normalizations(model, x, by_batch=True)
    stem = np.asarray(model.get_layer("stem_conv")(x), np.float64)
    assert found.rms_in[0] == pytest.approx(np.sqrt(np.mean(stem**2)), rel=1e-5)
    assert found.layer.tolist()[0] == "stem_bn"
    assert found.number.tolist() == list(range(1, 8))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_both_phases_start_in_the_same_statistics_and_every_look_is_there(study):
    _, _, steps = study
    looks = [0, 1, 2, 4, 8]
    for _, part in steps.groupby(["arm", "seed", "phase"], observed=True):
        assert part.step.tolist() == looks
    held = steps[steps.phase == "weights held"]
    assert (held[held.step == 0].gone == 0).all()


def test_the_way_gone_is_near_the_closed_form_and_far_from_that_of_another_momentum(study):
    _, _, steps = study
    held = steps[(steps.phase == "weights held") & (steps.step > 0)]
    for momentum in (0.5, 0.99):
        part = held[held.arm == f"momentum_{momentum}"]
        closed = 1 - momentum**part.step
        assert np.abs(part.gone - closed).max() < 0.15
    slow, fast = (held[(held.arm == f"momentum_{m}") & (held.step == 8)].gone for m in (0.99, 0.5))
    assert slow.max() < 0.1 < 0.9 < fast.min()


def test_momenta_share_weights_and_batches(study):
    _, _, steps = study
    by_batch = steps[steps.phase == "weights train"].set_index(["arm", "seed", "step"]).accuracy_batch
    np.testing.assert_array_equal(by_batch["momentum_0.5"], by_batch["momentum_0.99"])
    learned = steps[(steps.phase == "weights train") & (steps.step == 8)].accuracy_batch.mean()
    held = steps[steps.phase == "weights held"].groupby(["arm", "seed"], observed=True).accuracy_batch
    assert (held.nunique() == 1).all()  # not one weight moves
    assert held.first().mean() == pytest.approx(learned)


def test_the_way_of_statistics_by_hand():
    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(name="bn")])
    population = {"bn": tfbn.statistics.Moments(np.array([2.0, -4.0]), np.array([3.0, 9.0]), 5)}
    assert warm_up.way_gone(model, population) == 0
    model.layers[0].moving_mean.assign([1.0, -2.0])
    model.layers[0].moving_variance.assign([3.0, 9.0])
    assert warm_up.way_gone(model, population) == pytest.approx(0.75)
    warm_up.start_statistics(model)
    assert warm_up.way_gone(model, population) == 0


@pytest.mark.parametrize(
    ("gaps", "step"), [([0.0, 0.0, 0.0], 0), ([0.0, 0.2, 0.04], 4), ([0.2, 0.04, 0.2], np.nan)]
)
def test_usable_means_at_this_look_and_at_all_later_ones(gaps, step):
    table = pd.DataFrame(
        {"step": [0, 2, 4], "accuracy_batch": 0.9, "accuracy_inference": 0.9 - np.array(gaps)}
    )
    assert warm_up.usable_from(table, margin=0.05) == pytest.approx(step, nan_ok=True)


def test_text_of_steps():
    assert steps_text(pd.Series([16.0, 32.0, np.nan]), 400) == "32 (16 to > 400)"
    assert steps_text(pd.Series([8.0, 8.0]), 400) == "8"
    assert steps_until(0.9, 0.5) == pytest.approx(6.58, abs=0.01)
    assert (steps_until(0.0, 0.05), steps_until(1.0, 0.05)) == (1.0, np.inf)


def made_up(spread, error, closed, gap):
    deep = pd.DataFrame({"arm": ["plain8", "resnet8"], "identity_error": error})
    deep["spread_inference"], deep["spread_batch"] = spread, [1.5, 2.0]
    arms = ["momentum_0.9", "momentum_0.99"]
    trained = pd.DataFrame(
        {"arm": arms, "closed_form_error": closed, "usable_training": 4.0, "usable_held": 4.0}
    )
    rows = [(arm, seed, 50 + g + 0.1 * seed) for arm, g in zip(arms, gap, strict=True) for seed in range(4)]
    columns = ["arm", "seed", "accuracy_inference"]
    steps = pd.DataFrame(rows, columns=columns).assign(
        step=16, phase="weights train", accuracy_batch=50.123456
    )
    config = dataclasses.replace(TINY, steps=16)
    return [claim.verdict for claim in summaries.claims(config, deep, trained, steps)]


@pytest.mark.parametrize(
    ("numbers", "verdicts"),
    [
        (([2.0, 3.0], [1e-7, 1e-7], [0.01, 0.02], [0.0, -1.0]), [HOLDS, HOLDS, HOLDS, HOLDS]),
        (([2.0, 90.0], [1e-7, 1e-2], [0.01, 0.2], [0.0, -50.0]), [ONLY_IF, ONLY_IF, ONLY_IF, ONLY_IF]),
        (([9.0, 90.0], [1e-2, 1e-2], [0.3, 0.2], [-20.0, -50.0]), [FAILS, ONLY_IF, FAILS, FAILS]),
    ],
)
def test_each_verdict(numbers, verdicts):
    assert made_up(*numbers) == verdicts


def test_the_report_says_from_which_step_inference_is_usable(study):
    summary, _, _ = study
    said = [line for line in summary.findings if line.startswith("Momentum 0.99")]
    assert len(said) == 1
    assert "while the weights train" in said[0]
    assert len(summary.claims) == 4


BAD = {
    "networks": (("plain9",), "Expected `networks` to be plain or resnet with a depth of 6n"),
    "trained": ("ResNet50", "Expected `trained` to be plain or resnet"),
    "momenta": ((1.5,), r"Expected `momenta` to be a number in \[0.0, 1.0\]"),
    "momenta none": ((), "Expected `momenta` to name at least one"),
    "steps": (0, "steps=0"),
    "train_images": (5000, "to be at most 5000"),
    "dataset": ("mnist5", "did you mean"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_refused_before_anything_is_done(case, tmp_path):
    value, message = BAD[case]
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **{case.split()[0]: value})
    with pytest.raises(InputError, match=message):
        binary.answer(untrained_inference.EXPERIMENT, config)
    assert not (tmp_path / "work").exists()
