"""A prediction: stock Keras, tfbn's layer, and BatchNormalization folded into the convolutions."""

import os

import keras

import tfbn
from benchmarks.common import Row, Way, compare
from benchmarks.networks import Timed, all_networks, cifar, floor


def run(quick: bool) -> list[Row]:
    rows = []
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") == "1"
    for network in [cifar(8, 2)] if quick else all_networks()[: None if onednn else 1]:
        ours = network.build()
        folded = Timed(tfbn.fold(ours, verbose=False), network.shape)
        first = network.name.startswith("ResNet-20,")
        rows += compare(
            f"{network.name}, prediction",
            Way("stock BatchNormalization", Timed(network.stock(), network.shape).predict),
            Way("tfbn's, fused operation", Timed(ours, network.shape).predict, 0.85 if first else 1.02),
            Way("tfbn.fold", folded.predict, 0.70 if first else 1.02),
            floor=floor(network, "predict"),
            rounds=2 if quick else 20,
        )
        keras.backend.clear_session()
    return rows
