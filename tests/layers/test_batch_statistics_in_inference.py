"""Batch statistics in inference as a property of a layer: formula, saving, and who must know of it."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.layers.modes import Mode, of_layer
from tfbn.statistics.mismatch import Probe


def layer_of(rng, channels=3, **flags):
    layer = tfbn.BatchNormalization(name="bn", **flags)
    layer.build((None, channels))
    layer.moving_mean.assign(rng.normal(size=channels))
    layer.moving_variance.assign(rng.uniform(0.5, 2, channels))
    layer.gamma.assign(rng.uniform(0.5, 2, channels))
    layer.beta.assign(rng.normal(size=channels))
    return layer


def model_of(rng, **flags):
    return keras.Sequential([keras.Input((3,)), layer_of(rng, batch_statistics_in_inference=True, **flags)])


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize("training", [None, True, False])
def test_an_inference_call_normalizes_by_the_batch_and_holds_the_statistics(rng, training, fused):
    layer = layer_of(rng, batch_statistics_in_inference=True, training=training, fused=fused)
    x = rng.normal(3, 2, (16, 3)).astype("float32")
    before = [np.array(weight) for weight in layer.weights]
    wide = x.astype("float64")
    expected = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-3)
    expected = expected * before[0].astype("float64") + before[1].astype("float64")
    for training_argument in (None, False):
        np.testing.assert_allclose(layer(x, training=training_argument), expected, rtol=1e-5, atol=1e-5)
    for weight, old in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("flag", [None, False])
def test_unset_the_layer_is_the_stock_one(rng, flag):
    layer = layer_of(rng, batch_statistics_in_inference=flag)
    stock = keras.layers.BatchNormalization(name="bn")
    stock.build((None, 3))
    stock.set_weights(layer.get_weights())
    x = rng.normal(3, 2, (16, 3)).astype("float32")
    np.testing.assert_allclose(layer(x), stock(x), rtol=1e-6, atol=1e-6)
    assert (layer.get_config() == stock.get_config()) == (flag is None)


def test_training_calls_do_not_see_it(rng):
    x = rng.normal(3, 2, (16, 3)).astype("float32")
    with_flag, without = (
        layer_of(np.random.default_rng(0), batch_statistics_in_inference=flag, training=False)
        for flag in (True, None)
    )
    np.testing.assert_array_equal(with_flag(x, training=True), without(x, training=True))
    assert with_flag.mode == without.mode == Mode("moving", updates=False, trains=True)
    assert of_layer(with_flag, training_call=False) == Mode("batch", updates=False, trains=False)


@pytest.mark.skipif(not hasattr(keras.layers.BatchNormalization(), "renorm"), reason="before renorm")
def test_renorm_corrects_nothing_in_inference(rng):
    layer = tfbn.BatchNormalization(renorm=True, batch_statistics_in_inference=True)
    layer.build((None, 3))
    layer.renorm_mean.assign([5.0, 5.0, 5.0])
    x = rng.normal(3, 2, (64, 3)).astype("float32")
    np.testing.assert_allclose(np.mean(layer(x), 0), np.zeros(3), atol=1e-5)


def test_it_is_saved_loaded_and_cloned(rng, tmp_path):
    model = model_of(rng)
    x = rng.normal(3, 2, (16, 3)).astype("float32")
    model.save(tmp_path / "model.keras")
    for again in (keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        again.set_weights(model.get_weights())
        np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
        assert again.get_layer("bn").batch_statistics_in_inference is True


def test_audit_says_so(rng):
    audit = tfbn.audit(model_of(rng))
    assert audit.rows[0].evaluate == Mode("batch", updates=False, trains=False)
    assert any("batch_statistics_in_inference" in warning for warning in audit.warnings)
    assert "batch, held" in str(audit)


def test_fold_refuses(rng):
    with pytest.raises(ValueError, match=r"inference.*Received.*bn"):
        tfbn.fold(model_of(rng), verbose=False)


def test_recalibrate_still_measures_the_population(rng):
    model = model_of(rng)
    x = rng.normal(3, 2, (40, 3)).astype("float32")
    tfbn.recalibrate(model, x, batch_size=7, verbose=False)
    np.testing.assert_allclose(model.get_layer("bn").moving_mean, x.astype("float64").mean(0), rtol=1e-5)
    assert model.get_layer("bn").batch_statistics_in_inference is True


@pytest.mark.parametrize("training", [True, False])
def test_mismatch_is_between_fit_and_this_inference(rng, training):
    x = rng.normal(3, 2, (16, 3)).astype("float32")
    found = Probe(model_of(rng, training=training), x).measure()[0, 0]
    assert (found == 0) == training  # by the batch in both, or the moving ones against the batch


def test_the_block_turns_it_on_for_all(rng):
    x = rng.normal(3, 2, (16, 3)).astype("float32")
    flagged, plain = (
        model_of(np.random.default_rng(1)),
        keras.Sequential([keras.Input((3,)), layer_of(np.random.default_rng(1))]),
    )
    with tfbn.batch_statistics(plain):
        inside = plain.predict(x, verbose=0)
    np.testing.assert_allclose(inside, flagged.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


def test_a_wrong_flag_is_refused():
    with pytest.raises(ValueError, match="batch_statistics_in_inference"):
        tfbn.BatchNormalization(batch_statistics_in_inference="yes")
