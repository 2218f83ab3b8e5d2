"""The part of a pretrained network that trains, crossed with the mode of its BatchNorm."""

from ..training.arms import Arm

STRATEGIES = {
    "everything": "pretrained, everything trains",
    "last": "pretrained, the last stage and the new layer train",
    "head": "pretrained, a new layer on top trains",
    "scratch": "not pretrained, everything trains",
}

MODES = {"inference": False, "batch": True}  # every BatchNorm's `training` flag


def arm_name(strategy: str, mode: str) -> str:
    """As `head_inference`."""
    return f"{strategy}_{mode}"


# The parameters of each arm.
CROSSED = {
    arm_name(strategy, mode): {"strategy": strategy, "mode": mode}
    for strategy in STRATEGIES
    for mode in MODES
}


def strategy_of(arm: str) -> str:
    """The strategy of an arm."""
    return CROSSED[arm]["strategy"]


ARMS = {
    name: Arm(
        name,
        f"{STRATEGIES[of['strategy']]}; BatchNorm with training={MODES[of['mode']]}",
        trainable=of["strategy"] in ("everything", "scratch"),
        training=MODES[of["mode"]],
        pretrained=of["strategy"] != "scratch",
    )
    for name, of in CROSSED.items()
}
