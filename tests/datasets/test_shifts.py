"""Shifts against their closed forms, in float64."""

import numpy as np
import pytest
import scipy.ndimage

from tfbn.datasets import shifts
from tfbn.utils.validation import InputError


@pytest.fixture
def images(rng):
    return rng.random((5, 12, 9, 2), np.float32)


def apply(text, images, seed=3):
    before = images.copy()
    result = shifts.parse(text).apply(images, seed)
    np.testing.assert_array_equal(images, before)  # the images passed in stay as they are
    assert result.dtype == np.float32
    assert result.shape == images.shape
    return result


def blurred(x, deviation):
    """Rows, then columns, with the bell curve written out, to four deviations as scipy's own."""
    reach = int(4 * deviation + 0.5)
    bell = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * deviation**2))
    for axis in (1, 2):
        x = scipy.ndimage.convolve1d(x, bell / bell.sum(), axis=axis, mode="reflect")
    return x


CLOSED_FORMS = {
    "none": lambda x: x,
    "contrast=0.3": lambda x: 0.3 * x,
    "contrast=4": lambda x: 4 * x,  # not clipped
    "contrast=0": lambda x: 0 * x,
    "inversion": lambda x: 1 - x,
    "inversion=1": lambda x: 1 - x,
    "inversion=0.25": lambda x: 0.75 * x + 0.25 * (1 - x),
    "noise=0": lambda x: x,
    "blur=0": lambda x: x,
    "blur=0.7": lambda x: blurred(x, 0.7),
    "blur=1.5": lambda x: blurred(x, 1.5),
    "contrast=0.5+inversion": lambda x: 1 - 0.5 * x,
    "inversion+contrast=0.5": lambda x: 0.5 * (1 - x),
    "blur=1+contrast=0.3+inversion": lambda x: 1 - 0.3 * blurred(x, 1.0),
}


@pytest.mark.parametrize("text", CLOSED_FORMS)
def test_closed_form(text, images):
    np.testing.assert_allclose(
        apply(text, images), CLOSED_FORMS[text](np.float64(images)), rtol=1e-5, atol=1e-6
    )


def test_blur_mixes_neither_images_nor_channels(images):
    one = np.zeros_like(images)
    one[2, :, :, 1] = images[2, :, :, 1]
    result = apply("blur=1.5", one)
    assert np.all(result[2, :, :, 1] > 0)
    assert not result[[0, 1, 3, 4]].any()
    assert not result[2, :, :, 0].any()


@pytest.mark.parametrize("strength", [0.1, 0.5])
def test_noise_is_gaussian_of_that_deviation_and_not_clipped(strength, rng):
    images = rng.random((20, 40, 40, 3), np.float32)
    added = np.float64(apply(f"noise={strength}", images)) - images
    # 96,000 draws: the deviation is known to 0.23 %, the mean to 0.32 % of it.
    np.testing.assert_allclose(added.std(), strength, rtol=0.01)
    assert abs(added.mean()) < 0.015 * strength
    assert abs(np.mean(np.abs(added) < strength) - 0.6827) < 0.006
    assert np.corrcoef(added[0].ravel(), added[1].ravel())[0, 1] < 0.06  # each image has its own
    assert apply(f"noise={strength}", images).min() < 0 < 1 < apply(f"noise={strength}", images).max()


@pytest.mark.parametrize(
    "text", ["noise=0.3", "contrast=0.3+noise=0.1", "noise=0.1+noise=0.1", "blur=1+noise=1"]
)
def test_same_seed_same_bits_other_seed_other_noise(text, images):
    first = apply(text, images, seed=3)
    np.random.seed(99)
    np.testing.assert_array_equal(apply(text, images, seed=3), first)
    assert np.all(apply(text, images, seed=4) != first)


def test_two_noises_in_one_shift_are_two(images):
    once, twice = apply("noise=0.2", images), apply("noise=0.2+noise=0.2", images)
    assert not np.allclose(twice - images, 2 * (once - images), atol=0.01)


@pytest.mark.parametrize("text", ["contrast=0.3", "inversion", "blur=1"])
def test_nothing_else_is_random(text, images):
    np.testing.assert_array_equal(apply(text, images, seed=3), apply(text, images, seed=4))


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "contrst=0.3": r"Expected `shift` to be one of .*did you mean contrast\?.* Received: shift='contrst'",
        "": "Expected `shift` to be one of .* Received: shift=''",
        "contrast=0.3+": "Received: shift=''",
        "contrast": (
            r"Expected `shift` to have a strength, such as contrast=0\.3\. Received: shift='contrast'"
        ),
        "noise=": "Expected `shift` to have a strength",
        "blur=much": "Expected `shift` to have a strength.* Received: shift='blur=much'",
        "inversion=2": r"Expected `inversion strength` to be a number in \[0\.0, 1\.0\]. Received: .*=2\.0",
        "contrast=-1": "Expected `contrast strength` to be a number in",
        "noise=nan": "Expected `noise strength` to be a number in",
        "blur=inf": "Expected `blur strength` to be a number in",
        "none=1": "Expected `none strength` to be a number in",
    }.items(),
)
def test_bad_input(text, message):
    with pytest.raises(InputError, match=message):
        shifts.parse(text)
