"""The guide's recipe: what is reported of every layer is what happened, and the rules give each verdict."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import tfbn
from experiments.keras_recipe import __main__ as keras_recipe
from experiments.keras_recipe import recipes
from experiments.keras_recipe import summary as summaries
from experiments.keras_recipe.arms import RECIPES
from experiments.keras_recipe.modes import INFERENCE, MIXED, TRAINING, Modes, mode
from experiments.keras_recipe.recipes import Head
from experiments.lab import binary
from experiments.lab.decisions import FAILS, HOLDS, ONLY_IF, UNDECIDED
from experiments.lab.verdicts import judged_facts
from tests.experiments import small_network
from tfbn.graph import keras_versions
from tfbn.utils.validation import InputError

STEPS = ("frozen", "unfrozen")
TINY = keras_recipe.Config(
    seeds=1,
    workers=0,
    shifts=("none",),
    arms=("no_flag", "functional", "subclassed", "tfbn_functional"),
    train_images=40,
    test_images=40,
    epochs=1,
    fine_tuning_epochs=1,
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "work"
    network = {"model": small_network.saved(folder.parent), "pixels": "unit"}
    config = dataclasses.replace(TINY, work_dir=str(folder), **network)
    summary, _ = binary.answer(keras_recipe.EXPERIMENT, config)
    layers = pd.read_parquet(folder / "layers.parquet")
    return summary, layers.set_index(["arm", "step", "part", "layer"]).sort_index()


def test_each_layer_is_told_apart_from_what_keras_itself_says(study):
    _, layers = study
    obeyed = keras_versions.call_site_training_is_obeyed()
    moves = {("no_flag", "unfrozen"): True, ("functional", "unfrozen"): not obeyed}
    for arm in TINY.arms:
        for step in STEPS:
            base = layers.loc[arm, step, "base"]
            assert len(base) == small_network.LAYERS
            assert (base.moved == moves.get((arm, step), False)).all(), (arm, step)
            assert ((base.mean_shift > 0) == base.moved).all()
    leaks = {"functional": keras_versions.call_site_training_leaks(), "subclassed": True}
    for arm in TINY.arms:
        assert layers.loc[arm, "unfrozen", "head"].moved.item() != leaks.get(arm, False), arm


def test_the_plain_sentence_says_it(study):
    summary, _ = study
    first = summary.findings[0]
    assert keras.__version__ in first
    if keras_versions.call_site_training_is_obeyed():
        assert "BatchNorm stays in inference mode in fit, base frozen or unfrozen" in first
        assert "the flag leaks to the head (its BatchNorm does not update and its Dropout is off)" in first
    else:
        assert "does not stay in inference mode in fit once the base is unfrozen (2 of 2 layers'" in first
        assert "the head is in training mode" in first
    ours = next(line for line in summary.findings if line.startswith("tfbn.freeze"))
    assert "stays in inference mode in fit, base frozen or unfrozen; the head is in training mode" in ours


def test_claims_follow(study):
    summary, _ = study
    verdicts = {claim.claim.split(" ")[0]: claim.verdict for claim in summary.claims}
    obeyed = keras_versions.call_site_training_is_obeyed()
    assert verdicts["base(x,"] == (HOLDS if obeyed else ONLY_IF)
    assert verdicts["training=False"] == (FAILS if keras_versions.call_site_training_leaks() else ONLY_IF)
    assert verdicts["trainable=False"] == HOLDS
    assert verdicts["Unfreezing"] == UNDECIDED  # one seed has no interval


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"a": True, "b": True}, HOLDS),
        ({"a": True, "b": False}, ONLY_IF),
        ({"a": False}, FAILS),
        ({}, UNDECIDED),
    ],
)
def test_facts_give_each_verdict(facts, verdict):
    assert judged_facts("It is so.", facts, "seen").verdict == verdict


def made_up(base_moved, head_moved, dropout):
    """One arm, two layers and a head in each of two runs."""
    rows = [
        {"arm": "functional", "step": step, "part": part, "layer": layer, "keras": "9.9",
         "mean_shift": 0.5 * m, "moved": bool(m)}
        for step in STEPS
        for part, moved in (("base", base_moved), ("head", head_moved))
        for layer, m in enumerate(moved)
    ]  # fmt: skip
    results = pd.DataFrame({"arm": ["functional"] * 2, **{f"dropout_on_{s}": dropout for s in STEPS}})
    return Modes(results, pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("modes", "said"),
    [
        (
            made_up([0, 0], [1], [1.0, 1.0]),
            "stays in inference mode in fit, base frozen or unfrozen; the head",
        ),
        (
            made_up([0, 0], [0], [0.0, 0.0]),
            "leaks to the head (its BatchNorm does not update and its",
        ),
        (made_up([0, 0], [1], [1.0, 0.0]), "leaks to the head (its Dropout is off)"),
        (made_up([0, 1], [1], [1.0, 1.0]), "does not stay in inference mode in fit (1 of 2 layers' moving"),
    ],
)
def test_the_sentence_goes_either_way(modes, said):
    assert said in summaries._recipe(modes, "functional")


def test_modes_of_layers():
    told = [mode(pd.Series(moved)) for moved in ([True, True], [False, False], [True, False])]
    assert told == [TRAINING, INFERENCE, MIXED]


@pytest.mark.parametrize("name", RECIPES)
def test_every_way_to_write_the_model_computes_the_same(name, rng):
    keras.utils.set_random_seed(1)
    base = tfbn.models.build("resnet8", width=4, include_top=False, pooling="avg", input_shape=(8, 8, 1))
    head = Head.new(3, momentum=0.9, rate=0.2, seed=1)
    model = recipes.build(RECIPES[name], base, head)
    x = rng.normal(2, 3, (5, 8, 8, 1)).astype("float32")
    expected = head.classifier(base(x) / np.sqrt(1 + 1e-3))  # a fresh head in inference mode
    model.run_eagerly = True  # takes less time than tracing
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


BAD = {
    "arms": (("guide",), "Expected `arms` to be one of"),
    "frozen": (("stem",), "Expected `frozen` to be empty"),
    "dropout": (1.0, "Expected `dropout` to be a number in"),
    "fine_tuning_epochs": (0, "fine_tuning_epochs=0"),
    "shifts": (("contrst=0.3",), "did you mean contrast"),
}


@pytest.mark.parametrize("field", BAD)
def test_bad_options_are_refused_before_anything_is_done(field, tmp_path):
    value, message = BAD[field]
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **{field: value})
    with pytest.raises(InputError, match=message):
        binary.answer(keras_recipe.EXPERIMENT, config)
    assert not (tmp_path / "work").exists()
