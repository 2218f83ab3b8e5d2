"""A module that an extra installs and that is missing is one line with the command."""

import sys

import pytest

from tfbn.utils.extras import EXPERIMENTS, check_installed
from tfbn.utils.validation import InputError


def test_what_is_installed_passes():
    check_installed(*EXPERIMENTS)
    check_installed()


def test_all_that_is_missing_is_named_at_once(monkeypatch):
    for name in ("matplotlib", "jinja2"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError) as caught:
        check_installed(*EXPERIMENTS)
    assert str(caught.value) == (
        'Expected jinja2, matplotlib to be installed: pip install "tfbn[experiments]". '
        "Received: no module of that name"
    )
