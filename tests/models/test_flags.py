"""The flags land on the frozen stages and nowhere else, and a train step obeys them to the bit."""

import numpy as np
import pytest

from tfbn import models
from tfbn.graph.traversal import batch_normalizations

STAGES = ["stem", "stage1", "stage2", "stage3", "head"]


def flags_of(layer):
    return {
        "training": getattr(layer, "training", None),
        "update_statistics": getattr(layer, "update_statistics", None),
        "trainable": layer.trainable,
    }


def build(**arguments):
    return models.resnet_cifar(8, width=4, input_shape=(9, 9, 1), classes=3, **arguments)


@pytest.mark.parametrize("frozen", [("stem", "stage2"), "stage1", None, ()])
@pytest.mark.parametrize(
    "flags",
    [
        {"training": False},
        {"training": True},
        {"update_statistics": True},
        {"trainable": False},
        {"training": True, "update_statistics": False, "trainable": False},
    ],
)
def test_flags_land_on_the_frozen_stages_only(frozen, flags):
    chosen = STAGES if frozen is None else [frozen] if isinstance(frozen, str) else list(frozen)
    model = build(frozen=frozen, **flags)
    normalizations = {id(named.layer) for named in batch_normalizations(model)}
    assert len(normalizations) == 7
    for stage, layers in models.stages(model).items():
        for layer in layers:
            expected = {"training": None, "update_statistics": None, "trainable": True}
            if stage in chosen:
                for flag, value in flags.items():
                    if flag == "trainable" or id(layer) in normalizations:
                        expected[flag] = value
            assert flags_of(layer) == expected, layer.name


def test_without_flags_nothing_is_set():
    for layer in build().layers:
        assert flags_of(layer) == {"training": None, "update_statistics": None, "trainable": True}


def test_preactivation_freezes_its_last_batch_normalization_with_the_last_stage():
    model = build(order="bn-relu-conv", frozen=["stage3"], training=False)
    frozen = [named.path for named in batch_normalizations(model) if named.layer.training is False]
    assert frozen == ["stage3_block1_bn1", "stage3_block1_bn2", "stage3_bn"]


@pytest.mark.parametrize(
    ("flags", "moving", "affine", "kernels"),
    [
        ({"training": True, "trainable": False}, True, False, False),
        ({"training": False, "trainable": False}, False, False, False),
        ({"training": False}, False, True, True),
        ({"training": True, "update_statistics": False, "trainable": False}, False, False, False),
        ({"training": False, "update_statistics": True, "trainable": False}, True, False, False),
        ({"trainable": False}, False, False, False),
        ({"update_statistics": False}, False, True, True),
    ],
)
def test_train_step_moves_what_the_flags_say(flags, moving, affine, kernels, rng):
    frozen = ("stem", "stage1", "stage2")
    model = build(frozen=frozen, **flags)
    for named in batch_normalizations(model):
        for weight in named.layer.weights:
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
    before = {weight.path: np.array(weight, copy=True) for weight in model.weights}
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    for size in (5, 8):
        x = rng.normal(1.0, 2.0, size=(size, 9, 9, 1)).astype("float32")
        model.train_on_batch(x, rng.integers(0, 3, size))
    for stage, layers in models.stages(model).items():
        for weight in (weight for layer in layers for weight in layer.weights):
            kind = weight.path.rpartition("/")[2]
            expected = {"moving_mean": moving, "moving_variance": moving, "gamma": affine, "beta": affine}
            moved = (np.array(weight) != before[weight.path]).any()
            assert moved == (expected.get(kind, kernels) if stage in frozen else True), weight.path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"frozen": ("stem", "stge2"), "training": False},
            r"Expected `frozen` to name stages of \['stem', .*\(did you mean stage2.*Received: frozen=",
        ),
        ({"frozen": "stage4", "training": False}, "did you mean stage[123]"),
        (
            {"frozen": "head", "trainable": False, "include_top": False},
            r"`frozen` to name stages of \['stem', 'stage1', 'stage2', 'stage3'\]",
        ),
        ({"frozen": "stem"}, "Expected `frozen` to come with `training`, `update_statistics` or `trainable`"),
        ({"training": 1}, "Expected `training` to be True, False or None. Received: training=1"),
        ({"update_statistics": "yes"}, "Expected `update_statistics` to be True, False or None"),
        ({"trainable": 0}, "Expected `trainable` to be True, False or None. Received: trainable=0"),
        (
            {"training": False, "normalization": None},
            "Expected `training` to be None in a network without BatchNormalization",
        ),
    ],
)
def test_bad_flags(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.resnet_cifar(8, **arguments)
