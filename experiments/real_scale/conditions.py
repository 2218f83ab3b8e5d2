"""The conditions of the study: a base, and one factor changed at a time. Imports nothing heavy."""

import dataclasses

from tfbn.utils.validation import check_choice


@dataclasses.dataclass(frozen=True)
class Condition:
    """A condition under which arms are compared.

    Attributes:
        name: Short and fit for a file name.
        says: In words, for tables.
        network: `"EfficientNetLite0"` (ImageNet) or `"resnet8"` (MNIST, packaged weights).
        target: `"fashion_mnist"`, `"mnist5k"`, `"uci_digits"` or `"photographs"`.
        shift: Of the target's pixels, see `tfbn.datasets.shifts`.
        train: Images to train on.
        validation: Images by which the learning rate is chosen.
        test: Images to test on; no two seeds share one.
        size: Height and width of the images in pixels.
        batch: Images in a batch.
        steps: Training steps of the short budget.
        most_seeds: For how many seeds the target has images.
    """

    name: str
    says: str
    network: str = "EfficientNetLite0"
    target: str = "fashion_mnist"
    shift: str = "none"
    train: int = 500
    validation: int = 200
    test: int = 500
    size: int = 96
    batch: int = 32
    steps: int = 300
    most_seeds: int = 10

    @property
    def pixels_shifted(self) -> bool:
        """Whether the pixels of the target are changed; otherwise only the task differs."""
        return self.shift != "none"

    @property
    def values_a_channel(self) -> int:
        """N*H*W of the last layers, which see 1/32 of the height and width (a quarter in ResNet-8)."""
        side = -(-self.size // (4 if self.network == "resnet8" else 32))
        return self.batch * side**2


_BASE = Condition("base", "Fashion-MNIST")
_TOY = Condition("toy", "ResNet-8: other digits", "resnet8", "uci_digits", train=300, test=120, size=28)
_PHOTOGRAPHS = Condition(
    "photographs",
    "photographs",
    target="photographs",
    train=110,
    validation=40,
    test=37,
    most_seeds=5,
)


def _changed(name: str, says: str, base: Condition = _BASE, **factor: object) -> Condition:
    return dataclasses.replace(base, name=name, says=says, **factor)  # type: ignore[arg-type]


# In order of value: an interrupted study has the first ones.
CONDITIONS = {
    each.name: each
    for each in (
        _BASE,
        _TOY,
        _changed("toy_contrast", "ResNet-8: other digits, contrast 0.3", _TOY, shift="contrast=0.3"),
        _changed("digits", "digits of MNIST", target="mnist5k", test=250),
        _changed("contrast", "Fashion-MNIST, contrast 0.3", shift="contrast=0.3"),
        _PHOTOGRAPHS,
        _changed("faint", "Fashion-MNIST, contrast 0.1", shift="contrast=0.1"),
        _changed(
            "digits_contrast",
            "digits of MNIST, contrast 0.3",
            target="mnist5k",
            test=250,
            shift="contrast=0.3",
        ),
        _changed("noise", "Fashion-MNIST, noise 0.3", shift="noise=0.3"),
        _changed("few_images", "Fashion-MNIST, 100 images", train=100),
        _changed("small_batches", "Fashion-MNIST, batches of 8", batch=8),
        _changed("large_images", "Fashion-MNIST, 160 x 160", size=160),
        _changed("photographs_contrast", "photographs, contrast 0.3", _PHOTOGRAPHS, shift="contrast=0.3"),
        _changed("short_tuning", "Fashion-MNIST, 200 images, 40 steps", train=200, test=250, steps=40),
    )
}


def named(name: str) -> Condition:
    """The condition of that name; raises `InputError` with similar names if there is none.

    >>> named("small_batches").batch, named("base").batch
    (8, 32)
    """
    return CONDITIONS[check_choice("condition", name, CONDITIONS)]


def quick(condition: Condition) -> Condition:
    """The same condition with fewer images and steps, for a first look in minutes.

    >>> quick(named("base")).train
    200
    """
    return dataclasses.replace(
        condition,
        train=min(condition.train, 200),
        validation=min(condition.validation, 100),
        test=min(condition.test, 200),
        steps=150,
    )


TUNED_ONLY = ("short_tuning",)  # a smaller version of the base, only for arms whose network trains
# The conditions in which fine-tuning everything is compared, and one in which every family is.
TUNED = ("short_tuning", "few_images", "small_batches", "photographs", "contrast")
TUNED_WHOLLY = "base"
# The conditions of the arms whose statistics update while they normalize.
UPDATED = ("base", "contrast", "toy", "toy_contrast")
# The conditions of `--quick`.
QUICK = ("base", "toy", "toy_contrast", "digits")
