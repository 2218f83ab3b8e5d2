"""What an audit says for a batch size and a number of steps."""

import pathlib

import keras
import pytest

import tfbn
from tfbn.utils.validation import InputError


def network(size=8, momentum=0.99, pixels=6):
    norm = keras.layers.BatchNormalization(momentum=momentum, name="bn")
    layers = [keras.layers.Conv2D(4, 3, use_bias=False), norm, keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((pixels, pixels, 3)), *layers, keras.layers.Dense(2)])


def said(model, **options):
    return " ".join(tfbn.audit(model, **options).advice)


@pytest.mark.parametrize(
    ("momentum", "steps", "way", "enough"),
    [
        (0.99, 310, "95.6%", True),
        (0.99, 100, "63.4%", False),
        (0.9, 100, "100.0%", True),
        (0.5, 1, "50.0%", False),
    ],
)
def test_how_far_the_statistics_move(momentum, steps, way, enough):
    text = said(network(momentum=momentum), steps=steps)
    assert f"After {steps} {'step' if steps == 1 else 'steps'} at momentum {momentum:g}" in text
    assert f"{way} of the distance" in text
    assert ("Try momentum=" in text) != enough


def test_the_momentum_to_try_is_enough():
    text = said(network(), steps=50)
    momentum = float(text.partition("momentum=")[2].split()[0])
    assert 0.95 <= 1 - momentum**50 < 0.955


def test_held_statistics_do_not_move():
    model = network()
    tfbn.freeze(model, training=False)
    assert "do not move" in said(model, steps=50)
    assert "of the distance" not in said(model, steps=50)


@pytest.mark.parametrize(("batch_size", "few"), [(1, True), (7, True), (8, False), (64, False)])
def test_the_smallest_layer(batch_size, few):
    text = said(network(), batch_size=batch_size)
    assert f"(N*H*W): {16 * batch_size:,}, at 'bn'" in text
    assert ("Try training=False" in text) == few
    model = network()
    tfbn.freeze(model, training=False)
    assert "Try training=False" not in said(model, batch_size=batch_size)


def test_dead_channels():
    model = network()
    assert "dead" not in said(model, batch_size=8)
    model.get_layer("bn").moving_variance.assign([1.0, 0.0, 1e-36, 1.0])
    assert "2 of 4 channels are dead" in said(model, batch_size=8)


def test_nothing_is_said_that_was_not_asked():
    assert not tfbn.audit(network()).advice
    with pytest.raises(InputError, match="`steps` to be a whole number of at least 1"):
        tfbn.audit(network(), steps=0)
    text = str(tfbn.audit(network(), batch_size=16, steps=310))
    assert "(1 -\n  momentum^steps)" in text or "momentum^steps" in text


def test_the_guide_is_named_and_exists():
    root = pathlib.Path(__file__).parents[2]
    last = tfbn.audit(network(), batch_size=8).advice[-1]
    assert last.endswith("/docs/guide.md")
    assert (root / "docs" / "guide.md").is_file()
