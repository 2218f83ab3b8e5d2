"""A train step: tfbn's layer against stock Keras's in the same network, and without BatchNormalization."""

import os

import keras

from benchmarks.common import Row, Way, compare
from benchmarks.networks import Timed, all_networks, cifar, floor

TARGETS = {"ResNet-20": 0.75, "ResNet-50": 0.95}
# BatchNormalization's own cost over stock's, with oneDNN and without.
OWN = {"1": 0.35, "0": 0.5}


def run(quick: bool) -> list[Row]:
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")
    networks = all_networks() if onednn == "1" else [cifar(20), cifar(56)]
    rows = []
    for network in [cifar(8, 2)] if quick else networks:
        stock, ours = Timed(network.stock(), network.shape), Timed(network.build(), network.shape)
        target = TARGETS.get(network.name.partition(",")[0], 1.02) if onednn == "1" else 1.0
        rows += compare(
            f"{network.name}, train step",
            Way("stock BatchNormalization", stock.train),
            Way("tfbn's, fused operation", ours.train, target, OWN[onednn]),
            floor=floor(network, "train"),
            rounds=2 if quick else 15,
        )
        keras.backend.clear_session()
    return rows
