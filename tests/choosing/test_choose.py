"""`tfbn.choose` finds planted answers, leaves the model alone, and promises no more than the data allow."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.choosing.backbone import backbone
from tfbn.choosing.choice import decided
from tfbn.choosing.heads import cross_validated, held_out_parts, right
from tfbn.choosing.options import OPTIONS
from tfbn.graph.traversal import batch_normalizations
from tfbn.statistics.parts import measure_parts
from tfbn.utils import paired
from tfbn.utils.validation import InputError

layers = keras.layers
NAMES = [option.name for option in OPTIONS]


def network(mean, variance):
    """BatchNormalization and ReLU on one value: what lies below the layer's mean is lost."""
    head = [layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    model = keras.Sequential([keras.Input((1, 1, 1)), layers.BatchNormalization(), *head])
    model.layers[0].moving_mean.assign([mean])
    model.layers[0].moving_variance.assign([variance])
    return model


def values(rng, low, high, n=120):
    """Two classes around two values, and one example in four far above both."""
    y = np.arange(n) % 2
    x = np.where(y == 0, low, high) + rng.normal(0, 0.1, n)
    return np.float32(x).reshape(n, 1, 1, 1), y


def ask(model, x, y, **options):
    return tfbn.choose(model, x, y, **{"verbose": False, "repeats": 3, **options})


def test_statistics_that_lose_everything_are_replaced(rng):
    x, y = values(rng, -1, 1)
    found = ask(network(50.0, 1.0), x, y)
    assert found.recommendation in ("recalibrated", "batch")
    assert found.chosen.low > 0
    assert "the chosen mode is +" in found.reasons[0]
    assert found.table.set_index("option").accuracy["inference"] < 70
    assert found.table.set_index("option").accuracy["recalibrated"] > 95


def test_statistics_that_keep_what_the_targets_lose_stay(rng):
    x, y = values(rng, -2, 0, n=480)
    x[::3] += 8  # so the mean lies above both classes
    y = np.where(np.arange(len(y)) % 3 == 0, 1, y)
    found = ask(network(-9.0, 1.0), x, y, repeats=5)
    assert found.recommendation == "inference"
    difference = found.table.set_index("option").difference
    assert difference["recalibrated"] < -10
    assert any("worse" in reason.lower() for reason in found.reasons)


def test_no_difference_is_said(rng):
    x, y = values(rng, -1, 1)
    found = ask(network(float(x.mean()), float(x.var())), x, y)
    assert found.recommendation == "inference"
    assert found.reasons[0].startswith("No difference that these data can show")
    assert found.chosen.low < 0 < found.chosen.high


def test_the_model_is_as_it_was(rng):
    x, y = values(rng, -1, 1, n=30)
    model = network(0.3, 2.0)
    before, outputs = [np.copy(w) for w in model.get_weights()], model.predict(x, verbose=0)
    ask(model, x, y)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(model.predict(x, verbose=0), outputs)


def test_also_when_it_fails_in_the_middle(rng, monkeypatch):
    from tfbn.choosing import choose as module

    x, y = values(rng, -1, 1, n=30)
    model = network(0.3, 2.0)
    before = [np.copy(w) for w in model.get_weights()]
    calls = []

    def failing(self):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("the machine is tired")
        return np.zeros((30, 1), np.float32)

    monkeypatch.setattr(module.Inference, "features", failing)
    with pytest.raises(RuntimeError, match="tired"):
        ask(model, x, y)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_same_seed_gives_the_same_answer(rng):
    x, y = values(rng, -0.05, 0.05)
    found = [ask(network(0.0, 1.0), x, y, seed=seed) for seed in (0, 0, 1)]
    assert found[0].table.equals(found[1].table)
    assert not found[0].table.equals(found[2].table)


def test_a_bar_is_drawn_for_people_only(rng, capsys):
    x, y = values(rng, -1, 1, n=30)
    ask(network(0.0, 1.0), x, y, verbose=True)
    assert capsys.readouterr().out == "10 forward passes over 30 images, then heads:\n"


def test_images_are_limited_and_drawn_over_all_classes(rng):
    x, y = values(rng, -1, 1, n=200)
    order = np.argsort(y, kind="stable")
    found = ask(network(0.0, 1.0), x[order], y[order], most_examples=40)
    assert found.images == 40


def test_what_cannot_be_asked(rng):
    model = network(0.0, 1.0)
    x, y = values(rng, -1, 1, n=30)
    for changed, message in (
        ({"repeats": 2}, "`repeats` to be a whole number of at least 3"),
        ({"y": y[:-1]}, "`y` to be one integer label for each of the 30 images"),
        ({"y": y / 2}, "`y` to be one integer label"),
        ({"y": y * 0}, "`y` to name at least two classes"),
        ({"y": (np.arange(30) == 0).astype(int)}, "`y` to have at least 3 images"),
        ({"x": iter(x)}, "`x` to be images in an array"),
        ({"up_to": "nothing"}, "nothing"),
    ):
        options = {"x": x, "y": y, **changed}
        with pytest.raises(InputError, match=message):
            ask(model, options.pop("x"), options.pop("y"), **options)


def test_backbone_ends_before_the_head_or_where_it_is_told():
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(5, 3, name="first")(inputs))
    x = layers.Conv2D(7, 3, name="second")(x)
    pooled = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Softmax()(layers.Dense(3)(pooled)))
    assert backbone(model).output_shape == (None, 7)
    assert backbone(model, "norm").output_shape == (None, 5)
    assert backbone(keras.Model(inputs, x)).output_shape == (None, 7)


def test_parts_are_those_of_the_plain_arithmetic(rng):
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(name="bn", epsilon=0.0)])
    parts = [np.float32(rng.normal(2, 3, (n, 4))) for n in (7, 5)]
    found = measure_parts(model, [iter([part]) for part in parts])
    for part, (outputs, statistics) in zip(parts, found, strict=True):
        wide = np.float64(part)
        np.testing.assert_allclose(outputs, (wide - wide.mean(0)) / wide.std(0), atol=1e-5)
        np.testing.assert_allclose(statistics["bn"].mean, wide.mean(0), rtol=1e-5)
        np.testing.assert_allclose(statistics["bn"].variance, wide.var(0), rtol=1e-5)
    np.testing.assert_array_equal(model.layers[0].moving_mean, np.zeros(4))


def test_a_head_in_the_span_of_the_examples_is_the_same_head(rng):
    x, y = rng.normal(size=(30, 80)), np.arange(30) % 3
    x[:, :3] += 2 * np.eye(3)[y]
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    test_x = rng.normal(size=(200, 80))
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, tol=1e-8)).fit(x, y)
    expected = plain.predict(test_x) == 1
    assert (right(x, y, test_x, np.ones(200, int)) == expected).mean() > 0.99


def test_parts_hold_every_class_and_every_image_once():
    labels = np.array([0] * 17 + [1] * 9 + [2] * 4)
    parts = held_out_parts(labels, 4, seed=1)
    assert sorted(np.concatenate(parts).tolist()) == list(range(30))
    counts = np.array([np.bincount(labels[part], minlength=3) for part in parts])
    assert (counts.max(0) - counts.min(0) <= 1).all()
    assert cross_validated(np.eye(3)[labels], labels, 2, 0) == 1.0


def repeats(rng, n=40, worth=None, **shares):
    """Three repeats in which an option is right on so large a share of the images."""
    worth = worth or shares
    base = dict.fromkeys(NAMES, 0.5)
    return [(base | worth, {name: rng.random(n) < shares.get(name, 0.5) for name in NAMES}) for _ in range(3)]


@pytest.mark.parametrize("better", NAMES[1:])
def test_what_is_better_is_recommended_with_its_code(better, rng):
    found = decided(repeats(rng, inference=0.3, **{better: 0.95}), 2, 1.0)
    assert found.recommendation == better
    assert "tfbn.freeze" in found.code[-1]
    assert ("recalibrate" in found.code[0]) == (better not in ("inference", "batch"))


def test_what_only_looked_better_is_not_recommended(rng):
    found = decided(repeats(rng, worth={"batch": 0.9}, batch=0.5), 2, 1.0)
    assert found.recommendation == "inference"
    assert "No difference that these data can show" in str(found)


def test_chance_is_recommended_in_one_of_six_and_shown_in_one_of_forty(rng):
    """Where there is nothing: one standard error upwards, and an interval of 95 % above zero."""
    found = []
    for _ in range(200):
        worth = {name: rng.random() for name in NAMES}
        found.append(decided(repeats(rng, worth=worth), 2, 1.0))
    likely = [each.recommendation != "inference" for each in found]
    assert np.mean(likely) <= 0.2
    assert np.mean([each.chosen.sign > 0 for each in found]) <= 0.05
    for each, other in zip(found, likely, strict=True):
        assert other == (each.chosen.mean > each.chosen.error)
        assert str(each).count("Likely, not shown") == (other and each.chosen.sign == 0)


def planted(better, worse, n=60, count=4):
    """Repeats in which one option, chosen everywhere, is right on some more images and on some fewer."""
    first, other = np.zeros(n, bool), np.zeros(n, bool)
    other[:better] = True
    first[better : better + worse] = True
    worth = dict.fromkeys(NAMES, 0.5) | {"batch": 0.9}
    return [(worth, dict.fromkeys(NAMES, first) | {"batch": other})] * count


def test_one_standard_error_decides_and_the_reasons_say_what_is_shown():
    chosen = "on images that were not used to choose, the chosen mode is"
    for better, worse, recommended, reason in (
        (15, 3, "batch", f"O{chosen[1:]} +20.0 ["),
        (9, 6, "batch", f"Likely, not shown: {chosen} +5.0 ["),
        (6, 5, "inference", f"No difference that these data can show: {chosen} +1.7 ["),
    ):
        found = decided(planted(better, worse), 2, 1.0)
        n = 4 * 60 + 2
        b, c = 4 * better + 0.5, 4 * worse + 0.5
        assert found.chosen.error == pytest.approx(np.sqrt(b + c - (b - c) ** 2 / n) / n)
        assert found.recommendation == recommended
        assert found.reasons[0].startswith(reason)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_recalibrate_by_a_share(share, rng):
    model = network(5.0, 7.0)
    x, _ = values(rng, -1, 1)
    wide = np.float64(x)
    tfbn.recalibrate(model, x, share=share, verbose=False)
    layer = batch_normalizations(model)[0].layer
    np.testing.assert_allclose(
        layer.moving_mean, [(1 - share) * 5 + share * wide.mean()], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(layer.moving_variance, [(1 - share) * 7 + share * wide.var()], rtol=1e-4)
    with pytest.raises(InputError, match=r"`share` to be a number in \[0.0, 1.0\]"):
        tfbn.recalibrate(model, x, share=1.5, verbose=False)


def test_an_interval_is_never_narrower_than_the_number_of_images_allows():
    one_better = [np.eye(60, dtype=int)[0]] * 2  # the same image in both repeats
    found = paired.difference(one_better)
    assert found.low <= 0 < found.mean < found.high
    least = 2 * paired.half_width_of_images(np.concatenate(one_better))
    assert found.high - found.low >= least - 1e-12
    same = paired.difference([np.zeros(30)] * 3)
    assert same.low < 0 < same.high
    assert same.p_value == 1


def test_intervals_are_clipped_to_what_is_possible():
    found = paired.difference([np.ones(4), np.ones(4), np.array([1, 0, 1, 1])])
    assert found.high == 1
    assert paired.difference([-np.ones(4), -np.ones(4), np.zeros(4)]).low == -1


def test_the_error_of_images_is_agresti_and_mins():
    differences = np.array([1] * 7 + [-1] * 3 + [0] * 40)
    n, b, c = 52, 7.5, 3.5
    expected = np.sqrt(b / n + c / n - (b / n - c / n) ** 2) / np.sqrt(n)
    assert paired.error_of_images(differences) == pytest.approx(expected, rel=1e-6)


def test_holm_widens_by_rank():
    rng = np.random.default_rng(0)
    clear = [np.where(rng.random(80) < 0.5, 1, 0) for _ in range(4)]
    unclear = [rng.integers(-1, 2, 80) for _ in range(4)]
    found = paired.holm({"unclear": unclear, "clear": clear})
    assert list(found) == ["unclear", "clear"]
    assert found["clear"] == paired.difference(clear, 1 - 0.05 / 2)
    assert found["unclear"] == paired.difference(unclear, 0.95)
    both = paired.holm({"a": unclear, "b": unclear})
    assert both["a"] == both["b"] == paired.difference(unclear, 1 - 0.05 / 2)


def test_the_lab_has_the_same_kind_of_interval(rng):
    """Where the images do not matter, an interval over seeds is that of `difference`."""
    from experiments.lab.intervals import interval

    repeats = [
        rng.choice([-1, 0, 1], p=p, size=400) for p in ([0.0, 0.2, 0.8], [0.6, 0.4, 0.0], [0.1, 0.8, 0.1])
    ]
    means = np.array([each.mean() for each in repeats])
    found, labs = (
        paired.difference(repeats),
        interval(means, noise=paired.error_of_images(np.concatenate(repeats))),
    )
    assert (found.mean, found.low) == pytest.approx((labs.mean, max(-1, labs.low)))
    assert found.p_value == pytest.approx(labs.p_value())


def test_an_option_that_stopped_early_is_compared_where_it_ran(rng):
    tried = repeats(rng, inference=0.3, batch=0.95)
    full, stopped = tried * 2, [(dict(worth), dict(where)) for worth, where in tried * 2]
    for worth, where in stopped[3:]:
        del worth["recalibrated"], where["recalibrated"]
    found = decided(stopped, 2, 1.0)
    assert found.recommendation == decided(full, 2, 1.0).recommendation == "batch"
    own = {row.name: row for row in found.tried}
    assert own["recalibrated"].difference.mean == pytest.approx(
        np.mean(np.concatenate([r["recalibrated"] * 1 - r["inference"] for _, r in tried]))
    )
    assert own["recalibrated"].difference.high - own["recalibrated"].difference.low > (
        own["blend_0.5"].difference.high - own["blend_0.5"].difference.low
    )
