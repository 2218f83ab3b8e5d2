"""The range of pixels that a network expects, as its first layers show."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from tfbn.graph.data_flow import graph
from tfbn.transforms import frozen_prefix
from tfbn.utils.validation import check_choice, fail

# Name -> darkest and brightest value.
RANGES = {"unit": (0.0, 1.0), "byte": (0.0, 255.0), "symmetric": (-1.0, 1.0)}
# Layers with weights that only scale what comes in; others end the search.
_SCALING = (keras.layers.Normalization, keras.layers.BatchNormalization)
_SAME = 0.02  # relative: an untrained BatchNormalization divides by sqrt(1 + epsilon)
_CLEAR = 0.5  # how much better the best range must be than the next


@dataclasses.dataclass(frozen=True)
class PixelRange:
    """A range of pixels, and how it is known.

    Attributes:
        name: `"unit"` (0..1), `"byte"` (0..255) or `"symmetric"` (-1..1).
        known_from: The source, such as `"its layer Rescaling"`.
        converter: What a model's own preprocessor does to images with values 0..255; None
            where the model has none.

    Example:

    >>> images = np.array([0.0, 1.0])
    >>> PixelRange("symmetric", "a flag").of(images).tolist()
    [-1.0, 1.0]
    """

    name: str
    known_from: str
    converter: Any = None

    def __post_init__(self):
        check_choice("pixels", self.name, RANGES)

    def of(self, images: Any) -> Any:
        """Images with values 0..1 in this range."""
        if self.converter is not None:
            return keras.ops.convert_to_numpy(self.converter(images * 255.0))
        low, high = RANGES[self.name]
        return images if (low, high) == (0.0, 1.0) else images * (high - low) + low

    def __str__(self) -> str:
        low, high = RANGES[self.name]
        return f"{low:g}..{high:g} ({self.known_from})"


def pixel_range(model: Any) -> PixelRange | None:
    """The range of pixels that a model expects, if its layers show it.

    What comes before the first layer that mixes pixels (Rescaling, Normalization,
    BatchNormalization, `preprocess_input` in the graph, also in a nested model) is run on
    black and on white of each range. The model expects the range whose result is centered at zero
    and a few units wide. A model with its own `preprocessor`, such as KerasHub's, takes 0..255.

    Args:
        model: A Functional or Sequential model that takes images.

    Returns:
        The `PixelRange`, or None if the first layers do not show it.

    Example:

    >>> layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(2, 3)]
    >>> print(pixel_range(keras.Sequential(layers)))
    0..255 (its layer Rescaling)
    >>> pixel_range(keras.Sequential([layers[0], layers[2]])) is None
    True
    """
    preprocessor = getattr(model, "preprocessor", None)
    if preprocessor is not None:
        converter = getattr(preprocessor, "image_converter", None) or preprocessor
        return PixelRange("byte", "its preprocessor", converter)
    if graph(model) is None:
        return None
    start, names = _start(model)
    if start is None:
        return None
    found = {name: _ends(start, *values) for name, values in RANGES.items()}
    ends = {name: end for name, end in found.items() if end is not None}
    if len(ends) < len(found):
        return None
    if all(np.allclose(end, RANGES[name], rtol=_SAME, atol=_SAME) for name, end in ends.items()):
        return None
    scores = sorted((_strangeness(*end), name) for name, end in ends.items())
    if scores[1][0] - scores[0][0] < _CLEAR:
        return None
    return PixelRange(scores[0][1], f"its layer {' and '.join(dict.fromkeys(names))}")


def given_or_found(pixels: str, model: Any, what: str) -> PixelRange:
    """The range that was given, or the one that the model's layers show.

    Args:
        pixels: `"auto"` or a name in `RANGES`.
        model: As in `pixel_range`.
        what: The model's name for the message.

    Raises:
        InputError: It is `"auto"`, and the model's layers do not show it.

    Example:

    >>> given_or_found("byte", None, "mine.keras").known_from
    'as given'
    """
    if pixels != "auto":
        return PixelRange(pixels, "as given", getattr(pixel_range(model), "converter", None))
    found = pixel_range(model)
    if found is None:
        expected = (
            f"to be given, one of {list(RANGES)}, since {what} has no layer that tells its range (unit: "
            "0..1, byte: 0..255, symmetric: -1..1)"
        )
        raise fail("pixels", expected, pixels)
    return found


def _start(model: Any) -> tuple[Any, list[str]]:
    """The part before the first layer that mixes pixels, and what it is made of."""
    cut: Any = None
    names: list[str] = []
    passed: list[str] = []
    for operation, boundary in frozen_prefix.walk(model):
        if boundary is not None:
            cut, names = boundary, list(passed)
            continue
        if getattr(operation, "weights", None) and not isinstance(operation, _SCALING):
            break
        passed.append(type(operation).__name__)
    return (None if cut is None else cut.prefix(model)), names


def _ends(start: Any, low: float, high: float) -> tuple[float, float] | None:
    """The values of black and white in the middle of an image, over all channels."""
    if len(start.inputs) != 1 or len(start.inputs[0].shape) != 4:
        return None
    _, height, width, channels = start.inputs[0].shape
    shape = (height or 64, width or 64, channels or 3)
    x = np.stack([np.full(shape, value, np.float32) for value in (low, high)])
    outcome = keras.ops.convert_to_numpy(start(x, training=False))
    if outcome.ndim != 4:
        return None
    middle = outcome[:, outcome.shape[1] // 2, outcome.shape[2] // 2]
    return float(middle.min()), float(middle.max())


def _strangeness(low: float, high: float) -> float:
    """0 for values in -1..1; grows with a width that is far from 2, and with the distance from zero."""
    width = high - low
    if not width > 0 or not math.isfinite(width):
        return math.inf
    return abs(math.log(width / 2)) + 3 * abs(high + low) / 2 / width
