"""One run of transfer learning: a pretrained network, a small target, a head to train."""

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

import tfbn
from tfbn.datasets import shifts
from tfbn.layers.modes import resolve
from tfbn.utils.validation import fail, named_as

from ..lab.workers import give_back_memory
from . import data, devices, networks, overview, prefix, pretraining, reuse, training
from . import evaluation as evaluation
from .arms import ARMS, Arm
from .data import Split, disjoint_positions, source_split, target_split
from .options import ArmConfig, TransferConfig
from .pools import pool

# Columns of TensorBoard's HParams tab.
FOR_TENSORBOARD = ["test_accuracy", "test_accuracy_batch", "train_accuracy", "converged_accuracy"]
FOR_TENSORBOARD += ["mean_shift", "mismatch"]


def check(config: Any) -> None:
    """Raises `InputError` if the network, the weights, the data or a shift is not available."""
    for shift in config.shifts:
        shifts.parse(shift)
    network = networks.build(config, None)
    with named_as(layers="frozen"):
        tfbn.freeze(network, config.frozen or None)
    if config.source is None:
        weights = [networks.weights_of(config, seed) for seed in range(config.seeds)]
        if weights[0] is not None:
            network = networks.build(config, weights[0])
    pixels = overview.of_pixels(config)
    if getattr(config, "audit", False) or config.dry_run:
        if pixels:
            overview.say(pixels)
        return  # neither needs an image
    if config.source is not None:
        pool(config.source)
    disjoint = config.draws == "disjoint"
    if disjoint:
        check_draws(config)
    numbers = config.train_images, config.test_images
    split = target_split(config.target, *numbers, "none", seed=0, disjoint=disjoint)
    images = networks.preprocessing(config)(split.train_x[: overview.LOOKED_AT])
    said = [pixels, overview.of_images(config), overview.of_first_layer(config, network, images)]
    if any(said):
        overview.say(*said)
    if config.workers or config.scheduler:
        del network, split, images
        data.forget()
        give_back_memory()


def check_draws(config: TransferConfig) -> None:
    """Raises `InputError` if the target has not enough images for disjoint draws of all seeds."""
    for name in ("train_images", "test_images"):
        if not getattr(config, name):
            raise fail(name, "to be given, since the draws are disjoint", 0)
    source = config.target
    numbers = config.train_images, config.test_images
    disjoint_positions(source, pool(source), *numbers, seed=config.seeds - 1)


def check_arm(config: ArmConfig) -> None:
    """As `check`, and raises `InputError` if the devices are not available."""
    devices.check(config)
    check(config)


def run_arm(
    config: ArmConfig,
    arm: Arm,
    shift: str,
    seed: int,
    folder: Path,
    judge: Callable[..., dict[str, float]] = evaluation.accuracies,
) -> dict[str, float]:
    """Trains and evaluates one arm; returns its measurements.

    Accuracies are shares of images, "batch" ones with every BatchNorm normalizing by
    the batch, the others in inference mode. Drift and mismatch are the largest over
    layers, see `tfbn.drift`. Where the arm allows it, the outputs of the frozen layers are
    computed once and only the rest is fitted; the measurements say so.
    """
    strategy = devices.strategy(config)
    keras.utils.set_random_seed(seed)
    split = prepared_split(config, shift, seed)
    start = (config, arm.pretrained, arm.keeps_classifier, seed, split.classes)
    with strategy.scope():
        build_network = functools.partial(_built, config, arm, seed, split.classes, folder)
        model = reuse.model_for((config, arm, split.classes), build_network, start)
    if config.strategy != "none":
        devices.synchronize(model, config.synchronized)
    if arm.recalibrate:
        tfbn.recalibrate(model, **training.batches(split.train_x, config.batch_size), verbose=False)
    before = evaluation.statistics_and_affine(model)
    probe = slice(config.batch_size)
    labels = split.train_y[probe]
    recorder = prefix.WholeRecorder(model, folder, probe=split.train_x[probe], probe_labels=labels)
    started = time.perf_counter()
    with strategy.scope():
        trained, inputs = prefix.shortened(model, split)
    split_for_fit = dataclasses.replace(split, train_x=inputs)
    fit_accuracy = fit(config, trained, split_for_fit, seed, [recorder])
    measurements = {"fit_seconds": time.perf_counter() - started, "fit_accuracy": fit_accuracy}
    measurements["frozen_part_computed_once"] = float(trained is not model)
    measurements["trained_parameters"] = training.trained_parameters(model)
    known = (*start, shift) if _stays(config, arm) else None
    measurements |= judge(model, split, config.batch_size, fit_by_batch=_by_batch(arm), known=known)
    measurements |= evaluation.moved(before, evaluation.statistics_and_affine(model))
    measurements |= evaluation.last_drift(folder)
    note_for_tensorboard(folder, arm, shift, seed, measurements)
    return measurements


def _built(*arguments: Any) -> Any:
    """The model of `build`; random numbers go on from the seed, as where a model is used again."""
    model = build(*arguments)
    keras.utils.set_random_seed(arguments[2])
    return model


def _stays(config: ArmConfig, arm: Arm) -> bool:
    """Whether training changes nothing before the head but moving statistics."""
    return not (arm.trainable or arm.affine or config.frozen) and config.strategy == "none"


def note_for_tensorboard(
    folder: Path, arm: Arm, shift: str, seed: int, measurements: dict[str, float]
) -> None:
    """Writes a run's row of TensorBoard's HParams tab."""
    results = {name: measurements[name] for name in FOR_TENSORBOARD}
    tfbn.summary.hparams(folder, {"arm": arm.name, "shift": shift, "seed": str(seed)}, results)


def prepared_split(config: TransferConfig, shift: str, seed: int) -> Split:
    """The target's images as the network takes them."""
    numbers = config.train_images, config.test_images
    split = target_split(config.target, *numbers, shift, seed, config.draws == "disjoint")
    return split.changed(networks.preprocessing(config))


def build(config: TransferConfig, arm: Arm, seed: int, classes: int, folder: Path) -> Any:
    """The pretrained network with the arm's settings, and a new head that all arms share."""
    base = _network(config, arm, seed, folder)
    for named in tfbn.traversal.batch_normalizations(base):
        named.layer.momentum = config.momentum if arm.momentum is None else arm.momentum
    flags = {"training": arm.training, "update_statistics": arm.update_statistics}
    # By a pattern, since a network that keeps its classifier may be frozen whole: a new layer follows.
    tfbn.freeze(base, config.frozen or ("*",), trainable=arm.trainable, **flags)
    if arm.affine:
        norms = tfbn.traversal.batch_normalizations(base)
        frozen = [named.path for named in norms if not named.layer.trainable]
        tfbn.freeze(base, frozen, trainable=True, **flags)
    initial = keras.initializers.GlorotUniform(seed=seed)
    head = keras.layers.Dense(classes, kernel_initializer=initial, name=evaluation.HEAD)
    model = keras.Model(base.input, head(base.output), name=base.name)
    return training.compiled(model, keras.optimizers.Adam(config.learning_rate))


def _network(config: TransferConfig, arm: Arm, seed: int, folder: Path) -> Any:
    """The network with its pretrained weights, or with random ones."""
    if arm.pretrained:
        weights = source_weights(config, seed, folder) or networks.weights_of(config, seed)
        return networks.build(config, weights, arm.keeps_classifier)
    base = networks.build(config, None)
    return keras.models.clone_model(base) if networks.is_file(config.model) else base


def source_weights(config: TransferConfig, seed: int, folder: Path) -> Path | None:
    """The weights from pretraining on the source, trained once for each seed.

    They are kept in the work folder, which is some levels above a run's own.
    """
    if config.source is None:
        return None
    path = folder.parents[3] / "source" / f"{Path(config.model).stem}_{seed}.weights.h5"
    with pretraining.one_at_a_time(path):
        if not path.exists():
            keras.utils.set_random_seed(seed)
            base = networks.build(config, None)
            split = source_split(config.source, max(1, pool(config.source).size // 10), seed)
            split = split.changed(networks.preprocessing(config))
            pretraining.train(
                base, split, epochs=config.source_epochs, batch_size=64, learning_rate=3e-3, seed=seed
            )
            pretraining.save(base, path)
            keras.utils.set_random_seed(seed)
    return path


def audit(config: Any) -> str:
    """What every BatchNorm of the network will do, arm by arm."""
    texts = []
    for name in config.arms:
        model = build(config, ARMS[name], 0, 2, Path(config.work_dir or "runs/audit/runs/none/none/0"))
        texts.append(f"{name}: {ARMS[name].says}\n{tfbn.audit(model, batch_size=config.batch_size)}")
    return "\n\n".join(texts)


def _by_batch(arm: Arm) -> bool:
    return resolve(arm.training, arm.update_statistics, arm.trainable).normalizes_by == "batch"


def fit(
    config: TransferConfig,
    model: Any,
    split: Split,
    seed: int,
    callbacks: list[Any],
) -> float:
    """Trains for the short budget; returns the last epoch's accuracy as `fit` saw it."""
    history = training.fit(
        model,
        split.train_x,
        split.train_y,
        batch_size=config.batch_size,
        seed=seed,
        epochs=config.epochs,
        callbacks=callbacks,
    )
    return history["accuracy"][-1]
