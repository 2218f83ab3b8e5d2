"""The rules for a network with ImageNet's weights, fixed before its runs.

One was narrowed after the first of them, with 25 images, which stopped there: the claim about many
images had taken the largest number that ran. It takes more than `FEW` now.
"""

from typing import Any

from ..lab.intervals import Interval
from ..lab.verdicts import Claim, judged
from ..training.sources import FEW_IMAGES, KERAS_INFERENCE, MANY_IMAGES
from .arms import BLOCKS, MODES, arm_name
from .claims import FEW, MARGIN, Changes
from .defaults import KERAS_MOMENTUM

TRAINS = {
    "everything": "everything trains",
    "last_1": "the last block trains",
    "last_2": "the last two blocks train",
    "last_3": "the last three blocks train",
    "head": "a new layer in place of the classifier trains",
    "outputs": "a new layer on the classifier's outputs trains",
}
FROZEN = [name for name in TRAINS if name != "everything"]
Tests = list[tuple[str, dict[str, Interval], dict[str, Any]]]


def claims(changes: Changes, momentum: float) -> list[Claim]:
    """Each claim with the differences that decide it.

    Args:
        changes: Of the runs. Their arms by the batch have a `test_accuracy` at `momentum`, and a
            `slow_accuracy` at Keras's default.
        momentum: See there.
    """
    tests = [*_of_images(changes), *_of_blocks(changes), *_of_modes(changes, momentum)]
    return [judged(claim, measured, **how) for claim, measured, how in tests if measured]


def _of_images(changes: Changes) -> Tests:
    """What should train, by the number of images."""
    few, many = ([n for n in changes.images if (n <= FEW) == is_few] for is_few in (True, False))
    fewest = f"An ImageNet network, few target images (at most {FEW}): train only a new layer on top"
    return [
        ("An ImageNet network beats one from scratch.", _in_modes(changes, "everything", "scratch"), {}),
        (f"{fewest}.", _in_modes(changes, "head", "everything", few), {"source": FEW_IMAGES}),
        (f"{fewest}: it is as good as the last block.", _in_modes(changes, "head", "last_1", few),
         {"margin": MARGIN}),
        (f"An ImageNet network, {_number(many)}: training everything beats a new layer on top.",
         _in_modes(changes, "everything", "head", many[-1:]), {"source": MANY_IMAGES}),
        ("A new layer on the outputs of the old classifier is as good as one in its place.",
         _in_modes(changes, "outputs", "head"), {"margin": MARGIN}),
    ]  # fmt: skip


def _of_blocks(changes: Changes) -> Tests:
    """How many blocks should train, and what that saves."""
    averaged, network = changes.averaged(), _network(changes)
    alike = {
        f"{TRAINS[strategy]}, {where}": change
        for strategy in BLOCKS
        for where, change in _in_modes(averaged, strategy, "everything").items()
    }
    saved = {
        f"{TRAINS[strategy]}, {_mode(mode)}": changes.time_saved(strategy, mode)
        for strategy in FROZEN
        for mode in MODES
    }
    return [
        (f"{network}: training the last blocks is as good as training everything.", alike,
         {"margin": MARGIN}),
        (f"{network}: training three blocks is better than training one.",
         _in_modes(averaged, "last_3", "last_1"), {}),
        ("An ImageNet network: freezing layers saves time in every step.",
         {name: each for name, each in saved.items() if each is not None},
         {"unit": "% of a step", "digits": 0}),
    ]  # fmt: skip


def _of_modes(changes: Changes, momentum: float) -> Tests:
    """training=False against training=True, in the mean over the numbers of images."""
    averaged, tests = changes.averaged(), []
    for metric, value in (("slow_accuracy", KERAS_MOMENTUM), ("test_accuracy", momentum)):
        by_strategy = {
            words: change.negative()
            for strategy, words in TRAINS.items()
            for change in averaged.of_mode(strategy, metric).values()
        }
        claim = (
            f"{_network(changes)}: keep BatchNorm in inference mode while fine-tuning (momentum {value:g})."
        )
        tests.append((claim, by_strategy, {"source": KERAS_INFERENCE}))
    return tests


def _in_modes(
    changes: Changes, strategy: str, reference: str, images: list[int] | None = None
) -> dict[str, Interval]:
    """The difference of two strategies in each mode, at each number of images; at the mean, by mode alone."""
    found = {}
    for mode in MODES:
        measured = changes.by_images(arm_name(strategy, mode), arm_name(reference, mode), images)
        for where, change in measured.items():
            found[f"{_mode(mode)}, {where}" if changes.images != [0] else _mode(mode)] = change
    return found


def _network(changes: Changes) -> str:
    """The subject of a claim about the mean over the numbers of images; with one number, that is said."""
    return "An ImageNet network" + (f", {_number(changes.images)}" if len(changes.images) == 1 else "")


def _number(images: list[int]) -> str:
    return f"{images[-1] if images else 'many'} images"


def _mode(mode: str) -> str:
    return f"training={MODES[mode]}"
