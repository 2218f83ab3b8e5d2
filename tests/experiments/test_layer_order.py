"""A bias before BatchNorm: without effect by the batch, not by the moving statistics, in float64."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import tfbn
from experiments.lab import binary
from experiments.lab.decisions import FAILS, HOLDS, NO_DIFFERENCE, ONLY_IF, UNDECIDED
from experiments.layer_order import __main__ as layer_order
from experiments.layer_order import identical_networks as identical_networks
from experiments.layer_order import summary as summaries
from experiments.layer_order.arms import COST, EFFECT, is_usual
from experiments.layer_order.tables import MEASURES, MODES, is_zero
from tfbn.models.blocks import ORDERS
from tfbn.utils.validation import InputError

TINY = layer_order.Config(
    seeds=2,
    workers=0,
    arms=("conv-bn-relu", "conv-bn-relu+bias", "bn-relu-conv"),
    networks=("plain8",),
    train_images=64,
    test_images=50,
    steps=3,
    rounds=2,
    width=4,
    image_size=8,
    batch_size=16,
)
SHAPE = {"input_shape": (8, 8, 1), "width": 4, "classifier_activation": None}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "work"
    config = dataclasses.replace(TINY, work_dir=str(folder))
    summary, _ = binary.answer(layer_order.EXPERIMENT, config)
    return summary, pd.read_parquet(folder / "results.parquet")


@pytest.fixture
def batch(rng):
    return rng.normal(1, 2, (6, 8, 8, 1)), rng.integers(10, size=6)


@pytest.mark.parametrize("order", ORDERS)
def test_the_pair_differs_in_the_bias_alone_and_it_is_far_from_zero(order):
    pair = identical_networks.identical_networks("resnet8", 3, "float64", order=order, **SHAPE)
    assert len(pair.biased) == 7
    other = {v.path: np.array(v) for v in pair.with_bias.weights}
    for variable in pair.without.weights:
        np.testing.assert_array_equal(np.array(variable), other.pop(variable.path))
        assert variable.dtype == "float64"
    assert sorted(other) == sorted(f"{name}/bias" for name in pair.biased)
    assert all(np.abs(bias).max() > 0.1 for bias in other.values())
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("network", ["resnet8", "plain8"])
@pytest.mark.parametrize("order", ORDERS)
def test_by_the_batch_a_bias_just_before_has_no_effect_and_otherwise_it_has(order, network, batch):
    pair = identical_networks.identical_networks(network, 1, "float64", order=order, **SHAPE)
    by_batch = identical_networks.compare(pair, *batch, training=True)
    assert is_zero(by_batch) == (order != "conv-relu-bn"), by_batch
    moving = identical_networks.compare(pair, *batch, training=False)
    assert min(moving.values()) > 1e-3, moving


def test_a_plain_network_in_pre_activation_order_is_the_usual_one():
    def chain(network, order):
        model = tfbn.models.build(network, order=order, **SHAPE)
        return [type(layer).__name__ for layer in model.layers]

    for network, same in (("plain8", True), ("resnet8", False)):
        assert (chain(network, "bn-relu-conv") == chain(network, "conv-bn-relu")) == same
        assert is_usual(network, "bn-relu-conv") == same
    config = dataclasses.replace(TINY, arms=ORDERS)
    trained = [cell.arm for cell in layer_order.cells(config) if cell.condition == "plain8"]
    assert sorted(set(trained)) == ["conv-bn-relu", "conv-relu-bn"]


def test_the_gradient_is_that_of_finite_differences(batch):
    x, y = batch
    pair = identical_networks.identical_networks("plain8", 1, "float64", order="conv-relu-bn", **SHAPE)
    model = pair.with_bias
    _, gradients = identical_networks._step(model, x, y)
    bias, step = model.get_layer("stem_conv").bias, 1e-6
    losses = []
    for sign in (1, -1):
        value = np.array(bias, copy=True)
        value[2] += sign * step
        before = np.array(bias, copy=True)
        bias.assign(value)
        logits = np.asarray(model(x, training=True))
        bias.assign(before)
        shifted = logits - logits.max(1, keepdims=True)
        chosen = shifted[np.arange(len(y)), y] - np.log(np.exp(shifted).sum(1))
        losses.append(-chosen.mean())
    numeric = (losses[0] - losses[1]) / (2 * step)
    assert gradients["stem_conv/bias"][2] == pytest.approx(numeric, rel=1e-5)


def test_comparing_moves_no_statistic(batch):
    pair = identical_networks.identical_networks("plain8", 1, "float32", order="conv-bn-relu", **SHAPE)
    before = [np.array(w, copy=True) for w in pair.with_bias.get_weights()]
    identical_networks.compare(pair, *batch, training=True)
    for old, new in zip(before, pair.with_bias.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_times_are_taken_by_turns():
    calls = []
    seconds = identical_networks.paired_seconds(
        {n: lambda n=n: calls.append(n) for n in "ab"}, rounds=2, warm_up=2
    )
    assert "".join(calls) == "baabbaab"
    assert set(seconds) == {"a", "b"}
    assert min(seconds.values()) >= 0


@pytest.mark.long
def test_the_study_has_all_it_promises(study):
    summary, results = study
    assert set(results.condition) == {EFFECT, COST, "plain8"}
    cost = results[results.condition == COST]
    # resnet8 of width 4: filters 4 (stem and stage 1: 3 convolutions), 8 and 16 (two each).
    assert (cost.extra_parameters == 3 * 4 + 2 * 8 + 2 * 16).all()
    trained = results[results.condition == "plain8"].set_index("arm")
    assert (trained.loc["conv-bn-relu+bias"].bias_moved > 0).all()
    assert trained.loc["conv-bn-relu"].bias_moved.isna().all()
    verdicts = [claim.verdict for claim in summary.claims]
    assert verdicts[0] == ONLY_IF
    assert "conv-bn-relu, normalized by the batch" in summary.claims[0].why.split("; does not")[0]
    assert "conv-bn-relu, training=False" in summary.claims[0].why.split("; does not")[1]
    assert any("without effect" in line and "has an effect" in line for line in summary.findings)


def made_up(effects, percents, points):
    """Four seeds; `effects` by mode, `percents` of time by order, `points` that the usual order leads by."""
    rows = []
    for seed, noise in enumerate((-0.1, 0.0, 0.1, 0.0)):
        for order, percent in zip(ORDERS, percents, strict=True):
            sizes = {
                f"{what}_{mode}_{dtype}": size
                for what in MEASURES
                for mode, size in zip(MODES, effects, strict=True)
                for dtype in ("float64", "float32")
            }
            rows.append({"condition": EFFECT, "arm": order, "seed": seed, **sizes})
            rows.append({"condition": COST, "arm": order, "seed": seed, "time_percent": percent + noise})
        for order, lead in zip(ORDERS, (0.0, *points), strict=True):
            accuracy = 90 + 3 * seed - lead + noise * (order != ORDERS[0])
            rows.append(
                {
                    "condition": "resnet8",
                    "arm": order,
                    "seed": seed,
                    "test_accuracy": accuracy,
                    "test_images": 1_000_000,
                }
            )
    config = dataclasses.replace(TINY, arms=ORDERS, networks=("resnet8",))
    return [claim.verdict for claim in summaries.claims(config, pd.DataFrame(rows))]


@pytest.mark.parametrize(
    ("numbers", "verdicts"),
    [
        (((1e-13, 1e-12), (5, 6, 7), (2, 3)), [HOLDS, HOLDS, HOLDS]),
        (((1e-13, 0.1), (5, -6, 7), (2, -3)), [ONLY_IF, ONLY_IF, ONLY_IF]),
        (((1e-3, 0.1), (-5, -6, 0), (-2, 0)), [FAILS, FAILS, FAILS]),
        (((1e-3, 0.1), (0, 0, 0), (0, 0)), [FAILS, UNDECIDED, NO_DIFFERENCE]),
    ],
)
def test_each_verdict(numbers, verdicts):
    assert made_up(*numbers) == verdicts


BAD = {
    "arms": (("bn-conv-relu",), "Expected `arms` to be one of"),
    "networks": (("resnet10",), "Expected `networks` to be plain or resnet with a depth of 6n"),
    "networks none": ((), "Expected `networks` to name at least one. Received"),
    "compared": ("vgg", "Expected `compared` to be plain or resnet"),
    "batch_size": (1, "batch_size=1"),
    "rounds": (0, "rounds=0"),
    "test_images": (5000, "to be at most 5000"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_refused_before_anything_is_done(case, tmp_path):
    value, message = BAD[case]
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **{case.split()[0]: value})
    with pytest.raises(InputError, match=message):
        binary.answer(layer_order.EXPERIMENT, config)
    assert not (tmp_path / "work").exists()


def test_the_orders_are_those_of_the_builders():
    assert layer_order.ORDERS == ORDERS
