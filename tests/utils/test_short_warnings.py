"""A warning is one line on standard error, without its place in the code."""

import warnings

from tfbn.utils.short_warnings import short_warnings


def test_a_warning_is_one_line(capsys):
    shown = warnings.showwarning
    with short_warnings():
        warnings.simplefilter("always")
        warnings.warn("first\n  second", stacklevel=1)
    assert capsys.readouterr().err == "Warning: first second\n"
    assert warnings.showwarning is shown
