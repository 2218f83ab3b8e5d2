"""The networks that are timed, each with tfbn's layer and with stock Keras's."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tfbn
from benchmarks.common import Way

BARE = "no BatchNormalization at all"


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and the shape of its batch.

    Attributes:
        name: For the table.
        build: Builds it with tfbn's layers.
        shape: Of a batch.
        bare: Builds it without any BatchNormalization, if possible: a lower bound for every layer.
    """

    name: str
    build: Callable[[], Any]
    shape: tuple[int, ...]
    bare: Callable[[], Any] | None = None

    def stock(self) -> Any:
        """The same with stock Keras's BatchNormalization."""
        return tfbn.revert(self.build())


def cifar(depth: int, batch: int = 64) -> Network:
    """A CIFAR ResNet."""

    def build(**arguments: Any) -> Any:
        return tfbn.models.build(f"resnet{depth}", input_shape=(32, 32, 3), classes=10, **arguments)

    bare = functools.partial(build, normalization=None)
    return Network(f"ResNet-{depth}, 32x32, batch {batch}", build, (batch, 32, 32, 3), bare)


def resnet50() -> Network:
    def build() -> Any:
        return tfbn.models.ResNet50(input_shape=(64, 64, 3), classes=10)

    return Network("ResNet-50, 64x64, batch 16", build, (16, 64, 64, 3))


def mobilenet() -> Network:
    def build() -> Any:
        network = keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=10)
        return tfbn.convert(network, fused=None)

    return Network("MobileNetV2, 64x64, batch 16", build, (16, 64, 64, 3))


def all_networks() -> list[Network]:
    return [cifar(20), cifar(56), resnet50(), mobilenet()]


class Timed:
    """A compiled network and a batch; each call does one step and waits for it."""

    def __init__(self, network: Any, shape: tuple[int, ...], jit_compile: bool = False):
        rng = np.random.default_rng(0)
        self.network = network
        network.compile("sgd", "sparse_categorical_crossentropy", jit_compile=jit_compile)
        self.x = keras.ops.convert_to_tensor(rng.normal(1, 2, shape).astype("float32"))
        self.y = keras.ops.convert_to_tensor(rng.integers(0, 10, shape[0]))

    def train(self) -> None:
        self.network.train_on_batch(self.x, self.y)

    def predict(self) -> None:
        self.network.predict_on_batch(self.x)


def floor(network: Network, call: str) -> Way | None:
    """The same call of the network without BatchNormalization; None if there is no such network."""
    if network.bare is None:
        return None
    return Way(BARE, getattr(Timed(network.bare(), network.shape), call))
