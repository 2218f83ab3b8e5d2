"""With frozen layers, what does BatchNorm do with training=True, and what with training=False?

Every arm starts from the same pretrained network and trains on the same few images of
a target, paired by seed. Each is judged in inference mode, at a short budget and with a
converged head. The default, a network with ImageNet's weights on digits of MNIST, as they
are and with less contrast, runs offline in about five minutes on two cores.
--model=resnet8, a small network pretrained on MNIST on other digits whose pixels are
shifted, takes three.
"""

import dataclasses

from ..lab import binary
from ..lab.experiment import Later, in_folder
from ..lab.options import option
from ..training import arms
from ..training.options import SHIFTS, ArmConfig
from .defaults import AUTO


@dataclasses.dataclass(frozen=True)
class Config(ArmConfig):
    """Options of the main job; see `defaults.with_defaults` for those that the network decides."""

    model: str = option(
        "EfficientNetLite0",
        "EfficientNetLite0, resnet8 or another of tfbn, a keras.applications name, or a .keras or .h5 file.",
    )
    seeds: int = option(4, "How many seeds; every arm runs with each of them.", low=1)
    arms: tuple = option(
        (AUTO,),
        "Arms to compare; auto: all, but with ImageNet's weights not all_trained, which takes long.",
        choices=(AUTO, *arms.ARMS),
    )
    shifts: tuple = option(
        (AUTO,),
        f"{SHIFTS} auto: none and contrast=0.3 with ImageNet's weights, else contrast=0.3 and noise=0.3.",
    )
    dataset: str = option(
        AUTO, "Target: any TFDS name; auto: mnist5k with ImageNet's weights, else uci_digits."
    )
    epochs: int = option(0, "Epochs of the short budget; 0: 10 with ImageNet's weights, else 15.", low=0)
    draws: str = option(
        AUTO,
        "Images of the seeds: random, each seed draws from all; disjoint, no image is in two seeds' draws; "
        "auto: disjoint with ImageNet's weights on mnist5k.",
        choices=(AUTO, "random", "disjoint"),
    )
    share_features: str = option(
        AUTO,
        "Whether arms whose network is frozen share what it computes: never, each run has a fit of the whole "
        "network; always, where nothing in it is random; auto: always with ImageNet's weights.",
        choices=(AUTO, "never", "always"),
    )
    audit: bool = option(False, "Print what every BatchNorm will do, arm by arm, and stop.")


EXPERIMENT = in_folder(
    __package__,
    question="With frozen layers, what does BatchNorm do with training=True, and what with training=False?",
    config_class=Config,
    cells=Later(__package__, ".runs", "cells"),
    metrics=("test_accuracy", "converged_accuracy"),
    audit=Later(__package__, ".runs", "audit"),
    arms={name: arm.says for name, arm in arms.ARMS.items()},
)


if __name__ == "__main__":
    binary.run(EXPERIMENT)
