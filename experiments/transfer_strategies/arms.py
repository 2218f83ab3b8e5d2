"""The part of a pretrained network that trains, crossed with the mode of its BatchNorm."""

from ..training.arms import Arm

STRATEGIES = {
    "everything": "pretrained, everything trains",
    "last": "pretrained, the last stage and the new layer train",
    "last_1": "pretrained, the last block, what is after it and the new layer train",
    "last_2": "pretrained, the last two blocks, what is after them and the new layer train",
    "last_3": "pretrained, the last three blocks, what is after them and the new layer train",
    "head": "pretrained, a new layer on top trains",
    "outputs": "pretrained, a new layer on the outputs of the old classifier trains",
    "scratch": "not pretrained, everything trains",
}
BLOCKS = {"last_1": 1, "last_2": 2, "last_3": 3}  # of the network, that train

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


def can_cache(arm: Arm) -> bool:
    """Whether the outputs of the frozen layers stay the same throughout the training."""
    return strategy_of(arm.name) not in ("everything", "scratch") and arm.training is False


ARMS = {
    name: Arm(
        name,
        f"{STRATEGIES[of['strategy']]}; BatchNorm with training={MODES[of['mode']]}",
        trainable=of["strategy"] in ("everything", "scratch"),
        training=MODES[of["mode"]],
        pretrained=of["strategy"] != "scratch",
        keeps_classifier=of["strategy"] == "outputs",
    )
    for name, of in CROSSED.items()
}


def of_strategies(*strategies: str) -> tuple[str, ...]:
    """The arms of strategies, each in both modes.

    Example:

    >>> of_strategies("head")
    ('head_inference', 'head_batch')
    """
    return tuple(arm_name(strategy, mode) for strategy in strategies for mode in MODES)
