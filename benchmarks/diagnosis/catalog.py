"""The doctor's faults, and the ways in which each is planted."""

import dataclasses
from collections.abc import Callable

from benchmarks.diagnosis import before_training as before
from benchmarks.diagnosis import while_training as during
from benchmarks.diagnosis.own_steps import Adversarial, Perturbed, Twice


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault of the catalog.

    Attributes:
        title: In words.
        name: Of its finding; several if the installed Keras or the way decides.
        ways: What plants it: functions of a model, data and a doctor.
    """

    title: str
    name: tuple[str, ...]
    ways: tuple[Callable, ...]


FAULTS = (
    Fault("averaged weights, raw statistics", ("averaged-weights",), (before.averaged, before.swapped)),
    Fault("momentum too slow for the steps", ("slow-momentum",), (before.default_momentum,)),
    Fault("lagging statistics", ("lagging-statistics",), (during.growing,)),
    Fault("statistics held, batch normalizes", ("statistics-held",), (before.held,)),
    Fault("frozen layers that move", ("held-statistics-moved",), (during.assigned,)),
    Fault(
        "`training=` at a call site",
        ("overridden-call-site", "leaking-call-site"),
        (before.flag_at_the_call,),
    ),
    Fault("`trainable` toggled after compile", ("changed-after-compile",), (during.toggled,)),
    Fault("last batch of one or few", ("small-last-batch",), (during.ragged_end,)),
    Fault("`N * H * W` too small", ("few-values",), (during.tiny_batches,)),
    Fault("gradient accumulation", ("gradient-accumulation",), (during.accumulated,)),
    Fault(
        "NaN, infinite, overflowing, or dead",
        ("broken-statistics", "dead-layer"),
        (before.not_a_number, during.infinite_value, during.overflowing, before.dead),
    ),
    Fault("batches sorted by class", ("sorted-batches",), (during.sorted_by_class,)),
    Fault("one class per batch", ("one-class-batches",), (during.one_class_a_batch, during.first_class_only)),
    Fault("two domains in one batch", ("mixed-domains",), (during.two_halves, during.odd_and_even)),
    Fault(
        "two domains by turns",
        ("alternating-domains",),
        (during.step_by_step, during.siamese, during.own(Adversarial)),
    ),
    Fault("second forward pass, other data", ("second-forward-pass",), (during.own(Perturbed),)),
    Fault("recomputation updates twice", ("updates-twice",), (during.recomputed, during.own(Twice))),
    Fault("evaluation with `training=True`", ("training-in-evaluate",), (during.evaluated_in_training,)),
    Fault(
        "validation data in another range",
        ("validation-range",),
        (during.validated_in_bytes, during.validated_symmetrically),
    ),
    Fault("stock layers in place of frozen ones", ("lost-flags",), (before.lost_flags,)),
    Fault("synchronized layers that are not", ("unsynchronized-replicas",), (before.partly_synchronized,)),
    Fault("statistics still at (0, 1)", ("initial-statistics",), (before.never_measured,)),
    Fault("epsilon exceeds the variances", ("large-epsilon",), (before.converted_epsilon,)),
    Fault("evaluation bad, and not BatchNorm's doing", ("not-batch-normalization",), (during.other_labels,)),
)

# What else is said, and rightly: the planted fault brings it about.
ALONG = {
    "toggled": {"held-statistics-moved"},
    "first_class_only": {"slow-momentum"},
    "growing": {"slow-momentum"},
    "swapped": set(),
}
