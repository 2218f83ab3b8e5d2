"""Workers that are forks of a process with TensorFlow."""

import os
import subprocess
import sys

import pytest

from tests.faults.harness import ROOT

SCRIPT = """
import os, sys
from experiments.lab import executor, fork_server
from experiments.lab.experiment import RunConfig

def trained(seed):
    loaded = "tensorflow" in sys.modules
    import keras, numpy as np, tensorflow as tf
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", "mse")
    x = np.random.normal(size=(64, 4)).astype("float32")
    model.fit(x, x[:, :1], epochs=2, verbose=0)
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return float(np.sum(model.get_weights()[0])), threads, loaded, os.getpid()

if __name__ == "__main__":
    config = RunConfig(workers=2)
    executor.prepare(config)
    print("method", fork_server.context().get_start_method())
    with executor.make(config) as workers:
        found = [workers.submit(trained, seed).result() for seed in (0, 0, 1)]
    weights, threads, loaded, pids = zip(*found)
    print("threads", *set(threads), "tensorflow here", "tensorflow" in sys.modules)
    print("same", weights[0] == weights[1], "other", weights[0] != weights[2], "here", os.getpid() in pids)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are spawned there")
@pytest.mark.parametrize(("backend", "method"), [("tensorflow", "forkserver"), ("jax", "spawn")])
def test_forked_workers_train_on_one_thread_and_the_parent_needs_no_tensorflow(backend, method, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT if backend == "tensorflow" else SCRIPT.partition("    with executor")[0])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=120
    )
    expected = [f"method {method}"]
    if backend == "tensorflow":
        expected += ["threads 1 tensorflow here False", "same True other True here False"]
    assert done.stdout.splitlines() == expected, done.stderr
