"""Logs as recorders write them, with names that are hard to show."""

import numpy as np

import tfbn
from tfbn.layers.modes import Mode
from tfbn.statistics.snapshots import Statistics

LAYERS = ["stem/bn", '<img src=x onerror="alert(1)">', 'it\'s "quoted" & 層/../bn']
HOSTILE_RUN = 'arm <script>alert(1)</script> & "it\'s" ärm'
CHANNELS = 5
EPSILON = 1e-3
MODES = {
    LAYERS[0]: Mode("batch", updates=True, trains=True),
    LAYERS[1]: Mode("moving", updates=False, trains=False),
    LAYERS[2]: Mode("batch", updates=True, trains=False),
}


def reference(rng):
    return {
        path: Statistics(rng.normal(0, 1, CHANNELS), rng.uniform(1, 2, CHANNELS), EPSILON) for path in LAYERS
    }


class Written:
    """What was written, to be compared with what is read."""

    def __init__(self, folder, steps, rng, every=1):
        self.steps = np.arange(0, steps * every, every)
        self.values = rng.uniform(size=(steps, len(LAYERS), 5)).astype(np.float32)
        self.values[0] = 0
        self.values[:, 2] = 0  # updates, but does not move
        self.mismatches = rng.uniform(size=(3, len(LAYERS), 2)).astype(np.float32)
        self.reference = reference(rng)
        self.channels = [
            {path: rng.uniform(1, 2, (4, CHANNELS)).astype(np.float32) for path in LAYERS} for _ in range(12)
        ]
        for snapshot in self.channels:
            snapshot[LAYERS[1]][2:] = np.nan
        log = tfbn.summary.Writer(folder, self.reference, every)
        log.begin(MODES, steps=steps * every, epochs=12)
        thirds = np.array_split(np.arange(steps), 3)
        for third, mismatches in zip(thirds, self.mismatches, strict=True):
            log.rows(self.steps[third], self.values[third], mismatches)
        for i, snapshot in enumerate(self.channels):
            log.channels(10 * i, snapshot)
        for i in range(3):
            log.performance(
                10 * i, training={"accuracy": 0.5 + i / 8, "loss": 1.0}, inference={"accuracy": i / 4}
            )
        log.end(heat_maps=False)
