"""Tables of `layer_order`, and the rule for what counts as zero."""

import pandas as pd

from ..lab.differences import paired
from ..lab.intervals import interval, mean_and_sd
from .arms import COST, EFFECT, ORDERS

MODES = {"batch": "normalized by the batch", "moving": "training=False"}
MEASURES = {
    "output": "outputs, sd",
    "gradient": "other gradients, relative",
    "bias_gradient": "bias gradient / kernel's",
}
ZERO = 1e-9  # in float64, whose rounding of 1e-16 grows through the layers; float32's is 1e-7


def largest(results: pd.DataFrame, order: str, mode: str, dtype: str) -> dict[str, float]:
    """The largest change of each kind over the seeds."""
    part = results[(results.condition == EFFECT) & (results.arm == order)]
    return {measure: float(part[f"{measure}_{mode}_{dtype}"].max()) for measure in MEASURES}


def is_zero(sizes: dict[str, float]) -> bool:
    """Whether nothing changed but by rounding, and the bias's gradient is rounding too."""
    return all(size <= ZERO for size in sizes.values())


def effect_text(results: pd.DataFrame, order: str, mode: str) -> str:
    """What the bias does in one order and mode, in words."""
    sizes = largest(results, order, mode, "float64")
    if is_zero(sizes):
        return f"without effect (float64: outputs and gradients within {max(sizes.values()):.0e})"
    return (
        f"has an effect (outputs change by {sizes['output']:.2g} standard deviations, its gradient is "
        f"{sizes['bias_gradient']:.2g} of the kernel's)"
    )


def effect_table(results: pd.DataFrame, dtype: str) -> pd.DataFrame:
    """One row for each order and mode: what the bias changes, and what follows from float64."""
    rows = []
    for order in ORDERS:
        for mode, label in MODES.items():
            sizes = largest(results, order, mode, dtype)
            zero = is_zero(largest(results, order, mode, "float64"))
            row = {"order": order, "BatchNorm": label}
            row |= {MEASURES[measure]: f"{size:.1e}" for measure, size in sizes.items()}
            rows.append({**row, "the bias is": "without effect" if zero else "not without effect"})
    return pd.DataFrame(rows)


def cost_table(results: pd.DataFrame) -> pd.DataFrame:
    """One row per order: parameters and time, without and with the bias."""
    rows = []
    for order in ORDERS:
        part = results[(results.condition == COST) & (results.arm == order)]
        change = interval(part.time_percent)
        rows.append(
            {
                "order": order,
                "parameters": f"{part.parameters.mean():.0f}",
                "of the bias": f"{part.extra_parameters.mean():.0f}",
                "step without, ms": f"{1e3 * part.step_seconds.median():.2f}",
                "time with the bias, %": change.text(),
                "agree": f"{change.agree}/{change.seeds}",
            }
        )
    return pd.DataFrame(rows)


def accuracy_table(trained: pd.DataFrame, network: str, arms: list[str], reference: str) -> pd.DataFrame:
    """One row per arm: accuracy in both modes, and the paired difference to the usual order."""
    rows = []
    of_network = trained[trained.condition == network]
    ran = [arm for arm in arms if (of_network.arm == arm).any()]
    for arm in ran:
        part = of_network[of_network.arm == arm]
        compared = reference in ran and arm != reference
        change = paired(trained, "test_accuracy", network, arm, reference) if compared else None
        rows.append(
            {
                "order": arm,
                "inference mode, %": mean_and_sd(part.test_accuracy),
                "by the batch, %": mean_and_sd(part.test_accuracy_batch),
                f"minus {reference}, points": change.text() if change else "-",
                "agree": f"{change.agree}/{change.seeds}" if change else "-",
                "largest bias moved": f"{part.bias_moved.max():.2g}"
                if part.bias_moved.notna().any()
                else "-",
            }
        )
    return pd.DataFrame(rows)
