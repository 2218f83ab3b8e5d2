"""Logs of a study as a main job leaves them: arms, shifts and seeds, with hyperparameters and findings."""

import numpy as np

import tfbn
from tfbn.layers.modes import Mode
from tfbn.statistics.snapshots import Statistics
from tfbn.summary import Finding

SHIFTS = ("contrast=0.3", "noise=0.3")
SEEDS = 5
STEPS, EPOCH = 36, 12
CHANNELS = 6
EPSILON = 1e-3
LAYERS = ["stem_bn", *(f"stage{s}_block{b}_bn{i}" for s in (1, 2, 3) for b in (1, 2) for i in (1, 2))]
UPDATING, HELD = Mode("batch", updates=True, trains=False), Mode("moving", updates=False, trains=False)
# Arm -> its mode, and the momentum of its moving statistics (1: they are held).
ARMS = {
    "all_trained": (Mode("batch", updates=True, trains=True), 0.8),
    "batch": (UPDATING, 0.9),
    "batch_held": (Mode("batch", updates=False, trains=False), 1.0),
    "batch_slow": (UPDATING, 0.99),
    "inference": (HELD, 1.0),
    "inference_updating": (Mode("moving", updates=True, trains=False), 0.9),
    "recalibrated": (HELD, 1.0),
}
RUNS = len(ARMS) * len(SHIFTS) * SEEDS
# What goes wrong in one group, at its two first seeds.
FAULTY = f"{SHIFTS[0]}/batch_slow"
LAGGING = Finding(
    name="lagging_statistics",
    layers=(LAYERS[3],),
    step=24,
    measured=1.25,
    expected="at most 0.4",
    cause="The momentum of 0.99 is too slow for 36 steps.",
    remedy="tfbn.BatchNormalization(momentum=0.9)",
    link="https://keras.io/api/layers/normalization_layers/batch_normalization/",
)
WHOLE = Finding(
    "loss_rises", (), None, None, "The loss rises <b>at the end</b>.", "Train for fewer steps.", step=30
)


def write(folder, seeds=SEEDS):
    """Writes all runs by the project's own writer; the deeper a layer, the farther it goes."""
    for shift in SHIFTS:
        for arm in ARMS:
            for seed in range(seeds):
                write_run(folder / shift / arm / f"seed{seed}", shift, arm, seed)
    for seed, findings in enumerate(([LAGGING, WHOLE], [LAGGING])):
        tfbn.summary.findings(folder / FAULTY / f"seed{seed}", findings)


def write_run(folder, shift, arm, seed):
    rng = np.random.default_rng([SHIFTS.index(shift), seed])
    mode, momentum = ARMS[arm]
    start = {path: Statistics(rng.normal(size=CHANNELS), np.ones(CHANNELS), EPSILON) for path in LAYERS}
    targets = {path: rng.normal(0.2 + 0.1 * i, 0.05, CHANNELS) for i, path in enumerate(LAYERS)}
    with tfbn.summary.writer(folder, start, modes=dict.fromkeys(LAYERS, mode), steps=STEPS) as log:
        for step in range(1, STEPS + 1):
            moved = 1 - momentum**step
            now = {
                path: Statistics(s.mean + moved * targets[path], s.variance * (1 + moved / 2), EPSILON)
                for path, s in start.items()
            }
            log.drift(step, now)
            if step % EPOCH == 0:
                log.channels(step, now)
                log.mismatch(step, np.full((len(LAYERS), 2), (1 - moved) * (1 + seed / 10)))
                accuracy = 0.9 - (1 - moved) / 2 + seed / 100
                log.performance(step, training={"accuracy": 0.95}, inference={"accuracy": accuracy})
    results = {"test_accuracy": 0.9 - momentum / 10}
    tfbn.summary.hparams(folder, {"arm": arm, "shift": shift, "seed": str(seed)}, results)


def write_deep(folder, layers=200, steps=2000):
    """A run of a network with this many layers, in five stages."""
    rng = np.random.default_rng(0)
    of_stage = layers // 5
    paths = [f"net/stage{i // of_stage}/block{i % of_stage}/bn" for i in range(layers)]
    start = {path: Statistics(rng.normal(size=4), np.ones(4), EPSILON) for path in paths}
    log = tfbn.summary.Writer(folder, start)
    log.begin(dict.fromkeys(paths, UPDATING), steps=steps)
    values = rng.uniform(0.1, 1, size=(steps, layers, 5)).astype(np.float32)
    values[:, 0] = 0
    log.rows(np.arange(steps), values)
    log.end()
    return paths, values
