"""The end of a binary, without a process of its own."""

import pytest

from experiments.lab import binary


def error_of(experiment, config, monkeypatch, capsys):
    """What a binary prints when its options are these, having ended with exit status 2."""
    monkeypatch.setattr(binary.config_flags, "read", lambda config_class: config)
    with pytest.raises(SystemExit) as end:
        binary._main(experiment, ["binary"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said
