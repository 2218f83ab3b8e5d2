"""Arms of a transfer-learning experiment: what frozen layers and their BatchNorm do."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Arm:
    """The settings of the pretrained layers in one arm.

    Attributes:
        name: Short and fit for a file name.
        says: One line for tables and the report.
        trainable: Whether the pretrained layers' weights, gamma and beta train.
        training: Their BatchNorm's `training` flag.
        update_statistics: Their BatchNorm's `update_statistics` flag.
        momentum: Their BatchNorm's momentum; None: the config's.
        recalibrate: Whether the moving statistics are set to the target's population statistics once,
            before training (AdaBN).
        affine: Whether gamma and beta train, though the rest of the layer's stage is frozen.
        pretrained: Whether pretrained weights are loaded; otherwise the weights stay random.
        keeps_classifier: Whether the network keeps its old classifier, so that the new layer is on top of
            its outputs.
    """

    name: str
    says: str
    trainable: bool = False
    training: bool | None = None
    update_statistics: bool | None = None
    momentum: float | None = None
    recalibrate: bool = False
    affine: bool = False
    pretrained: bool = True
    keeps_classifier: bool = False


FROZEN = (
    Arm("inference", "frozen, training=False", training=False),
    Arm("batch", "frozen, training=True, statistics update", training=True),
    Arm("batch_slow", "like batch, with momentum 0.99", training=True, momentum=0.99),
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

# How far training gamma and beta alone gets.
_HELD, _UPDATED = {"training": False}, {"training": True}
AFFINE = {
    arm.name: arm
    for arm in (
        Arm("affine_held", "gamma, beta and the head train; statistics held", affine=True, **_HELD),
        Arm("affine_updated", "gamma, beta and the head train; statistics update", affine=True, **_UPDATED),
        Arm("everything_held", "everything trains; statistics held", trainable=True, **_HELD),
        Arm("everything_updated", "everything trains; statistics update", trainable=True, **_UPDATED),
        Arm("head_held", "the head trains; statistics held", **_HELD),
        Arm("head_updated", "the head trains; statistics update", **_UPDATED),
        Arm(
            "affine_random",
            "not pretrained: gamma, beta and the head train; statistics update",
            affine=True,
            pretrained=False,
            **_UPDATED,
        ),
        Arm(
            "head_random",
            "not pretrained: the head trains; statistics update",
            pretrained=False,
            **_UPDATED,
        ),
    )
}
