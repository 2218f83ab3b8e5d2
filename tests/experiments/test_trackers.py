"""A report goes to a tracker that is there; one that is not is named before anything runs."""

import dataclasses
import importlib.machinery
import sys
import types

import pandas as pd
import pytest

from experiments.lab import binary, trackers
from tests.experiments.small import EXPERIMENT, Config
from tfbn.utils.validation import InputError

MEASURED = dataclasses.replace(EXPERIMENT, metrics=("value",))


class Recording(types.ModuleType):
    """A module whose functions note how they were called, and may be used in `with`."""

    def __init__(self, name):
        super().__init__(name)
        self.calls = []
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.info = types.SimpleNamespace(run_id="7")
        self.url, self.dir = None, "offline-run"

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def called(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return self

        return called

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def config(tmp_path, **options):
    return Config(seeds=2, workers=0, work_dir=str(tmp_path / "study"), **options)


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_tracker_that_is_not_there_is_one_line_and_nothing_runs(name, tmp_path, monkeypatch):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        InputError, match=f"Expected {name} to be installed, since --{name} is given: pip install"
    ):
        binary.answer(EXPERIMENT, config(tmp_path, **{name: True}))
    assert not (tmp_path / "study").exists()


def test_mlflow_gets_options_means_findings_and_the_report(tmp_path, monkeypatch):
    mlflow = Recording("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    binary.answer(MEASURED, config(tmp_path, mlflow=True))
    calls = {name: args for name, args, _ in mlflow.calls}
    results = pd.read_parquet(tmp_path / "study" / "results.parquet")
    assert calls["log_metrics"][0] == {
        f"value/none/{arm}": pytest.approx(results[results.arm == arm].value.mean()) for arm in "ab"
    }
    assert calls["log_params"][0]["seeds"] == "2"
    assert calls["set_tag"][1] == '* <b> beats & "a"'
    assert calls["log_artifact"][0] == str(tmp_path / "study" / "report.html")


def test_wandb_gets_the_same(tmp_path, monkeypatch, capsys):
    wandb = Recording("wandb")
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    binary.answer(MEASURED, config(tmp_path, wandb=True))
    (init,) = [kwargs for name, _, kwargs in wandb.calls if name == "init"]
    assert init["config"]["seeds"] == "2"
    assert init["notes"] == '<b> beats & "a"'
    assert any(name == "Html" and "<h1>" in args[0] for name, args, _ in wandb.calls)
    assert "W&B: offline-run" in capsys.readouterr().out


def test_without_a_flag_nothing_is_imported(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "wandb", None)
    binary.answer(EXPERIMENT, config(tmp_path))
