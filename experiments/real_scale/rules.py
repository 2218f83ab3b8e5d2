"""What counts as a finding, fixed before the first run of the study. Imports nothing heavy.

1. A claim compares two arms, paired by seed, in percentage points of accuracy on test images
   in inference mode. Three measures: the head after the short training; a converged head on
   the features that `fit` saw; a converged head fitted on inference features ("refitted").
2. The interval of a difference over k seeds is Student's, `mean ± t(0.975, k - 1) * se`, with
   `se = max(sd / sqrt(k), binomial)`, where `binomial = 100 * sqrt((p(1 - p) + q(1 - q)) / n)`
   with the arms' mean accuracies p and q and n test images over all seeds together. The seeds'
   test images are disjoint. So no interval is narrower than the noise of the test images.
3. A difference is above or below zero where its two-sided p value, corrected after Holm over
   the conditions of the claim, is below 0.05. Two arms are equivalent where both one-sided
   tests put the difference within ± MARGIN points (the larger p value, corrected likewise).
4. With fewer than LEAST_SEEDS seeds a condition has no verdict, and does not count for the
   correction.
5. The verdict on a claim that says "above zero":
   holds: above in every condition; does not hold: below in at least one, above in none;
   depends: above in at least one and below in at least one;
   shown only there: above in some, and in the others equivalent or not decided;
   no difference: equivalent in every condition; else: cannot tell.
6. The claim of an interaction compares the difference under one condition with that under
   another, seed by seed, and is decided by the same rules over its pairs of conditions.
7. The learning rate of each arm is the one with the best accuracy on validation images, of
   equal ones the smallest. Test images are used once, at the end.
8. Nothing is left out: every condition and arm with LEAST_SEEDS seeds is in the table.

The four claims about updating statistics (arms `updating_...`) were added later, in a commit before
the first run of these arms and with the other frozen arms' results known. So was the condition
`short_tuning`, before its first run and before any other run that trains the network had ended; the
claims about fine-tuning are as they were. Fine-tuning everything in six more conditions, and the three
claims about gamma and beta alone and about statistics held for the last third, were added before their
first run; of gamma and beta one seed had run. Two of the six conditions, `large_images` and `digits`, were
dropped again before their first run, so that the study takes at most four hours on two cores. Every row of
results names the commit of the code that ran, whose rules these are.
"""

import dataclasses
from typing import Any

from .conditions import UPDATED

LEVEL = 0.05
MARGIN = 2.0  # points
LEAST_SEEDS = 4
MEASURES = {
    "test_accuracy": "short training",
    "converged_accuracy": "converged head, on features as fit saw them",
    "refitted_accuracy": "converged head, refitted on inference features",
}
PIXELS = ("contrast", "faint", "noise", "toy_contrast", "digits_contrast", "photographs_contrast")
PAIRS = (
    ("contrast", "base"),
    ("faint", "base"),
    ("noise", "base"),
    ("toy_contrast", "toy"),
    ("digits_contrast", "digits"),
    ("photographs_contrast", "photographs"),
)


@dataclasses.dataclass(frozen=True)
class Rule:
    """A claim before it is judged.

    Attributes:
        claim: In one sentence; it says that a difference is above zero.
        arm: The arm that is said to be better.
        reference: The arm that is subtracted.
        measures: The columns that it is judged by, each for itself.
        source: Who says so; empty for a question of our own.
        quote: Their words, at most 25.
        url: Where they stand.
        conditions: The conditions that the claim is about; empty: all.
        pairs: For an interaction: the first condition of each is said to have the larger difference.
    """

    claim: str
    arm: str
    reference: str
    measures: tuple[str, ...]
    source: str = ""
    quote: str = ""
    url: str = ""
    conditions: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()


KERAS: dict[str, Any] = {
    "source": "Keras's guide to transfer learning",
    "quote": "Otherwise the updates applied to the non-trainable weights will suddenly destroy what the "
    "model has learned.",
    "url": "https://keras.io/guides/transfer_learning/",
}
_BUDGETS = ("test_accuracy", "converged_accuracy")

RULES = (
    Rule(
        "Frozen layers: training=False is better than training=True at Keras's default momentum, 0.99.",
        "inference", "batch_0.99", _BUDGETS, **KERAS,
    ),
    Rule(
        "Frozen layers: training=False is better than training=True at momentum 0.9.",
        "inference", "batch_0.9", _BUDGETS, **KERAS,
    ),
    Rule(
        "Frozen layers: training=False is better than training=True with the statistics held.",
        "inference", "batch_held", _BUDGETS,
    ),
    Rule(
        "The target's statistics are better than the pretrained ones.",
        "recalibrated", "inference", ("test_accuracy", "refitted_accuracy"),
        source="Li et al., 2016 (AdaBN)",
        quote="By modulating the statistics in all Batch Normalization layers across the network, our "
        "approach achieves deep adaptation effect for domain adaptation tasks.",
        url="https://arxiv.org/abs/1603.04779",
    ),
    Rule(
        "Where the pixels are corrupted, the target's statistics are better than the pretrained ones.",
        "recalibrated", "inference", ("test_accuracy", "refitted_accuracy"),
        source="Schneider et al., 2020",
        quote="Replacing the activation statistics estimated by batch normalization on the training set with "
        "the statistics of the corrupted images consistently improves the robustness",
        url="https://arxiv.org/abs/2006.16971",
        conditions=PIXELS,
    ),
    Rule(
        "The target's statistics gain more where the pixels are shifted.",
        "recalibrated", "inference", ("test_accuracy", "refitted_accuracy"), pairs=PAIRS,
    ),
    Rule(
        "Half of the target's statistics are better than the pretrained ones alone.",
        "blend_0.5", "inference", ("test_accuracy", "refitted_accuracy"),
    ),
    Rule(
        "Half of the target's statistics are better than the target's alone.",
        "blend_0.5", "recalibrated", ("test_accuracy", "refitted_accuracy"),
    ),
    *(
        Rule(
            f"Frozen layers, training=False: statistics held are better than updated ones at momentum {m}.",
            "inference", f"updating_{m}", tuple(MEASURES), conditions=UPDATED, **KERAS,
        )
        for m in (0.99, 0.9)
    ),
    *(
        Rule(
            "Frozen layers whose statistics update: normalizing by them in fit is better than by the batch, "
            f"at momentum {m}.",
            f"updating_{m}", f"batch_{m}", _BUDGETS, conditions=UPDATED,
        )
        for m in (0.99, 0.9)
    ),
    Rule(
        "Fine-tuning everything: statistics held are better than updated ones at momentum 0.99.",
        "tuned_held", "tuned_batch_0.99", ("test_accuracy",), **KERAS,
    ),
    Rule(
        "Fine-tuning everything: statistics held are better than updated ones at momentum 0.9.",
        "tuned_held", "tuned_batch_0.9", ("test_accuracy",), **KERAS,
    ),
    Rule(
        "Linear probing first, then fine-tuning, is better than fine-tuning at once.",
        "probed_then_tuned", "tuned_held", ("test_accuracy",),
        source="Kumar et al., 2022",
        quote="LP-FT outperforms both fine-tuning and linear probing on the above datasets",
        url="https://arxiv.org/abs/2202.10054",
    ),
    Rule(
        "Fine-tuning everything, statistics updated at momentum 0.99: holding them at last is better.",
        "tuned_late", "tuned_batch_0.99", ("test_accuracy",),
    ),
    Rule(
        "Fine-tuning gamma, beta and the head: statistics held are better than updated at momentum 0.99.",
        "affine_held", "affine_batch_0.99", ("test_accuracy",), **KERAS,
    ),
    Rule(
        "Fine-tuning everything is better than fine-tuning gamma, beta and the head, statistics held.",
        "tuned_held", "affine_held", ("test_accuracy",),
        source="Kanavati and Tsuneki, 2021, who found them similar",
        quote="only fine-tuning the trainable weights (scale and centre) of the batch normalisation layers "
        "leads to similar performance as to fine-tuning all of the weights",
        url="https://proceedings.mlr.press/v143/kanavati21a.html",
    ),
)  # fmt: skip
