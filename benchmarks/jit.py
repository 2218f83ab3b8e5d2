"""A train step under XLA (`jit_compile=True`), and XLA against the plain graph, on this machine."""

from benchmarks.common import Row, Way, compare
from benchmarks.networks import Timed, cifar


def run(quick: bool) -> list[Row]:
    network = cifar(8, 2) if quick else cifar(20)
    stock = Timed(network.stock(), network.shape, jit_compile=True)
    ours = Timed(network.build(), network.shape, jit_compile=True)
    plain = Timed(network.build(), network.shape)
    return compare(
        f"{network.name}, train step, jit_compile=True",
        Way("stock BatchNormalization", stock.train),
        Way("tfbn's, fused operation", ours.train, 1.0),
        Way("tfbn's, without jit_compile", plain.train),
        rounds=2 if quick else 10,
    )
