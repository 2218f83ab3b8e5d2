"""What BatchNormalization costs: tfbn's layer against stock Keras's in the same network.

Run: `python -m benchmarks.layer`, about three minutes on two cores.

Each network is built twice, once with `fused=None` (the default) and once converted back to
stock layers; both have the same weights. Timed are a train step, a prediction, and for
ResNet-20 every mode of the frozen network. Accuracy against float64 stands beside it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from absl import app, flags

import tfbn
from benchmarks.common import interleaved

_ROUNDS = flags.DEFINE_integer("rounds", 20, "Timed rounds.")


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, its batch, and what the ratios should be at most.

    Attributes:
        name: For the table.
        build: Makes the network with tfbn's layers.
        shape: Shape of a batch.
        train: Target for the train step, tfbn / stock.
        predict: Target for the prediction.
    """

    name: str
    build: Callable[[], Any]
    shape: tuple[int, ...]
    train: float
    predict: float


def networks() -> list[Case]:
    from tfbn import models

    def mobilenet() -> Any:
        network = keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=10)
        return tfbn.convert(network, fused=None)

    def resnet20() -> Any:
        return models.build("resnet20", input_shape=(32, 32, 3), classes=10)

    def resnet50() -> Any:
        return models.ResNet50(input_shape=(64, 64, 3), classes=10)

    return [
        Case("ResNet-20, 32x32, batch 64", resnet20, (64, 32, 32, 3), 0.80, 0.85),
        Case("ResNet-50, 64x64, batch 16", resnet50, (16, 64, 64, 3), 0.95, 1.02),
        Case("MobileNetV2, 64x64, batch 16", mobilenet, (16, 64, 64, 3), 1.02, 1.02),
    ]


# The modes of a network that is frozen but for its head, and what stock Keras can do there.
MODES = {
    "training=False": {"training": False},
    "training=True": {"training": True},
    "training=True, held": {"training": True, "update_statistics": False},
    "training=False, updating": {"training": False, "update_statistics": True},
}


class Timed:
    """A compiled network and a batch; each call does one step and waits for it."""

    def __init__(self, network: Any, shape: tuple[int, ...]):
        rng = np.random.default_rng(0)
        self.network = network
        network.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        self.x = keras.ops.convert_to_tensor(rng.normal(1, 2, shape).astype("float32"))
        self.y = keras.ops.convert_to_tensor(rng.integers(0, 10, shape[0]))

    def train(self) -> None:
        self.network.train_on_batch(self.x, self.y)

    def predict(self) -> None:
        self.network.predict_on_batch(self.x)


def compare(case: Case, rounds: int) -> None:
    ours, stock = Timed(case.build(), case.shape), Timed(tfbn.revert(case.build()), case.shape)
    print(case.name)
    for what, target in (("train", case.train), ("predict", case.predict)):
        ways = {"stock": getattr(stock, what), "tfbn": getattr(ours, what)}
        timing = interleaved(ways, rounds)["tfbn"]
        print(f"  {what:28s}{timing}   target at most {target}")


def compare_modes(case: Case, rounds: int) -> None:
    """Every mode of a network frozen but for its head, against stock Keras frozen."""
    stock = tfbn.revert(case.build())
    tfbn.freeze(stock, ["stem", "stage*"], training=None)
    ways = {"stock, frozen": Timed(stock, case.shape).train}
    for name, arguments in MODES.items():
        network = case.build()
        tfbn.freeze(network, ["stem", "stage*"], **arguments)
        ways[name] = Timed(network, case.shape).train
    print(f"{case.name}, all but the head frozen, train step")
    for name, timing in interleaved(ways, rounds).items():
        print(f"  {name:28s}{timing}")


def accuracy() -> None:
    """Largest error against float64 over the standard deviation, for outputs and the gradient of x."""
    import tensorflow as tf

    print("Error of the training forward pass against float64, largest over all outputs")
    rng = np.random.default_rng(0)
    for rows in (64, 1024, 65536):
        x = np.float32(rng.normal(3, 2, (rows, 16)))
        wide = np.float64(x)
        exact = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-3)
        errors = {}
        for name, fused in (("fused", None), ("Keras's own", False)):
            layer = tfbn.layers.BatchNormalization(fused=fused)
            errors[name] = np.abs(layer(tf.constant(x), training=True).numpy() - exact).max()
        print(f"  {rows:6d} values a channel: " + ", ".join(f"{k} {v:.1e}" for k, v in errors.items()))


def main(argv: list[str]) -> None:
    del argv
    cases = networks()
    for case in cases:
        compare(case, _ROUNDS.value)
    compare_modes(cases[0], _ROUNDS.value)
    accuracy()


if __name__ == "__main__":
    app.run(main)
