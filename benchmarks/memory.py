"""The peak memory of a process that trains: tfbn's layer against stock Keras's."""

import concurrent.futures
import multiprocessing

from benchmarks.common import Row, memory, row


def run(quick: bool) -> list[Row]:
    rows = []
    for name in ["resnet8"] if quick else ["resnet20", "resnet50"]:
        peaks: dict[str, list[float]] = {"stock": [], "tfbn": []}
        for _ in range(1 if quick else 2):
            for kind, values in peaks.items():
                values.append(_in_a_new_process(name, kind))
        what = f"{name}, memory above that of the loaded libraries, three train steps"
        pair = list(peaks.values())
        rows.append(row(what, "stock BatchNormalization", "tfbn's", pair, "MiB", target=1.02))
    return rows


def _in_a_new_process(name: str, kind: str) -> float:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peak, name, kind).result()


def _peak(name: str, kind: str) -> float:
    from benchmarks.networks import Timed, cifar, resnet50

    network = {"resnet8": cifar(8, 2), "resnet20": cifar(20), "resnet50": resnet50()}[name]
    before = memory(peak=True)
    timed = Timed(network.stock() if kind == "stock" else network.build(), network.shape)
    for _ in range(3):
        timed.train()
    return memory(peak=True) - before
