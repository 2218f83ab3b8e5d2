"""The wording and the bounds of the checks."""

import math

import pytest

from tfbn.utils import validation


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: validation.check_at_least("seeds", 0, 1), "at least 1. Received: seeds=0"),
        (lambda: validation.check_at_least("seeds", 1.5, 1), "whole number"),
        (lambda: validation.check_at_least("seeds", True, 1), "Received: seeds=True"),
        (
            lambda: validation.check_between("momentum", 1.01, 0, 1),
            r"number in \[0, 1\]. Received: momentum=1.01",
        ),
        (lambda: validation.check_between("momentum", math.nan, 0, 1), "momentum=nan"),
        (lambda: validation.check_between("momentum", "0.9", 0, 1), "momentum='0.9'"),
        (lambda: validation.check_choice("arm", "bach", ["batch", "inference"]), "did you mean batch?"),
        (lambda: validation.check_flag("training", 0), "True, False or None. Received: training=0"),
    ],
)
def test_bad_values(check, message):
    with pytest.raises(validation.InputError, match=message):
        check()


def test_good_values_come_back():
    assert validation.check_at_least("seeds", 3, 1) == 3
    assert validation.check_between("momentum", 1, 0, 1) == 1.0
    assert validation.check_choice("arm", "batch", ["batch"]) == "batch"
    assert validation.check_flag("training", None) is None
