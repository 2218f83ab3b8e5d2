"""Arms of a transfer-learning experiment: what frozen layers and their BatchNorm do."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Arm:
    """How the pretrained layers are set in one arm.

    Attributes:
        name: Short and fit for a file name.
        says: One line for tables and the report.
        trainable: Whether the pretrained layers' weights, gamma and beta train.
        training: Their BatchNorm's `training` flag.
        update_statistics: Their BatchNorm's `update_statistics` flag.
        momentum: Their BatchNorm's momentum; None: the config's.
        recalibrate: Whether the moving statistics are set to the target's
            population statistics once, before the training (AdaBN).
    """

    name: str
    says: str
    trainable: bool = False
    training: bool | None = None
    update_statistics: bool | None = None
    momentum: float | None = None
    recalibrate: bool = False


FROZEN = (
    Arm("inference", "frozen, training=False", training=False),
    Arm("batch", "frozen, training=True, statistics update", training=True),
    Arm("batch_slow", "as batch, momentum 0.99", training=True, momentum=0.99),
    Arm("batch_held", "frozen, training=True, statistics held", training=True, update_statistics=False),
    Arm(
        "inference_updating",
        "frozen, training=False, statistics update",
        training=False,
        update_statistics=True,
    ),
    Arm("recalibrated", "recalibrated once (AdaBN), then training=False", training=False, recalibrate=True),
)
ALL_TRAINED = Arm("all_trained", "everything trained (stock Keras)", trainable=True)

ARMS = {arm.name: arm for arm in (*FROZEN, ALL_TRAINED)}
