"""Where results come from, in a repository of the test's own."""

import os
import subprocess

from experiments.lab import origin


def git(folder, *words):
    who = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b.c",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b.c",
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *words], env=os.environ | who, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_commit_says_whether_its_files_were_changed_since(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("a = 1\n")
    (tmp_path / "other.py").write_text("b = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    head = git(tmp_path, "rev-parse", "--short=10", "HEAD")
    origin.commit.cache_clear()
    (tmp_path / "other.py").write_text("b = 2\n")
    assert origin.commit(tmp_path / "code") == head
    (tmp_path / "code" / "a.py").write_text("a = 2\n")
    assert origin.commit(tmp_path / "code") == head  # as it was when first asked about
    origin.commit.cache_clear()
    assert origin.commit(tmp_path / "code") == f"{head}+"


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    origin.commit.cache_clear()
    assert origin.commit(tmp_path) == ""
    origin.commit.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))  # no git either
    assert origin.commit(tmp_path) == ""


def test_a_package_installed_inside_another_checkout_has_none_of_its_commits(tmp_path):
    installed = tmp_path / ".venv" / "tfbn"
    installed.mkdir(parents=True)
    (installed / "a.py").write_text("a = 1\n")
    (tmp_path / "own.py").write_text("b = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "own.py")
    git(tmp_path, "commit", "-qm", "theirs")
    origin.commit.cache_clear()
    assert origin.commit(installed) == ""
    assert origin.commit(tmp_path) != ""


def test_a_processor_has_a_name():
    assert origin.processor()
