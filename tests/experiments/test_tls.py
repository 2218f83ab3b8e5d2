"""A Dask scheduler behind TLS: only clients with a certificate of the same authority reach it."""

import subprocess

import dask
import distributed
import pytest

from experiments.lab import cluster
from tests.experiments import small
from tests.experiments.test_runner import run
from tfbn.utils.validation import InputError


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def certificates(folder):
    """Dask's configuration for an authority and one certificate, made in `folder`."""
    folder.mkdir()
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=authority", "-days", 1,
            "-keyout", folder / "ca-key.pem", "-out", folder / "ca.pem")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
            "-keyout", folder / "key.pem", "-out", folder / "request.pem")  # fmt: skip
    openssl("x509", "-req", "-in", folder / "request.pem", "-CA", folder / "ca.pem",
            "-CAkey", folder / "ca-key.pem", "-CAcreateserial", "-days", 1,
            "-out", folder / "cert.pem")  # fmt: skip
    found = {
        f"distributed.comm.tls.{role}.{part}": str(folder / f"{part}.pem")
        for role in ("scheduler", "worker", "client")
        for part in ("cert", "key")
    }
    found["distributed.comm.tls.ca-file"] = str(folder / "ca.pem")
    return found | {"distributed.comm.require-encryption": True}


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Address and configuration of a scheduler with one worker."""
    trusted = certificates(tmp_path_factory.mktemp("tls") / "trusted")
    with dask.config.set(trusted):
        running = distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            protocol="tls://",
            host="127.0.0.1",
            dashboard_address=None,
            security=distributed.Security(),
        )
    with running:
        yield running.scheduler_address, trusted


def test_a_study_runs_over_tls(scheduler, tmp_path):
    address, trusted = scheduler
    assert address.startswith("tls://")
    with dask.config.set(trusted):
        results = run(small.Config(seeds=2, scheduler=address), tmp_path)
    assert len(results) == 2 * len(small.Config().arms)


def test_without_certificates_the_message_names_them(scheduler):
    with pytest.raises(InputError, match=r"distributed\.comm\.tls\.ca-file.*Received: scheduler='tls://"):
        cluster.check(scheduler[0])


def test_certificates_of_another_authority_are_refused(scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 2)
    with (
        dask.config.set(certificates(tmp_path / "foreign")),
        pytest.raises(InputError, match="to be one that answers"),
    ):
        cluster.check(scheduler[0])
