"""One run of transfer learning: a pretrained network, a small target, a head to train."""

import dataclasses
import fnmatch
import time
from pathlib import Path
from typing import Any

from experiments.common.arms import Arm
from experiments.common.data import Split, check_data, target_split
from experiments.common.experiment import RunConfig
from experiments.common.options import option
from tfbn.validation import fail

HEAD = "head"


@dataclasses.dataclass(frozen=True)
class TransferConfig(RunConfig):
    """Options of experiments that fine-tune a pretrained network."""

    model: str = option("resnet8", "Network, as resnet8 or resnet20.")
    weights: str = option(
        "mnist5k-*", "Pretrained weights; a * takes another pretrained network for each seed."
    )
    dataset: str = option("uci_digits", "Target: any TFDS name.")
    image_size: int = option(28, "Height and width of the images in pixels.", low=8)
    border: int = option(4, "Empty pixels around each image, within image_size.", low=0)
    train_images: int = option(300, "Target images to train on.", low=1)
    test_images: int = option(1000, "Target images to test on.", low=1)
    epochs: int = option(15, "Epochs of the short budget.", low=1)
    batch_size: int = option(32, "Images in a batch.", low=1)
    learning_rate: float = option(5e-3, "Learning rate of Adam.", low=0.0)
    momentum: float = option(0.9, "BatchNorm's momentum.", low=0.0, high=1.0)


def check(config: Any) -> None:
    """Raises `InputError` if the network, the weights, the data or a shift is not to be had."""
    from tfbn import models
    from tfbn.datasets import shifts
    from tfbn.models.weights import find_weights

    for shift in config.shifts:
        shifts.parse(shift)
    models.build(config.model, include_top=False, input_shape=_input_shape(config))
    for seed in range(config.seeds):
        find_weights(weights_of(config, seed), config.model)
    check_data(config)


def weights_of(config: TransferConfig, seed: int) -> str:
    """The weights of a seed: a name with a `*` goes through the packaged networks it fits.

    Raises:
        InputError: It fits none.
    """
    from tfbn.models.weights import packaged

    if "*" not in config.weights:
        return config.weights
    known = packaged(config.model)
    fitting = fnmatch.filter(known, config.weights)
    if not fitting:
        raise fail(
            "weights", f"to fit packaged weights of {config.model} (there are: {list(known)})", config.weights
        )
    return fitting[seed % len(fitting)]


def _input_shape(config: TransferConfig) -> tuple[int, int, int]:
    return config.image_size, config.image_size, 1


def run_arm(config: TransferConfig, arm: Arm, shift: str, seed: int, folder: Path) -> dict[str, float]:
    """Trains and judges one arm; returns its measurements.

    Accuracies are shares of images, "batch" ones with every BatchNorm normalising by
    the batch, the others in inference mode. Drift and mismatch are the largest over
    layers, see `tfbn.drift`.
    """
    import keras

    import tfbn

    keras.utils.set_random_seed(seed)
    split = target_split(config, shift, seed)
    model = build(config, arm, seed, split.classes)
    if arm.recalibrate:
        tfbn.recalibrate(model, split.train_x, batch_size=config.batch_size, verbose=False)
    before = statistics_and_affine(model)
    recorder = tfbn.DriftRecorder(folder, probe=split.train_x[: config.batch_size])
    started = time.perf_counter()
    fit_accuracy = fit(config, model, split, seed, [recorder])
    measurements = {"fit_seconds": time.perf_counter() - started, "fit_accuracy": fit_accuracy}
    measurements |= judge(config, model, arm, split)
    measurements |= _moved(before, statistics_and_affine(model))
    return measurements | _last_drift(folder)


def build(config: TransferConfig, arm: Arm, seed: int, classes: int) -> Any:
    """The pretrained network set as the arm says, with a new head that all arms share."""
    import keras

    import tfbn

    base = tfbn.models.build(
        config.model,
        include_top=False,
        pooling="avg",
        weights=weights_of(config, seed),
        input_shape=_input_shape(config),
        momentum=config.momentum if arm.momentum is None else arm.momentum,
        training=arm.training,
        update_statistics=arm.update_statistics,
        trainable=arm.trainable,
    )
    initial = keras.initializers.GlorotUniform(seed=seed)
    head = keras.layers.Dense(classes, kernel_initializer=initial, name=HEAD)
    model = keras.Model(base.input, head(base.output), name=base.name)
    model.compile(
        keras.optimizers.Adam(config.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def fit(config: TransferConfig, model: Any, split: Split, seed: int, callbacks: list[Any]) -> float:
    """Trains for the short budget; returns the last epoch's accuracy as `fit` saw it."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((split.train_x, split.train_y))
    data = data.shuffle(len(split.train_x), seed=seed).batch(config.batch_size)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    data = data.with_options(options)
    history = model.fit(data, epochs=config.epochs, verbose=0, shuffle=False, callbacks=callbacks)
    return history.history["accuracy"][-1]


def judge(config: TransferConfig, model: Any, arm: Arm, split: Split) -> dict[str, float]:
    """Accuracies of the trained model in both modes, and of a converged head.

    The converged head is a logistic regression trained to convergence on the features
    that `fit` sees (of the batch, where the arm normalises by it) and tested on those
    that `predict` sees.
    """
    import keras

    import tfbn

    both = keras.Model(model.input, [model.get_layer(HEAD).input, model.output])

    def outputs(x: Any) -> Any:
        return both.predict(x, batch_size=config.batch_size, verbose=0)

    inference = outputs(split.train_x), outputs(split.test_x)
    with tfbn.batch_statistics(both):
        batch = outputs(split.train_x), outputs(split.test_x)
    fit_sees = batch if _normalizes_by_batch(arm) else inference
    return {
        "train_accuracy": _accuracy(inference[0][1], split.train_y),
        "test_accuracy": _accuracy(inference[1][1], split.test_y),
        "train_accuracy_batch": _accuracy(batch[0][1], split.train_y),
        "test_accuracy_batch": _accuracy(batch[1][1], split.test_y),
        "converged_accuracy": converged_head(fit_sees[0][0], split.train_y, inference[1][0], split.test_y),
    }


def converged_head(train_x: Any, train_y: Any, test_x: Any, test_y: Any) -> float:
    """Test accuracy of logistic regression on standardised features, trained to convergence."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    return float(head.fit(train_x, train_y).score(test_x, test_y))


def statistics_and_affine(model: Any) -> dict[str, list[Any]]:
    """Copies of every BatchNorm's moving statistics, and of its gamma and beta."""
    from tfbn.traversal import batch_normalizations

    layers = [site.layer for site in batch_normalizations(model)]
    return {
        "statistics": [v.numpy().copy() for bn in layers for v in bn.non_trainable_weights[-2:]],
        "affine": [v.numpy().copy() for bn in layers for v in (bn.gamma, bn.beta) if v is not None],
    }


def _moved(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> dict[str, float]:
    """The largest absolute change of each kind: exactly 0 if not one bit moved."""
    return {
        f"{kind}_moved": max(float(abs(b - a).max()) for b, a in zip(before[kind], after[kind], strict=True))
        for kind in before
    }


def _last_drift(folder: Path) -> dict[str, float]:
    from tfbn.callbacks import read_drift

    drift = read_drift(folder)
    last = drift[drift.step == drift.step.max()]
    return {
        "mean_shift": float(last.mean_shift.max()),
        "mismatch": float(drift.dropna(subset="mismatch").groupby("step").mismatch.max().iloc[-1]),
    }


def _normalizes_by_batch(arm: Arm) -> bool:
    return arm.trainable if arm.training is None else arm.training


def _accuracy(logits: Any, labels: Any) -> float:
    return float((logits.argmax(-1) == labels).mean())
