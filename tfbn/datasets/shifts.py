"""Shifts of a target domain: named, seeded changes of images with values in [0, 1].

A shift is written as text: `"none"`, `"contrast=0.3"`, `"noise=0.3"`, `"inversion"`,
`"blur=1.5"`, or several in order, `"contrast=0.3+noise=0.1"`. To add one, write a function and
add it to `SHIFTS`.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from tfbn.utils.extras import check_installed
from tfbn.utils.validation import check_between, check_choice, fail

Transform = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def contrast(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """`strength * x`: every intensity scaled, black stays black.

    >>> contrast(np.ones((1, 1, 1, 1)), 0.3, np.random.default_rng(0)).item()
    0.3
    """
    return strength * images


def noise(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """`x + strength * N(0, 1)` for each pixel; not clipped, so that the noise stays Gaussian.

    >>> noisy = noise(np.zeros((1, 100, 100, 1)), 0.3, np.random.default_rng(0))
    >>> round(float(noisy.std()), 2)
    0.3
    """
    return images + strength * rng.standard_normal(images.shape, np.float32)


def inversion(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """`(1 - strength) * x + strength * (1 - x)`; fully inverted at strength 1.

    >>> inversion(np.zeros((1, 1, 1, 1)), 1.0, np.random.default_rng(0)).item()
    1.0
    """
    return (1 - strength) * images + strength * (1 - images)


def blur(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur with a standard deviation of `strength` pixels.

    >>> image = np.zeros((1, 5, 5, 1))
    >>> image[0, 2, 2] = 1.0
    >>> bool(blur(image, 1.0, np.random.default_rng(0))[0, 2, 2, 0] < 0.2)
    True
    """
    check_installed("scipy")
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(images, (0, strength, strength, 0))


@dataclasses.dataclass(frozen=True)
class Kind:
    """A shift that has a name.

    Attributes:
        transform: `(images, strength, rng) -> images`, on `(n, height, width, channels)`.
        low: The smallest strength.
        high: The largest strength.
        default: The strength if none is given; None if it must be given.

    Example:

    >>> SHIFTS["noise"].low, SHIFTS["noise"].default
    (0.0, None)
    """

    transform: Transform
    low: float
    high: float
    default: float | None = None


SHIFTS = {
    "none": Kind(lambda images, strength, rng: images, 0.0, 0.0, default=0.0),
    "contrast": Kind(contrast, 0.0, 10.0),
    "noise": Kind(noise, 0.0, 10.0),
    "inversion": Kind(inversion, 0.0, 1.0, default=1.0),
    "blur": Kind(blur, 0.0, 10.0),
}


@dataclasses.dataclass(frozen=True)
class Shift:
    """A shift that was parsed: steps of `(name, strength)`, applied in order.

    Example:

    >>> shift = parse("contrast=0.5+inversion")
    >>> shift.steps
    (('contrast', 0.5), ('inversion', 1.0))
    >>> shift.apply(np.ones((1, 2, 2, 1), "float32"), seed=0).ravel().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """

    steps: tuple[tuple[str, float], ...]

    def apply(self, images: np.ndarray, seed: int | Sequence[int]) -> np.ndarray:
        """The shifted images: float32, the shape of `images`; the same seed, the same bits.

        Args:
            images: Shape `(n, height, width, channels)`, values in [0, 1].
            seed: Decides what is random in the shift; a sequence of numbers is one seed too.
        """
        if np.ndim(images) != 4:
            raise fail("images", "to be of shape (n, height, width, channels)", np.shape(images))
        rng = np.random.default_rng(seed)
        for name, strength in self.steps:
            images = SHIFTS[name].transform(images, strength, rng).astype(np.float32)
        return np.asarray(images, np.float32)


def parse(text: str) -> Shift:
    """Parses the text of a shift.

    Args:
        text: See the module.

    Raises:
        InputError: A name is unknown, or a strength is missing or out of range.

    Example:

    >>> parse("noise=0.3")
    Shift(steps=(('noise', 0.3),))
    """
    return Shift(tuple(_parse_step(step) for step in str(text).split("+")))


def _parse_step(step: str) -> tuple[str, float]:
    name, _, strength = step.partition("=")
    kind = SHIFTS[check_choice("shift", name, SHIFTS)]
    if not strength and kind.default is not None:
        return name, kind.default
    try:
        value = float(strength)
    except ValueError:
        raise fail("shift", f"to have a strength, such as {name}=0.3", step) from None
    return name, check_between(f"{name} strength", value, kind.low, kind.high)
