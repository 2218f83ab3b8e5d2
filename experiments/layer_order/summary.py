"""The summary: the effect of the order of layers, and of a bias before BatchNorm."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbn.utils.words import counted

from ..lab import plots, sentences
from ..lab.differences import paired
from ..lab.experiment import Summary
from ..lab.intervals import Interval, interval
from ..lab.verdicts import Claim, judged, judged_facts
from ..training.sources import BEFORE_RELU, NO_BIAS
from .arms import BIASED, COST, ORDERS, is_usual
from .tables import (
    MODES,
    accuracy_table,
    cost_table,
    effect_table,
    effect_text,
    is_zero,
    largest,
)

if TYPE_CHECKING:
    import pandas as pd

USUAL = ORDERS[0]


def summarize(config: Any, results: "pd.DataFrame", folder: Path) -> Summary:
    """The `Summary` of `layer_order`; accuracies in percent, differences in points."""
    results = results.copy()
    accuracies = [name for name in results.columns if "accuracy" in name]
    results[accuracies] *= 100
    trained = results[results.condition.isin(config.networks)]
    arms = list(config.arms)
    return Summary(
        findings=findings(config, results),
        tables=[
            *(
                (f"What a bias changes: {config.compared}, {dtype}", effect_table(results, dtype))
                for dtype in ("float64", "float32")
            ),
            (f"What a bias costs: {config.compared}", cost_table(results)),
            *((f"Accuracy after {config.steps} steps: {n}", accuracy_table(trained, n, arms, USUAL))
              for n in config.networks),
        ],
        figures=[
            (
                "Test accuracy by order",
                f"After {config.steps} steps of training. Small marks are seeds, large marks their mean.",
                plots.by_arm(trained, {"test_accuracy": "inference mode",
                                       "test_accuracy_batch": "normalized by the batch"},
                             arms, "test accuracy, %"),
            )
        ],
        limits=[
            f"Accuracies are after {config.steps} steps, on {config.train_images} images of "
            f"{config.source.name}: how fast an order learns, not where it ends.",
            "A plain network in the order bn-relu-conv is the one in the order conv-bn-relu, layer for "
            "layer, so it is not trained.",
            f"Times are of {config.compared} on this machine's processor, at batches of "
            f"{config.batch_size}. On another device a bias may cost more or less.",
        ],
        claims=claims(config, results),
    )  # fmt: skip


def findings(config: Any, results: "pd.DataFrame") -> list[str]:
    """Sentences that follow from the numbers."""
    lines = []
    for mode, label in MODES.items():
        said = [f"{order} {effect_text(results, order, mode)}" for order in ORDERS]
        lines.append(f"A bias in the convolutions, {label}: {'; '.join(said)}.")
    rounded = [largest(results, order, "batch", "float32") for order in ORDERS if order != "conv-relu-bn"]
    lines.append(
        "In float32 the bias that is without effect still changes outputs by up to "
        f"{max(sizes['output'] for sizes in rounded):.0e} standard deviations and gradients by up to "
        f"{max(sizes['gradient'] for sizes in rounded):.0e} of their norm: rounding, amplified."
    )
    for order in ORDERS:
        cost = results[(results.condition == COST) & (results.arm == order)]
        share = 100 * (cost.extra_parameters / cost.parameters).mean()
        lines.append(
            f"With {order} the bias adds {cost.extra_parameters.mean():.0f} parameters ({share:.1f} %); a "
            f"train step's time is {sentences.difference(interval(cost.time_percent), '%')}."
        )
    for network in config.networks:
        parts = [f"{arm} {sentences.difference(c)}" for arm, c in _orders(config, results, network).items()]
        if parts:
            lines.append(f"{network}, test accuracy against {USUAL}: {'; '.join(parts)}.")
    return [*lines, *_walk(config, results)]


def _walk(config: Any, results: "pd.DataFrame") -> list[str]:
    """How far Adam moves biases whose gradient is rounding noise, and the effect on accuracy."""
    arm, lines = f"{USUAL}{BIASED}", []
    for network in config.networks:
        part = results[(results.condition == network) & (results.arm == arm)]
        if not len(part) or USUAL not in config.arms:
            continue
        change = paired(results, "test_accuracy", network, arm, USUAL)
        lines.append(
            f"{network}, {USUAL} with a bias: Adam divides by the gradient's size, so rounding noise alone "
            f"moved biases by up to {part.bias_moved.max():.2g} in {config.steps} steps; test accuracy is "
            f"{sentences.difference(change)} than without."
        )
    return lines


def _orders(config: Any, results: "pd.DataFrame", network: str) -> dict[str, Interval]:
    """Each other order minus the usual one, without a bias where that is without effect."""
    others = [o for o in ORDERS[1:] if {o, USUAL} <= set(config.arms) and not is_usual(network, o)]
    return {order: paired(results, "test_accuracy", network, order, USUAL) for order in others}


def claims(config: Any, results: "pd.DataFrame") -> list[Claim]:
    """What the runs say; zero to rounding is `layer_order_tables.ZERO`, in float64."""
    effect = {(order, mode): largest(results, order, mode, "float64") for order in ORDERS for mode in MODES}
    outputs = "; ".join(
        f"{label}: " + ", ".join(f"{order} {effect[order, mode]['output']:.1e}" for order in ORDERS)
        for mode, label in MODES.items()
    )
    cost = results[results.condition == COST]
    between = {
        f"{network} vs {order}": change.negative()
        for network in config.networks
        for order, change in _orders(config, results, network).items()
    }
    found = [
        judged_facts(
            "A convolution's bias before BatchNorm is without effect.",
            {f"{order}, {MODES[mode]}": is_zero(sizes) for (order, mode), sizes in effect.items()},
            "change of the outputs in standard deviations, float64, "
            f"{counted(config.seeds, 'seed')}: {outputs}",
            NO_BIAS,
        ),
        judged(
            "Leaving the bias away makes training faster.",
            {order: interval(cost[cost.arm == order].time_percent) for order in ORDERS},
            unit="% of a step",
        ),
    ]
    if between:
        says = "BatchNorm belongs between the convolution and the ReLU."
        found.append(judged(says, between, source=BEFORE_RELU))
    return found
