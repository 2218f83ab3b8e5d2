"""Readable names for the experiments' arms and conditions."""

import re

# Whole words of any text.
CODES = {
    "batch_held": "training=True with statistics held",
    "batch_slow": "training=True at momentum 0.99",
    "inference_updating": "training=False with statistics updating",
    "all_trained": "everything trained",
    "subclassed_passing": "a subclassed model that passes training on",
    "no_flag": "no flag",
    "stem_bn": "the first layer",
    "stage3_block1_bn2": "the last layer",
    "dense_bn": "a dense network's layer",
}
# The beginning of a condition's name.
BEGINNINGS = {
    "batch": "training=True",
    "inference": "training=False",
    "last inference": "the last layers, training=False",
    "last batch": "the last layers, training=True",
    "head inference": "a new layer, training=False",
    "head batch": "a new layer, training=True",
    "everything": "everything trains",
    "last": "the last layers train",
    "head": "a new layer trains",
    "none": "no shift",
    "functional": "a functional model",
    "subclassed": "a subclassed model",
    "batchnorm": "convolutions",
    "dense": "a dense layer",
}


def _any_of(words: dict[str, str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_CODE = re.compile(rf"\b(?:{_any_of(CODES)})\b")
_BEGINNING = re.compile(rf"(?:{_any_of(BEGINNINGS)})(?= at |,|:|$)")


def of_text(text: str) -> str:
    """A text without the codes of arms.

    Example:

    >>> of_text("held in batch_held; contrast=0.3")
    'held in training=True with statistics held; contrast 0.3'
    """
    return (
        _CODE.sub(lambda found: CODES[found[0]], text)
        .replace("contrast=", "contrast ")
        .replace("noise=", "noise ")
    )


def of_condition(name: str) -> str:
    """A condition in words that need no table of arms.

    Example:

    >>> of_condition("inference at 25 images"), of_condition("fixed steps, batch 4"), of_condition("none")
    ('training=False at 25 images', 'fixed steps, batch 4', 'no shift')
    """
    beginning = _BEGINNING.match(name)
    if beginning:
        name = BEGINNINGS[beginning[0]] + name[beginning.end() :]
    return of_text(name)
