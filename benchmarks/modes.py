"""Every mode of a frozen network, against the one mode that stock Keras has for it."""

from typing import Any

import tfbn
from benchmarks.common import Row, Way, compare
from benchmarks.networks import Timed, cifar

MODES: dict[str, dict[str, Any]] = {
    "training=False": {"training": False},
    "training=True": {"training": True},
    "training=True, held": {"training": True, "update_statistics": False},
    "training=False, updating": {"training": False, "update_statistics": True},
}
BODY = ("stem", "stage*")
NORMS = ("*_bn*",)


def run(quick: bool) -> list[Row]:
    network = cifar(8, 2) if quick else cifar(20)
    rounds = 2 if quick else 25

    def timed(names: tuple[str, ...], **flags: Any) -> Timed:
        model = network.build()
        tfbn.freeze(model, names, **flags)
        return Timed(model, network.shape)

    def stock(names: tuple[str, ...]) -> Timed:
        model = network.stock()
        tfbn.freeze(model, names, training=None)
        return Timed(model, network.shape)

    ways = [Way(f"tfbn, {name}", timed(BODY, **flags).train, 1.02) for name, flags in MODES.items()]
    frozen = "stock, trainable=False: moving statistics"
    rows = compare(
        f"{network.name}, all but the head frozen, train step",
        Way(frozen, stock(BODY).train),
        *ways,
        rounds=rounds,
    )
    # The gradient goes through these layers.
    ways = [Way(f"tfbn, {name}", timed(NORMS, **flags).train, 1.02) for name, flags in MODES.items()]
    return rows + compare(
        f"{network.name}, only BatchNorm frozen, train step",
        Way(frozen, stock(NORMS).train),
        *ways,
        rounds=rounds,
    )
