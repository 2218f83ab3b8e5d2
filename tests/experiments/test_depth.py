"""Depth: gradients against another way to them, a small study, and each verdict from made-up numbers."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import tfbn
from experiments.depth import __main__ as depth
from experiments.depth import claims as depth_claims
from experiments.depth import gradients, runs
from experiments.depth import summary as summaries
from experiments.lab import binary
from experiments.lab import decisions as claims
from experiments.lab.experiment import grid
from tests.experiments.exits import error_of

TINY = depth.Config(
    seeds=2,
    workers=0,
    start_depths=(8, 14),
    depths=(8,),
    deep=14,
    deep_seeds=1,
    steps=6,
    train_images=48,
    test_images=40,
    validation_images=16,
    learning_rates=(3e-3,),
    image_size=8,
    width=2,
    batch_size=8,
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    config = dataclasses.replace(TINY, work_dir=str(tmp_path_factory.mktemp("study") / "work"))
    summary, path = binary.answer(depth.EXPERIMENT, config)
    tables = (pd.read_parquet(path.parent / f"{n}.parquet") for n in ("results", "gradients", "curve"))
    return summary, *tables


def test_gradients_are_those_of_a_small_step(rng):
    """The directional derivative by finite differences, layer by layer."""
    keras.utils.set_random_seed(3)
    model = tfbn.models.resnet_cifar(
        8, width=2, input_shape=(8, 8, 1), normalization=None, classifier_activation=None
    )
    x, y = rng.normal(size=(4, 8, 8, 1)).astype("float32"), np.array([1, 2, 3, 3])
    table, loss = gradients.by_layer(model, x, y)
    assert table.layer.tolist() == list(range(1, 8))

    def loss_of():
        logits = np.asarray(model(x, training=True), np.float64)
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(4), y]))

    assert loss == pytest.approx(loss_of(), rel=1e-5)
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    kernel = convs[2].kernel
    before = kernel.numpy().copy()
    estimated = np.zeros(before.size)
    for i in range(before.size):
        ends = []
        for step in (1e-2, -1e-2):
            moved = before.ravel().copy()
            moved[i] += step
            kernel.assign(moved.reshape(before.shape))
            ends.append(loss_of())
        estimated[i] = (ends[0] - ends[1]) / 2e-2
    kernel.assign(before)
    assert table.gradient[2] == pytest.approx(np.linalg.norm(estimated), rel=2e-2)
    assert table.weights[2] == pytest.approx(np.linalg.norm(before.astype("float64")))
    inner = keras.Model(model.input, convs[2].output)
    assert table.scale[2] == pytest.approx(np.asarray(inner(x)).std(), rel=1e-4)


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_a_spread_with_a_norm_that_has_no_logarithm_is_not_a_number(bad):
    found = gradients.spread(pd.DataFrame({"gradient": [1.0, bad, 2.0]}))
    assert all(np.isnan(value) for value in found.values())


def test_the_deepest_run_with_fewer_seeds_and_leave_their_tables(study):
    _, results, layers, curve = study
    seeds = results.groupby("condition").seed.nunique()
    assert seeds.to_dict() == {
        "start, 8 layers": 2,
        "start, 14 layers": 1,
        "training, 8 layers": 2,
    }
    one = layers[(layers.condition == "start, 14 layers") & (layers.arm == "plain")]
    assert one.layer.tolist() == list(range(1, 14))
    assert (one.gradient > 0).all()
    assert sorted(set(curve.step)) == [2, 4, 6]
    assert curve[["train_error", "test_error"]].stack().between(0, 1).all()


def test_the_summary_is_whole(study):
    summary, *_ = study
    assert len(summary.claims) == 3  # nothing to compare a depth of 8 with
    assert summary.claims[-1].verdict == claims.UNDECIDED
    assert "to 8 layers" in summary.claims[-1].measured
    assert any("6.43 / 7.93" in limit for limit in summary.limits)
    assert len(summary.figures) == 4


def test_gradients_alone_are_a_study(tmp_path):
    few = {"depths": (), "start_depths": (8,), "arms": ("plain", "plain without BN"), "seeds": 1}
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **few)
    summary, path = binary.answer(depth.EXPERIMENT, config)
    assert [title for title, _ in summary.tables] == ["Gradients before training"]
    assert not (path.parent / "curve.parquet").exists()


def test_arms_start_from_the_same_kernels():
    models = [runs.build(TINY, arm, 14, 1, 10) for arm in depth.ARMS]
    kernels = [[v.numpy() for v in m.trainable_variables if v.path.endswith("kernel")] for m in models]
    for others in kernels[1:]:
        for one, other in zip(kernels[0], others, strict=True):
            np.testing.assert_array_equal(one, other)
    other_seed = runs.build(TINY, "plain", 14, 2, 10).trainable_variables[0].numpy()
    assert np.any(other_seed != kernels[0][0])


def trained(plain, residual):
    """Results of four seeds; both give the train error in percent by depth."""
    rng = np.random.default_rng(0)
    rows = [
        (arm, float(d), seed, error + rng.normal(0, 0.3), error + 1, error + 0.5, 10.0, 100.0)
        for arm, errors in (("plain", plain), ("residual", residual))
        for d, error in errors.items()
        for seed in range(4)
    ]
    names = ["arm", "depth", "seed", "train_error", "test_error", "earlier_train_error", "chance", "step"]
    return pd.DataFrame(rows, columns=names)


def test_networks_that_trained_for_other_numbers_of_steps_are_not_compared():
    runs = trained({20: 5, 56: 50, 1202: 80}, {})
    runs.loc[runs.depth == 1202, "step"] = 20.0
    assert list(depth_claims.deeper(runs, "plain")) == ["56 layers against 20"]


def test_the_learning_rate_rises_for_a_tenth_and_falls_to_zero():
    schedule = runs.warmed_up(0.1, 100)
    rates = [float(schedule(step)) for step in range(101)]
    assert np.argmax(rates) == 10
    assert rates[10] == pytest.approx(0.1)
    np.testing.assert_allclose(np.diff(rates[:11]), 0.009, rtol=1e-4)
    assert np.all(np.diff(rates[10:]) <= 0)
    assert rates[100] == pytest.approx(0, abs=1e-6)


def test_each_run_has_the_learning_rate_that_does_best_on_validation_images(study, tmp_path, monkeypatch):
    _, results, *_ = study
    ran = results[results.part == "training"]
    assert set(ran.learning_rate) <= set(TINY.learning_rates)
    scores = {0.001: 0.4, 0.003: 0.6, 0.01: 0.6}
    monkeypatch.setattr(runs.reuse, "model_for", lambda key, build: key[2])
    monkeypatch.setattr(runs.scratch, "accuracy", lambda rate, *validation: scores[rate])
    monkeypatch.setattr(runs, "fit", lambda config, rate, split, cell: [{"train_error": rate}] * 3)
    config = dataclasses.replace(TINY, learning_rates=(0.01, 0.003, 0.001))
    (cell,) = grid({"training, 8 layers": {"part": "training", "depth": 8}}, ["plain"], 1)
    found = runs.run(config, cell, tmp_path)
    assert (found["learning_rate"], found["train_error"]) == (0.003, 0.003)
    assert found["validation_error"] == pytest.approx(0.4)


@pytest.mark.parametrize(("depth_", "steps"), [(98, 99), (104, 99), (110, 30), (1202, 30)])
def test_the_deepest_have_steps_of_their_own(depth_, steps):
    assert dataclasses.replace(TINY, steps=100, deep=110, deep_steps=32).steps_at(depth_) == steps
    assert dataclasses.replace(TINY, steps=100, deep=110).steps_at(depth_) == 99


NOTHING = pd.DataFrame(columns=["arm", "depth", "seed", "least", "orders", "first_over_last"])


@pytest.mark.parametrize(
    ("plain", "residual", "verdicts"),
    [
        ({20: 5, 56: 50, 110: 80}, {20: 5, 56: 5, 110: 4}, (claims.HOLDS, claims.HOLDS)),
        ({20: 50, 56: 20, 110: 10}, {20: 5, 56: 30, 110: 80}, (claims.FAILS, claims.FAILS)),
        ({20: 5, 56: 4, 110: 80}, {20: 5, 56: 5, 110: 80}, (claims.ONLY_IF, claims.ONLY_IF)),
    ],
)
def test_verdicts_on_degradation(plain, residual, verdicts):
    found = depth_claims.claims(NOTHING, trained(plain, residual))
    assert tuple(claim.verdict for claim in found) == (*verdicts, claims.UNDECIDED)


@pytest.mark.parametrize(
    ("error", "verdict"), [(8, claims.HOLDS), (90, claims.NO_DIFFERENCE), (95, claims.FAILS)]
)
def test_verdict_past_1000_layers(error, verdict):
    assert depth_claims.past_1000(NOTHING, trained({}, {20: 5, 1202: error})).verdict == verdict


@pytest.mark.parametrize(
    ("least", "orders", "verdicts"),
    [
        ((-6, -1), (3, 1), (claims.HOLDS, claims.HOLDS)),
        ((-1, -6), (1, 6), (claims.FAILS, claims.FAILS)),
    ],
)
def test_verdicts_on_gradients(least, orders, verdicts):
    """Each pair: without BatchNorm, with it."""
    rng = np.random.default_rng(0)
    rows = [
        (arm, 56, seed, least[i] + rng.normal(0, 0.1), orders[i] + rng.normal(0, 0.1), 0.0)
        for kind in ("plain", "residual")
        for i, arm in enumerate((f"{kind} without BN", kind))
        for seed in range(4)
    ]
    found = depth_claims.claims(pd.DataFrame(rows, columns=NOTHING.columns), trained({}, {}))
    assert tuple(claim.verdict for claim in found[:2]) == verdicts


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "settled"),
        ({"test_error": 30}, "overfits"),
        ({"earlier_train_error": 40}, "still falling"),
        ({"train_error": 88, "test_error": 88, "earlier_train_error": 88}, "hardly trained"),
    ],
)
def test_degradation_is_told_from_overfitting_and_from_a_short_budget(change, said):
    assert summaries.depth_claims._kind(trained({20: 5}, {}).assign(**change)) == said


BAD = {
    "depths": ((8, 21), "to be 6n+2, such as 8, 20, 56 or 110. Received: depths=21"),
    "start_depths": ((7,), "Expected `start_depths` to be a whole number of at least 8"),
    "trained": (("plane",), "did you mean plain"),
    "steps": (1, "Expected `steps` to be a whole number of at least 3. Received: steps=1"),
    "data_dir": ("/nowhere", "Expected `data_dir` to be a folder"),
}


def test_no_depths_at_all_are_refused(tmp_path, monkeypatch, capsys):
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), depths=(), start_depths=())
    assert "to name at least one" in error_of(depth.EXPERIMENT, config, monkeypatch, capsys)


@pytest.mark.parametrize("name", BAD)
def test_bad_options_end_in_one_line(name, tmp_path, monkeypatch, capsys):
    value, message = BAD[name]
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **{name: value})
    assert message in error_of(depth.EXPERIMENT, config, monkeypatch, capsys)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("norms", "found", "said"),
    [
        ([0.1, 1.0], "", "10 layers: smallest 10^-1.0"),
        ([0.0, 1.0], "vanish", "10 layers: they vanish in float32, in 50 % of the layers"),
        ([0.0, np.inf], "overflow", "10 layers: they overflow in float32, in 50 % of the layers"),
        ([np.nan, np.nan], "overflow", "10 layers: they overflow in float32, in 100 % of the layers"),
    ],
)
def test_gradients_that_float32_cannot_hold_are_told_apart(norms, found, said):
    layers = pd.DataFrame(
        {"gradient": norms, "condition": "10 layers", "depth": 10, "arm": "plain", "seed": 0}
    )
    start = summaries.shares_out_of_range(layers).assign(**gradients.spread(layers))
    assert depth_claims.out_of_range(start) == found
    assert said in depth_claims.findings(start, start.iloc[:0])[0]
