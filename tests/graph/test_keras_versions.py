"""What the installed Keras does, compared with what its version is known to do."""

import keras
import pytest

from tfbn.graph import keras_versions

VERSION = tuple(int(part) for part in keras.__version__.split(".")[:2])


def test_a_call_site_flag_is_overridden_by_fit_up_to_3_15_and_obeyed_from_3_16():
    assert keras_versions.call_site_training_is_obeyed() == (VERSION >= (3, 16))


def test_a_call_site_flag_leaks_to_later_layers_from_3_16():
    assert keras_versions.call_site_training_leaks() == (VERSION >= (3, 16))


def test_renorm_came_with_3_13():
    assert keras_versions.has_renorm() == (VERSION >= (3, 13))


@pytest.mark.skipif(VERSION < (3, 16), reason="momentum is checked by Keras itself from 3.16 on")
def test_momentum_is_checked_by_keras_from_3_16():
    with pytest.raises(ValueError, match="momentum"):
        keras.layers.BatchNormalization(momentum=2)
