"""Runs on a Dask cluster: the workers of a scheduler, on this machine or on many.

`scheduler` is the address of a running scheduler, `tcp://host:8786` or `tls://host:8786`, or
`local:4` to start one here with four worker processes. Workers must have one thread each
(Keras keeps state per process) and the same version of tfbn. Certificates for `tls://` come
from Dask's own configuration, `distributed.comm.tls`.
"""

import contextlib
import logging
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from importlib import metadata
from typing import Any

from tfbn.utils.validation import InputError

from .pool import GROWTH, memory
from .workers import LostWorkerError, use_one_thread

TIMEOUT = 20  # seconds to reach a scheduler


@contextlib.contextmanager
def executor(scheduler: str, with_tensorflow: bool = True) -> Iterator[Executor]:
    """A `concurrent.futures` executor over the workers of a scheduler.

    Args:
        scheduler: Its address, or `local:` and how many workers to start.
        with_tensorflow: Whether workers load TensorFlow before their first run.

    Raises:
        InputError: Dask is not installed, the scheduler does not answer, or its workers
            cannot take runs.
    """
    distributed = _distributed()
    with contextlib.ExitStack() as stack:
        address = scheduler
        if (workers := _local_workers(scheduler)) is not None:
            address = stack.enter_context(_local_cluster(distributed, workers)).scheduler_address
        client = stack.enter_context(_client(distributed, address, scheduler))
        try:
            _check_workers(client, scheduler)
            client.register_plugin(_plugin(distributed, with_tensorflow, GROWTH))
        except Exception as error:
            if is_loss(error):
                raise LostWorkerError(str(error)) from None
            raise
        yield client.get_executor(pure=False)


def check(scheduler: str) -> None:
    """Checks that a scheduler answers, before anything is written.

    Raises:
        InputError: As `executor`, without a check of its workers.
    """
    distributed = _distributed()
    if _local_workers(scheduler) is None:
        with _client(distributed, scheduler, scheduler):
            pass


def is_loss(error: BaseException) -> bool:
    """Whether an error says that a worker or the scheduler was lost, not that the run failed."""
    kinds = ("KilledWorker", "CommClosedError", "FutureCancelledError", "NoSchedulerError")
    return isinstance(error, CancelledError) or type(error).__name__ in kinds


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError(
            "Expected Dask to be installed for `scheduler`: pip install tfbn[distributed]. "
            "Received: no module named distributed"
        ) from None
    # Workers may come and go; the runner reports what happens to their runs.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return distributed


def _client(distributed: Any, address: str, scheduler: str) -> Any:
    security = distributed.Security()  # reads Dask's configuration
    if address.startswith("tls://") and not security.get_connection_args("client").get("ssl_context"):
        raise InputError(
            "Expected certificates for a tls:// scheduler in Dask's configuration: "
            "distributed.comm.tls.ca-file, distributed.comm.tls.client.cert and .key. "
            f"Received: scheduler={scheduler!r} and none of these"
        )
    try:
        return distributed.Client(address, timeout=TIMEOUT, set_as_default=False, security=security)
    except (OSError, ValueError) as error:
        raise InputError(
            f"Expected `scheduler` to be one that answers. Received: scheduler={scheduler!r} ({error})"
        ) from None


def _local_workers(scheduler: str) -> int | None:
    """The number of workers to start locally, or None for an address."""
    if not scheduler.startswith("local:"):
        return None
    workers = scheduler.removeprefix("local:")
    if not workers.isdigit() or int(workers) < 1:
        raise InputError(
            f"Expected `scheduler` to be an address or local:<workers>. Received: scheduler={scheduler!r}"
        )
    return int(workers)


def _local_cluster(distributed: Any, workers: int) -> Any:
    import dask

    # A run may lose its workers several times without being the cause: the runner decides when to give up.
    dask.config.set({"distributed.scheduler.allowed-failures": 10})
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )


def _check_workers(client: Any, scheduler: str) -> None:
    client.wait_for_workers(1, timeout=TIMEOUT)
    threads = {worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()}
    if threads != {1}:
        raise InputError(
            "Expected workers of one thread each (dask worker --nthreads 1). "
            f"Received: scheduler={scheduler!r}, whose workers have {sorted(threads)}"
        )
    ours, theirs = _version(), set(client.run(_version, on_error="ignore").values())
    if theirs != {ours}:
        raise InputError(
            f"Expected workers with tfbn {ours}. Received: scheduler={scheduler!r}, whose workers have "
            f"{sorted(map(str, theirs))}"
        )


def _version() -> str | None:
    try:
        return metadata.version("tfbn")
    except metadata.PackageNotFoundError:
        return None


def _plugin(distributed: Any, with_tensorflow: bool, growth: float) -> Any:
    class OneThread(distributed.WorkerPlugin):
        """Prepares workers, also those that join later, and has them replaced when they have grown."""

        name = "tfbn-one-thread"

        def setup(self, worker: Any) -> None:
            use_one_thread(with_tensorflow)
            self._worker = worker
            self._first: int | None = None

        def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
            if start != "executing" or finish not in ("memory", "error"):
                return
            now = memory()
            self._first = now if self._first is None else self._first
            if now - self._first > growth and self._worker.nanny is not None:
                self._worker.loop.add_callback(self._worker.close_gracefully, restart=True)

    return OneThread()
