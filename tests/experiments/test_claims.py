"""The table of claims over experiments without TensorFlow, and what every registered one has."""

import dataclasses
import importlib
import re

import pandas as pd
import pytest

from experiments.claims import __main__ as claims
from experiments.lab import binary, catalog, options, plots
from experiments.lab.decisions import FAILS, HOLDS, ONLY_IF, SHOWN, UNDECIDED, verdict_of
from experiments.lab.differences import paired
from experiments.lab.dispatch import FailedRunsError
from experiments.lab.experiment import Summary
from experiments.lab.intervals import interval
from experiments.lab.verdicts import CLAIM, Citation, Claim, judged
from tests.experiments import small
from tfbn.utils.validation import InputError

ABOVE, BELOW = interval([4.0, 5.0, 6.0, 5.0]), interval([-4.0, -5.0, -6.0, -5.0])
UNCLEAR = interval([-0.5, 0.5, 0.1, 0.0])
WIDE = interval([-9.0, 19.0, 3.0, 2.0])
GUIDE = Citation("a guide", "https://example.org", "More is better.")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ([ABOVE, ABOVE], HOLDS),
        ([ABOVE, WIDE], SHOWN),
        ([ABOVE, UNCLEAR], ONLY_IF),  # the difference of the two conditions is not zero
        ([ABOVE, BELOW], ONLY_IF),
        ([BELOW, UNCLEAR], FAILS),
        ([UNCLEAR], UNDECIDED),
        ([interval([9.0])], UNDECIDED),  # one seed has no interval
        ([interval([9.0, 9.1, 9.2])], UNDECIDED),  # too few seeds
        ([ABOVE, interval([-9.0, -9.1, -9.2])], HOLDS),  # too few seeds do not count
    ],
)
def test_the_rule_for_differences(changes, verdict):
    assert verdict_of(dict(enumerate(changes))) == verdict


@pytest.mark.parametrize(
    ("change", "margin", "verdict"),
    [(UNCLEAR, 2.0, HOLDS), (UNCLEAR, 0.5, UNDECIDED), (BELOW, 2.0, FAILS), (BELOW, 8.0, HOLDS)],
)
def test_the_rule_for_no_loss(change, margin, verdict):
    claim = judged("It loses nothing.", {"here": change}, margin=margin)
    assert claim.verdict == verdict
    assert f"a loss of up to {margin:g} points is allowed" in claim.why
    assert change.text() in claim.measured  # the difference itself, without the margin


def test_a_claim_says_where_it_holds():
    claim = judged("More is better.", {"8": ABOVE, "2": UNCLEAR, "1": BELOW}, source=GUIDE)
    assert claim.why == "holds: 8; the opposite: 1; no difference: 2"
    assert claim.measured.startswith("8: +5.0 [3.7, 6.3]; 2: ")
    assert claim.measured.endswith(" points (4 seeds)")
    assert [(each.condition, each.mean, each.says) for each in claim.numbers] == [
        ("8", 5.0, "holds"),
        ("2", pytest.approx(0.025), "no difference"),
        ("1", -5.0, "the opposite"),
    ]
    assert (claim.source, claim.url, claim.quote, claim.kind) == (*dataclasses.astuple(GUIDE), CLAIM)


def fake(name, lead, arms=("a", "b")):
    """An experiment like `small`, where b is said to lead and its lead is scaled."""

    def summarize(config, results, folder):
        results = results.assign(value=results.value * lead)
        figure, _ = plots.new_figure(2, 2)
        change = paired(results, "value", "none", "b", "a") if len(config.arms) == 2 else interval([1.0])
        return Summary(
            ["found"],
            [("Values", results[["arm", "seed"]])],
            [("Values", "Caption.", figure)],
            ["None."],
            [Claim("b beats <a>.", change.text(), verdict_of({"here": change}), "a | b", "a <guide>", CLAIM)],
        )

    def make(**values):
        return small.Config(**{"arms": arms} | values)

    return dataclasses.replace(small.EXPERIMENT, name=name, summarize=summarize, config_class=make)


@pytest.fixture
def fakes(monkeypatch):
    known = {"frozen_batchnorm": fake("frozen_batchnorm", 1.0), "affine_only": fake("affine_only", -1.0)}
    monkeypatch.setattr(catalog, "load", known.__getitem__)
    return known


def config(tmp_path, **values):
    values = {"experiments": ("frozen_batchnorm", "affine_only"), "seeds": 4, "workers": 0} | values
    return claims.Config(work_dir=str(tmp_path / "work"), **values)


def test_one_table_of_all(fakes, tmp_path, capsys):
    _, path = binary.answer(claims.EXPERIMENT, config(tmp_path))
    work = tmp_path / "work"
    table = pd.read_parquet(work / "claims.parquet")
    assert list(table.verdict) == [HOLDS, FAILS]
    assert list(table.experiment) == ["frozen_batchnorm", "affine_only"]
    assert list(table.source) == ["a <guide>"] * 2
    for name in fakes:
        assert (work / name / "report.html").exists()
        assert len(pd.read_parquet(work / name / "results.parquet")) == 8
        assert f'<a href="{name}/report.html">' in path.read_text()
    assert "b beats &lt;a&gt;." in path.read_text()
    assert path.read_text().count('src="data:image/png') == 2
    said = capsys.readouterr().out
    assert "2 claims put to the test: 1 holds, 1 does not hold. Also: 0 questions, 0 facts." in said
    assert said.count("What these runs cannot show") == 1  # one table, not one an experiment


def test_the_markdown_names_its_command_and_escapes_what_would_break_the_table(fakes, tmp_path):
    binary.answer(claims.EXPERIMENT, config(tmp_path))
    lines = (tmp_path / "work" / "claims.md").read_text().splitlines()
    assert "`python -m experiments.claims --seeds=4 --experiments=frozen_batchnorm,affine_only`" in lines[1]
    rows = [line for line in lines if line.startswith("| **b beats")]
    assert len(rows) == 2
    assert len(re.split(r"(?<!\\)\|", rows[0])) == 6
    assert "| holds |" in rows[0]
    assert "python -m experiments.frozen_batchnorm" in rows[0]
    assert "<summary>a &lt;guide&gt;</summary>" in rows[0]


def test_it_goes_on_where_it_stopped(fakes, tmp_path):
    binary.answer(claims.EXPERIMENT, config(tmp_path, experiments=("frozen_batchnorm",)))
    stored = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("result.json")}
    assert len(stored) == 8
    binary.answer(claims.EXPERIMENT, config(tmp_path))
    assert len(list(tmp_path.rglob("result.json"))) == 16
    assert all(path.stat().st_mtime_ns == when for path, when in stored.items())


def test_an_experiment_that_fails_keeps_no_other_from_the_table(fakes, tmp_path):
    fakes["frozen_batchnorm"] = fake("frozen_batchnorm", 1.0, arms=("a", "fails"))
    with pytest.raises(FailedRunsError, match="this arm fails"):
        binary.answer(claims.EXPERIMENT, config(tmp_path))
    assert list(pd.read_parquet(tmp_path / "work" / "claims.parquet").experiment) == ["affine_only"]


def test_seeds_workers_and_a_smoke_run_are_passed_down(tmp_path):
    def configs(**values):
        return {e.name: c for e, c in claims.parts(config(tmp_path, **values))}

    passed = configs(seeds=7, workers=1)["frozen_batchnorm"]
    assert (passed.seeds, passed.workers) == (7, 1)
    assert passed.work_dir == str(tmp_path / "work" / "frozen_batchnorm")
    own = configs(seeds=0)["frozen_batchnorm"]
    assert own.seeds == type(own)().seeds
    assert dataclasses.replace(own, work_dir="", workers=2) == type(own)()
    quick = configs(seeds=0, quick=True)["affine_only"]
    assert (quick.seeds, quick.epochs) == (2, 2)


def test_a_smoke_run_says_so_and_has_a_folder_of_its_own(fakes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    summary, path = binary.answer(claims.EXPERIMENT, claims.Config(quick=True, workers=0,
        experiments=("affine_only",)))  # fmt: skip
    assert path.parent.name == "claims_quick"
    assert "smoke run" in summary.findings[0]
    assert "smoke run" in (path.parent / "claims.md").read_text()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"experiments": ("affine",)}, "did you mean affine_only"),
        ({"experiments": ()}, "to name at least one"),
        ({"seeds": -1}, "Expected `seeds` to be a whole number of at least 0. Received: seeds=-1"),
        ({"workers": -1}, "workers=-1"),
    ],
)
def test_bad_options(values, message, tmp_path):
    with pytest.raises(InputError, match=message):
        binary.answer(claims.EXPERIMENT, config(tmp_path, **values))
    assert not (tmp_path / "work").exists()


def test_a_part_that_cannot_run_stops_all_before_any_work(fakes, tmp_path):
    binary.answer(claims.EXPERIMENT, config(tmp_path, experiments=("affine_only",)))
    (tmp_path / "work" / "affine_only" / "manifest.json").write_text("")
    with pytest.raises(InputError, match=r"readable file.*affine_only"):
        binary.answer(claims.EXPERIMENT, config(tmp_path))
    assert not (tmp_path / "work" / "frozen_batchnorm").exists()


@pytest.mark.parametrize("name", claims.EXPERIMENTS)
def test_every_registered_experiment(name):
    experiment = catalog.load(name)
    assert experiment.name == name
    assert experiment.question.endswith("?")
    assert experiment.arms, "arms are what --help lists"
    assert all(says.strip() for says in experiment.arms.values())
    assert "minute" in importlib.import_module(f"experiments.{name}.__main__").__doc__
    options.check(experiment.config_class())
    assert experiment.cells(experiment.config_class())


def test_no_experiment_is_missing_from_the_table():
    others = {"choose", "claims", "pretrain", "sweep"}
    others |= {"real_scale"}  # hours, on data that a package of the system installs; it has its own page
    assert set(catalog.names()) - others <= set(claims.EXPERIMENTS)
