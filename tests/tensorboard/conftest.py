"""The plugin over logs, read by either of TensorBoard's loaders."""

import argparse
import types
from urllib.parse import urlencode

import numpy as np
import pytest
from tensorboard.backend import experiment_id
from tensorboard.backend.event_processing.data_ingester import LocalDataIngester
from tensorboard.data import server_ingester
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.util.grpc_util import ChannelCredsType
from werkzeug.test import Client
from werkzeug.wrappers import Response

import tfbn
from tests.tensorboard.logs import HOSTILE_RUN, Written
from tests.waiting import until
from tfbn.tensorboard_plugin.plugin import BatchNormPlugin


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The log folder, and what each run in it holds."""
    folder = tmp_path_factory.mktemp("logs")
    rng = np.random.default_rng(7)
    runs = {
        "long/seed0": Written(folder / "long" / "seed0", 9000, rng, every=2),
        HOSTILE_RUN: Written(folder / HOSTILE_RUN, 20, rng),
    }
    tfbn.summary.hparams(folder / "long" / "seed0", {"arm": "long", "seed": "0", "rate": 0.1}, {})
    tfbn.summary.text(folder / "other", "nothing of ours", "here")
    (folder / "secret.txt").write_text("secret")
    return types.SimpleNamespace(folder=folder, runs=runs)


def slow_provider(folder):
    flags = argparse.Namespace(
        logdir=str(folder),
        logdir_spec="",
        samples_per_plugin={},
        purge_orphaned_data=True,
        max_reload_threads=1,
        reload_multifile=False,
        reload_multifile_inactive_secs=0,
        detect_file_replacement=None,
        reload_interval=0,
        reload_task="blocking",
        generic_data="true",
        window_title="",
    )
    ingester = LocalDataIngester(flags)
    ingester.start()
    return ingester


def fast_provider(folder):
    ingester = server_ingester.SubprocessServerDataIngester(
        server_ingester.get_server_binary(),
        str(folder),
        reload_interval=0,
        channel_creds_type=ChannelCredsType.LOCAL,
    )
    ingester.start()
    return ingester


def client_of(ingester):
    plugin = BatchNormPlugin(TBContext(data_provider=ingester.data_provider))
    apps = plugin.get_plugin_apps()

    def app(environ, start_response):
        environ[experiment_id.WSGI_ENVIRON_KEY] = ""
        route = apps.get(environ["PATH_INFO"])
        return (route or Response("no such route", 404))(environ, start_response)

    return Client(app, Response)


class Asking:
    """Asks the plugin's routes."""

    def __init__(self, ingester):
        self._ingester = ingester  # the fast loader lives as long as this does
        self._client = client_of(ingester)

    def response(self, route, method="GET", **arguments):
        return self._client.open(f"/{route}?{urlencode(arguments, doseq=True)}", method=method)

    def __call__(self, route, **arguments):
        response = self.response(route, **arguments)
        assert response.status_code == 200, response.text
        return response.json


PROVIDERS = {"slow": slow_provider, "fast": fast_provider}


@pytest.fixture(scope="module", params=PROVIDERS)
def ask(request, written):
    if request.param == "fast":
        _wait_for_fast()
    asking = Asking(PROVIDERS[request.param](written.folder))
    until(lambda: len(asking("runs")["runs"]) == 2)  # the fast loader reads in the background
    return asking


def _wait_for_fast():
    try:
        server_ingester.get_server_binary()
    except server_ingester.NoDataServerError as error:
        pytest.skip(str(error))
