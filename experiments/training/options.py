"""Options that experiments share. Imports nothing heavy."""

import dataclasses
from typing import TYPE_CHECKING, Any

from ..lab.experiment import RunConfig
from ..lab.options import option

if TYPE_CHECKING:
    from .data import Split
    from .pools import Source

SHIFTS = "Shifts of the target, such as contrast=0.3, noise=0.3, blur=1.5, inversion or none."


@dataclasses.dataclass(frozen=True)
class TransferConfig(RunConfig):
    """Options of experiments that fine-tune a pretrained network."""

    model: str = option(
        "resnet8",
        "resnet8 or another of tfbn, EfficientNetLite0, a keras.applications name, or a .keras or .h5 file.",
    )
    weights: str = option(
        "auto", "auto (packaged, else ImageNet), a packaged name or pattern, a file, or none."
    )
    frozen: tuple = option((), "Patterns or stages to freeze; everything but the head if empty.")
    dataset: str = option("uci_digits", "Target: any TFDS name.")
    data_dir: str = option("", "Target: a folder of class folders, instead of --dataset.")
    source_dataset: str = option("", "Pretrain on this TFDS data set first, instead of --weights.")
    source_data_dir: str = option("", "Pretrain on this folder of class folders first.")
    source_epochs: int = option(8, "Epochs of that pretraining.", low=1)
    download: bool = option(False, "Let TFDS download data that is not on this machine.")
    image_size: int = option(
        0, "Height and width in pixels; 0: the file's, 28, or 96 for applications.", low=0
    )
    channels: int = option(0, "1: gray, 3: colored; 0: as the network takes.", low=0, high=3)
    border: int = option(
        -1, "Empty pixels around each image, within image_size; -1: 4 for uci_digits.", low=-1
    )
    pixels: str = option(
        "auto",
        "Range that a file's network takes: auto, from its first layers; unit 0..1, byte 0..255, "
        "symmetric -1..1.",
        choices=("auto", "unit", "byte", "symmetric"),
    )
    train_images: int = option(
        0, "Target images to train on; 0: 300, or a folder's own split or 70 % of each class.", low=0
    )
    test_images: int = option(0, "Target images to test on; 0: 1000, or all others of a folder.", low=0)
    draws: str = option(
        "random",
        "Images of the seeds: random, each seed draws from all; disjoint, no image is in two seeds' draws.",
        choices=("random", "disjoint"),
    )
    skip_unreadable: bool = option(False, "Skip files of a folder that cannot be read.")
    epochs: int = option(15, "Epochs of the short budget.", low=1)
    batch_size: int = option(32, "Images in a batch.", low=1)
    learning_rate: float = option(5e-3, "Learning rate of Adam.", low=0.0)
    momentum: float = option(0.9, "BatchNorm's momentum, the weight of the old value.", low=0.0, high=1.0)

    @property
    def target(self) -> "Source":
        """Where the images come from."""
        from . import networks
        from .pools import Source

        shape = networks.input_shape(self)
        return Source(self.dataset, self.data_dir, shape, self.border, self.download, self.skip_unreadable)

    @property
    def target_name(self) -> str:
        """Of the target, for tables: `target.name` without TensorFlow."""
        from .pools import name_of

        return name_of(self.dataset, self.data_dir)

    @property
    def images_to_train_on(self) -> int:
        """The number of training images, from the options and the target."""
        from .pools import USUAL

        if self.train_images or not self.data_dir:
            return self.train_images or USUAL["train_images"]
        from .data import count  # imports TensorFlow

        return count(self.target, self.test_images)

    @property
    def source(self) -> "Source | None":
        """The data set to pretrain on; None: the network has pretrained weights."""
        from . import networks
        from .pools import Source

        if not self.source_dataset and not self.source_data_dir:
            return None
        shape = networks.input_shape(self)
        return Source(self.source_dataset, self.source_data_dir, shape, download=self.download)


@dataclasses.dataclass(frozen=True)
class ArmConfig(TransferConfig):
    """Options of experiments whose runs are those of `run_arm`."""

    strategy: str = option(
        "none",
        "Devices of one run: none, one; mirrored, tf.distribute.MirroredStrategy over --replicas GPUs, or "
        "as many parts of the processor.",
        choices=("none", "mirrored"),
    )
    replicas: int = option(2, "Devices of a mirrored run; each has its part of every batch.", low=2)
    synchronized: bool = option(
        True, "BatchNorm's moments in a mirrored run: of the joint batch, or of each device's part."
    )
    share_features: str = option(
        "never",
        "Whether arms whose network is frozen share what it computes: never, each run has a fit of the whole "
        "network; always, where nothing in it is random.",
        choices=("never", "always"),
    )


@dataclasses.dataclass(frozen=True)
class ScratchConfig(RunConfig):
    """Options of experiments that train whole networks from scratch."""

    seeds: int = option(3, "How many seeds; every arm runs with each of them.", low=1)
    dataset: str = option("mnist5k", "Any TFDS name.")
    data_dir: str = option("", "A folder of class folders, instead of --dataset.")
    download: bool = option(False, "Let TFDS download data that is not on this machine.")
    image_size: int = option(14, "Height and width in pixels that images are brought to.", low=4)
    channels: int = option(1, "1: gray, 3: colored.", low=1, high=3)
    train_images: int = option(2000, "Images to train on.", low=1)
    test_images: int = option(1000, "Images to test on.", low=1)
    width: int = option(8, "Filters of the first stage.", low=1)
    momentum: float = option(0.9, "BatchNorm's momentum.", low=0.0, high=1.0)

    @property
    def source(self) -> "Source":
        """Where the images come from."""
        from .pools import Source

        shape = (self.image_size, self.image_size, self.channels)
        return Source(self.dataset, self.data_dir, shape, download=self.download)

    def split(self, seed: int) -> "Split":
        """The images of a seed, the same for all arms.

        Raises:
            InputError: They are not available.
        """
        from .data import target_split

        return target_split(self.source, self.train_images, self.test_images, "none", seed)

    @property
    def network(self) -> dict[str, Any]:
        """Arguments of `tfbn.models.build` that all arms share; the network ends in logits."""
        return {
            "input_shape": self.source.shape,
            "width": self.width,
            "momentum": self.momentum,
            "classifier_activation": None,
        }
