"""The summary: what the guide's recipe does in the installed Keras."""

from pathlib import Path
from typing import Any

import pandas as pd

from tfbn.utils.words import counted

from ..lab import sentences
from ..lab.differences import paired
from ..lab.experiment import Summary
from ..lab.verdicts import Claim, judged, judged_facts
from ..training.sources import KERAS_FLAG, KERAS_INFERENCE, KERAS_TRAINABLE
from .arms import RECIPES
from .modes import STEPS, Modes, accuracy_table, behavior_table, figures, layer_table

STOCK = [name for name, recipe in RECIPES.items() if recipe.flag]
WITH_TFBN = [name for name, recipe in RECIPES.items() if recipe.tfbn]


def summarize(config: Any, results: pd.DataFrame, folder: Path) -> Summary:
    """The `Summary` of `keras_recipe`; accuracies in percent, differences in points."""
    layers = pd.read_parquet(folder / "layers.parquet")
    results = results.copy()
    accuracies = [name for name in results.columns if "accuracy" in name]
    results[accuracies] *= 100
    arms, modes = list(config.arms), Modes(results, layers)
    described = pd.DataFrame({"model": arms, "written as": [RECIPES[arm].says for arm in arms]})
    return Summary(
        findings=[line for line in findings(modes, results, config) if line],
        tables=[
            ("Ways to write the model", described),
            ("What fit did", behavior_table(modes, arms)),
            ("Moving statistics by layer while fit ran with the base unfrozen", layer_table(layers, arms)),
            *(
                (f"Test accuracy: {sentences.shift_in_words(shift)}", accuracy_table(results, shift, arms))
                for shift in config.shifts
            ),
        ],
        figures=figures(results, layers, arms),
        limits=[
            "Keras on its TensorFlow backend, in fit, and models written as in the first table. A custom "
            "training loop passes its own training flag.",
            f"Accuracies are of one network and {config.target_name}: "
            f"{counted(config.images_to_train_on, 'image')} to "
            f"train, fine-tuned with Adam at {config.fine_tuning_rate:g}. Whether it is good or bad that "
            "statistics move depends on the data and on how far the weights go.",
        ],
        claims=claims(modes, results, config),
    )


def findings(modes: Modes, results: pd.DataFrame, config: Any) -> list[str]:
    """The plain sentence first, then what it rests on."""
    ran = [arm for arm in (*STOCK, *WITH_TFBN) if arm in modes.arms]
    lines = [f"{RECIPES[arm].says}: {_recipe(modes, arm)}." for arm in ran]
    if lines:
        lines[0] = f"In Keras {modes.versions}, {lines[0]}"
    return [*lines, _as_without(results), *_accuracy_findings(results, config)]


def _recipe(modes: Modes, arm: str) -> str:
    """Whether the base is in inference mode in fit, and whether the head is in training mode."""
    kept = [modes.keeps(arm, step) for step in STEPS]
    if all(kept):
        said = "BatchNorm stays in inference mode in fit, base frozen or unfrozen"
    elif kept[0]:
        said = (
            "BatchNorm does not stay in inference mode in fit once the base is unfrozen "
            f"({modes.moved(arm, STEPS[1])})"
        )
    else:
        said = f"BatchNorm does not stay in inference mode in fit ({modes.moved(arm, STEPS[1])})"
    reached = modes.leak(arm)
    leak = f"the flag leaks to the head ({reached})" if reached else "the head is in training mode"
    return f"{said}; {leak}"


def _as_without(results: pd.DataFrame) -> str:
    """In how many runs the functional recipe gave exactly the loss that it gives without the flag."""
    if not {"no_flag", "functional"} <= set(results.arm):
        return ""
    losses = results.set_index(["condition", "seed"])[["arm", "fit_loss_unfrozen"]]
    with_flag, without = (losses[losses.arm == arm].fit_loss_unfrozen for arm in ("functional", "no_flag"))
    same = int((with_flag == without).sum())
    return (
        f"The functional recipe ends at the same training loss as the same model without the flag, to the "
        f"last bit, in {same} of {counted(len(without), 'run')}."
    )


def _held_minus_moving(results: pd.DataFrame, config: Any) -> dict[str, Any]:
    """By shift: test accuracy after unfreezing, statistics held (tfbn) minus not held (no flag)."""
    if not {"tfbn_functional", "no_flag"} <= set(results.arm):
        return {}
    metric = f"test_accuracy_{STEPS[1]}"
    return {s: paired(results, metric, s, "tfbn_functional", "no_flag") for s in config.shifts}


def _accuracy_findings(results: pd.DataFrame, config: Any) -> list[str]:
    changes = _held_minus_moving(results, config)
    parts = "; ".join(
        f"{sentences.shift_in_words(shift)}: {sentences.difference(change)}"
        for shift, change in changes.items()
    )
    return [f"Unfrozen with statistics held instead of moving, test accuracy. {parts}."] if parts else []


def claims(modes: Modes, results: pd.DataFrame, config: Any) -> list[Claim]:
    """Verdicts on the guide's sentences. They depend on the situations, not on the number of runs."""
    stock = [arm for arm in STOCK if arm in modes.arms]
    kept = {f"{arm}, {step}": modes.keeps(arm, step) for arm in stock for step in STEPS}
    local = {arm: not modes.leak(arm) for arm in stock}
    frozen = {a: modes.keeps(a, STEPS[0]) for a in modes.arms if not RECIPES[a].flag and not RECIPES[a].tfbn}
    where = f"Keras {modes.versions}, {counted(modes.runs, 'run')} each"
    found = [
        judged_facts(
            "base(x, training=False) keeps BatchNorm in inference mode in fit, also after unfreezing.",
            kept,
            "; ".join(f"{arm}, unfrozen: {modes.moved(arm, STEPS[1])}" for arm in stock) + f" ({where})",
            KERAS_FLAG,
        ),
        judged_facts(
            "training=False in a call concerns that call only.",
            local,
            "; ".join(f"{a}: {modes.leak(a) or 'head in training mode'}" for a in stock) + f" ({where})",
        ),
        judged_facts(
            "trainable=False keeps BatchNorm in inference mode in fit.",
            frozen,
            "; ".join(f"{arm}: {modes.moved(arm, STEPS[0])}" for arm in frozen) + f" ({where})",
            KERAS_TRAINABLE,
        ),
    ]
    changes = _held_minus_moving(results, config)
    says = (
        "Unfreezing destroys what was learned unless BatchNorm stays in inference mode "
        f"(momentum {config.momentum:g})."
    )
    return [*found, *([judged(says, changes, source=KERAS_INFERENCE)] if changes else [])]
