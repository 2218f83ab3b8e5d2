"""Healthy trainings that `tfbn.Doctor` watches: `python -m benchmarks.diagnosis.healthy --images=FOLDER`.

Trains every network of `keras.applications` with BatchNormalization, except the NASNets, for 50 steps
on photographs: random weights, the smallest images that it takes, momentum 0.9. FOLDER has one folder
for each class, as `tfbn.datasets.stamps.unpack` makes it. What is found is written to `healthy.json`
network by network; those that are there already are left out, so that an interrupted run goes on.
"""

import functools
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from absl import app, flags

import tfbn
from benchmarks.diagnosis.rows import complete

STORED = Path(__file__).parent / "healthy.json"
STEPS, BATCH, MOMENTUM = 50, 16, 0.9
# The least input size that a network takes, where it is more than 32.
SIZES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}
SLOW = ("NASNetLarge", "NASNetMobile")  # take images of 331 and of 224 pixels


def names() -> list[str]:
    return [name for name in tfbn.models.application_names() if name not in SLOW]


def examine(folder: str, name: str) -> dict[str, Any]:
    """What the doctor finds in a healthy training of a network."""
    keras.utils.set_random_seed(0)
    size = SIZES.get(name, 32)
    images = tfbn.datasets.load_folder(folder, image_size=size)
    network = tfbn.models.pretrained(
        name, weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3), momentum=MOMENTUM
    )
    outputs = keras.layers.Dense(len(images.class_names), "softmax")(network.output)
    model = keras.Model(network.input, outputs)
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", jit_compile=False)
    x, y = network.preprocess_input(255.0 * images.images), images.labels
    doctor, epochs = tfbn.Doctor(batch_size=BATCH), -(-STEPS * BATCH // len(x))
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = STEPS // epochs * BATCH
        model.fit(x[:rows], y[:rows], batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[doctor])
    return {
        "size": size,
        "steps": int(model.optimizer.iterations),
        "unexamined": doctor.unexamined,
        "seconds": round(time.monotonic() - start, 1),
        "findings": [finding.to_dict() for finding in doctor.findings],
    }


def run(folder: str, minutes: float | None = None, only: Sequence[str] = ()) -> None:
    """Trains the networks that have no row yet, or these."""
    again = [(name,) for name in only]
    keys = again or [(name,) for name in names()]
    complete(STORED, ("network",), keys, functools.partial(examine, folder), minutes, again)


def main(argv: list[str]) -> None:
    del argv
    run(_IMAGES.value, _MINUTES.value, _ONLY.value)


if __name__ == "__main__":
    _IMAGES = flags.DEFINE_string("images", None, "A folder of class folders.", required=True)
    _MINUTES = flags.DEFINE_float("minutes", None, "Start no network after this time.", lower_bound=0.0)
    _ONLY = flags.DEFINE_multi_string(
        "only", [], "Train only this network again; may be given several times."
    )
    app.run(main)
