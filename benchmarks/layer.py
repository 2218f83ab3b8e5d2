"""A train step: tfbn's layer against stock Keras's in the same network."""

import keras

from benchmarks.common import Row, Way, compare
from benchmarks.networks import Timed, all_networks, cifar, without

TARGETS = {"ResNet-20": 0.75, "ResNet-50": 0.95}


def run(quick: bool) -> list[Row]:
    rows = []
    for network in [cifar(8, 2)] if quick else all_networks():
        stock, ours = Timed(network.stock(), network.shape), Timed(network.build(), network.shape)
        target = TARGETS.get(network.name.partition(",")[0], 1.02)
        rows += compare(
            f"{network.name}, train step",
            Way("stock BatchNormalization", stock.train),
            Way("tfbn's, fused operation", ours.train, target),
            *without(network, "train"),
            rounds=2 if quick else 15,
        )
        keras.backend.clear_session()
    return rows
