"""Every mode of frozen layers, against the stock mode that normalizes in the same way.

Stock Keras normalizes by the moving statistics where `trainable=False`, and by the batch only
where gamma and beta train. It cannot hold the statistics while the batch normalizes, or update them
while they normalize: these modes are compared with the nearest stock one, which computes the same
moments. Where the moving statistics normalize and nothing of the layer
trains or updates, there is nothing to compute, so that mode is compared with no BatchNormalization.
"""

from typing import Any

import tfbn
from benchmarks.common import Row, Way, compare
from benchmarks.networks import BARE, Timed, cifar

BODY = ("stem", "stage*")
NORMS = ("*_bn*",)
BY_MOVING: dict[str, dict[str, Any]] = {"training=False": {"training": False}}
BY_BATCH: dict[str, dict[str, Any]] = {
    "training=True": {"training": True},
    "training=True, held": {"training": True, "update_statistics": False},
    "training=False, updating": {"training": False, "update_statistics": True},
}


def run(quick: bool) -> list[Row]:
    network = cifar(8, 2) if quick else cifar(20)
    rounds = 2 if quick else 25

    def ours(names: tuple[str, ...], says: str, flags: dict[str, Any]) -> Way:
        model = network.build()
        tfbn.freeze(model, names, **flags)
        return Way(f"tfbn, {says}", Timed(model, network.shape).train, 1.02)

    def stock(names: tuple[str, ...], trainable_norms: bool) -> Any:
        model = network.stock()
        tfbn.freeze(model, names, training=None)
        if trainable_norms:
            tfbn.unfreeze(model, NORMS)
        return Timed(model, network.shape).train

    def bare(names: tuple[str, ...]) -> Any:
        model = network.bare()  # type: ignore[misc]
        if names == BODY:
            for layer in model.layers:
                layer.trainable = layer.name.startswith("head")
        return Timed(model, network.shape).train

    rows = []
    for what, names in (("all but the head frozen", BODY), ("only BatchNorm frozen", NORMS)):
        rows += compare(
            f"{network.name}, {what}, train step",
            Way(BARE, bare(names)),
            *(ours(names, says, flags) for says, flags in BY_MOVING.items()),
            Way("stock, trainable=False: by the moving statistics", stock(names, trainable_norms=False)),
            rounds=rounds,
        )
        rows += compare(
            f"{network.name}, {what}, train step",
            Way("stock, gamma and beta train: by the batch", stock(names, trainable_norms=True)),
            *(ours(names, says, flags) for says, flags in BY_BATCH.items()),
            rounds=rounds,
        )
    return rows
