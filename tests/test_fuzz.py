"""Random inputs: layer configurations, patterns, statistics, manifests."""

import fnmatch
import json

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tfbn
from experiments.lab.store import Store
from tests.experiments.small import Config
from tests.layers.oracle import Oracle
from tfbn.statistics.drift import METRICS, distances
from tfbn.statistics.snapshots import Statistics
from tfbn.utils.validation import InputError

quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
maybe = st.sampled_from([None, True, False])


@quick
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    flags=st.tuples(maybe, maybe, st.booleans()),
    momentum=st.floats(0, 1),
    epsilon=st.floats(1e-5, 1),
    center=st.booleans(),
    scale=st.booleans(),
    axis=st.integers(-1, 4),
    training=st.booleans(),
    loc=st.floats(-100, 100),
)
def test_any_configuration_agrees_with_the_oracle(
    shape, flags, momentum, epsilon, center, scale, axis, training, loc
):
    shape = [5, *shape]
    assume(axis != 0 and axis < len(shape))
    rng = np.random.default_rng(0)
    x = np.float32(rng.normal(loc, 2, shape))
    chosen, update, trainable = flags
    layer = tfbn.BatchNormalization(
        axis=axis, momentum=momentum, epsilon=epsilon, center=center, scale=scale,
        training=chosen, update_statistics=update, trainable=trainable,
    )  # fmt: skip
    layer.build(x.shape)
    channels = shape[axis]
    layer.moving_mean.assign(rng.normal(loc, 1, channels))
    layer.moving_variance.assign(rng.uniform(1, 5, channels))
    ones, zeros = np.ones(channels), np.zeros(channels)
    oracle = Oracle(ones, zeros, layer.moving_mean.numpy(), layer.moving_variance.numpy(), momentum, epsilon)
    before = oracle.mean.copy()
    by_batch = training and (chosen if chosen is not None else trainable)
    updates = training and (update if update is not None else by_batch)
    last = np.moveaxis(x, axis, -1)
    if training:
        expected, _, _ = oracle.train(last, np.zeros_like(last), by_batch, updates)
    else:
        expected = oracle.infer(last)
    output = np.moveaxis(np.array(layer(x, training=training)), axis, -1)
    # float32 knows an input near `loc` to about 1e-7 of it, and division by a small sd shows that.
    spread = np.sqrt(np.float64(last).var(tuple(range(last.ndim - 1))).min() + epsilon) if by_batch else 1
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=2e-6 * (1 + abs(loc)) / min(spread, 1) * 10)
    np.testing.assert_allclose(layer.moving_mean.numpy(), oracle.mean, rtol=1e-4, atol=1e-5 * (1 + abs(loc)))
    if not updates:
        np.testing.assert_array_equal(layer.moving_mean.numpy(), np.float32(before))


NUMBERS = st.one_of(
    st.floats(width=32), st.sampled_from([0.0, 1e-36, 1e-45, 3e38, float("nan"), float("inf")])
)


@quick
@given(
    now=st.lists(st.tuples(NUMBERS, NUMBERS.map(abs)), min_size=1, max_size=4),
    then=st.lists(st.tuples(NUMBERS, NUMBERS.map(abs)), min_size=1, max_size=4),
)
def test_distances_are_finite_for_finite_statistics(now, then):
    size = min(len(now), len(then))
    current, reference = (
        Statistics(*np.array(pairs[:size], np.float64).T, epsilon=1e-3) for pairs in (now, then)
    )
    values = distances(current, reference)
    assert list(values) == list(METRICS)
    everything = np.concatenate([current.mean, current.variance, reference.mean, reference.variance])
    if np.isfinite(everything).all():
        assert all(np.isfinite(value) and value >= 0 for value in values.values()), values
        assert set(distances(current, current).values()) == {0.0}
    elif np.isnan(current.mean).any():
        assert np.isnan(values["mean_shift"])


@pytest.fixture(scope="module")
def network():
    return tfbn.models.build("resnet8", width=2, input_shape=(8, 8, 1), classes=2)


@settings(quick, max_examples=20)
@given(
    pattern=st.lists(
        st.sampled_from(
            ["stem", "stage", "1", "2", "9", "block", "bn", "conv", "_", "*", "?", "[12]", "/", "é"]
        ),
        max_size=5,
    ).map("".join)
)
def test_a_pattern_freezes_what_it_fits_or_nothing(pattern, network):
    for layer in network.layers:
        layer.trainable = True
    fitting = {layer.name for layer in network.layers if fnmatch.fnmatchcase(layer.name, pattern)}
    stage = {layer.name for layer in network.layers if fnmatch.fnmatchcase(layer.name, f"{pattern}_*")}
    expected = fitting or stage
    if expected:
        tfbn.freeze(network, pattern)
    else:
        with pytest.raises(InputError, match="Expected `layers`"):
            tfbn.freeze(network, pattern)
    assert {layer.name for layer in network.layers if not layer.trainable} == expected
    tfbn.unfreeze(network)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@quick
@given(content=st.one_of(st.binary(max_size=40), JSON.map(lambda value: json.dumps(value).encode())))
def test_any_manifest_that_is_not_ours_is_refused(content, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(content)
    with pytest.raises(InputError, match="Expected"):
        Store(tmp_path).check("small", Config())
    assert manifest.read_bytes() == content


def test_a_file_with_code_in_it_runs_none(tmp_path):
    """A Lambda layer of somebody else's: the file is refused, the code does not run."""
    from experiments.training import networks

    path = tmp_path / "theirs.keras"
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs)).save(path)
    config = type("Options", (), {"model": str(path), "image_size": 0, "channels": 0})()
    with pytest.raises(InputError, match=r"Keras model that can be loaded|to hold no code"):
        networks.input_shape(config)
