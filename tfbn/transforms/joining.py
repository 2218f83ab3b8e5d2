"""One optimizer, several starts: variables that join later count their steps from then on."""

import dataclasses
import warnings
from typing import Any

import keras

from tfbn.graph.keras_internals import optimizers as internals
from tfbn.graph.keras_internals.optimizer_twin import INSTEAD, TWINS, built_twin


@dataclasses.dataclass(frozen=True)
class Start:
    """Variables that joined an optimizer at the same time.

    Attributes:
        step: The optimizer's step count then.
        keys: The optimizer's keys of the variables.
        state: Other state that they do not share with the rest, by attribute of the optimizer: a
            running product, for example. Empty for those from step 0.
    """

    step: int
    keys: frozenset[Any]
    state: dict[str, Any] = dataclasses.field(default_factory=dict)


def starts_of(optimizer: Any) -> list[Start]:
    """When each variable of a built optimizer joined it."""
    twins = vars(optimizer).get(TWINS)
    keys = frozenset(internals.keys_of(optimizer, internals.known_variables(optimizer)))
    return [Start(0, keys)] if twins is None else twins.starts


def put_starts(optimizer: Any, starts: list[Start]) -> None:
    """Makes an optimizer update its variables like a separate optimizer for each start.

    The optimizer stays the same object, with its state in its own lists. Only its `apply` passes the
    gradients to its twins. If all variables were there from the first step, nothing is changed.
    """
    for name in (TWINS, *INSTEAD):
        vars(optimizer).pop(name, None)
    starts = [start for start in starts if start.keys]
    if any(start.step for start in starts):
        twins = Twins(optimizer, starts)
        vars(optimizer).update({TWINS: twins, "apply": twins.apply, "save_own_variables": twins.save})


class Twins:
    """The twins of one optimizer, and what stands in for its `apply` and `save_own_variables`."""

    def __init__(self, optimizer: Any, starts: list[Start]):
        self.optimizer, self.starts = optimizer, starts
        known = internals.known_variables(optimizer)
        mine = [[v for v in known if internals.key_of(optimizer, v) in start.keys] for start in starts]
        self.twins = [
            built_twin(optimizer, start.step, variables, start.state)
            for start, variables in zip(starts, mine, strict=True)
        ]
        self._place = {key: i for i, start in enumerate(starts) for key in start.keys}
        self._warned = False

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Updates each variable by the twin that it belongs to, then counts the step."""
        optimizer, grads = self.optimizer, list(grads)
        variables = list(trainable_variables or internals.known_variables(optimizer))
        keys = internals.keys_of(optimizer, variables)
        if not self._place.keys() >= set(keys):
            internals.check_known(optimizer, variables)  # says what to do
        shares: list[list[Any]] = [[] for _ in self.twins]
        for gradient, variable, key in zip(grads, variables, keys, strict=True):
            shares[self._place[key]].append((gradient, variable))
        some = [i for i, share in enumerate(shares) if any(gradient is not None for gradient, _ in share)]
        now = {i: _applied_now(self.twins[i], shares[i]) for i in some} if optimizer.global_clipnorm else {}
        for i in some or [i for i, share in enumerate(shares) if share][:1]:  # which says that there are none
            vars(self.twins[i])["_elsewhere"] = [g for j, grads in now.items() if j != i for g in grads]
            self.twins[i].apply(*zip(*shares[i], strict=True))
        internals.step_count(optimizer).assign_add(1)

    def save(self, store: Any) -> None:
        """Saves what the optimizer alone would save, and warns if something is lost."""
        counts = any(internals.step_count(twin).was_read for twin in self.twins)
        if counts and not self._warned:
            self._warned = True
            steps = sorted({start.step for start in self.starts})
            warnings.warn(
                "Layers that joined later count their own steps in this optimizer, but Keras saves one "
                f"count for all of it ({steps} are the steps at which they joined). After loading, they "
                "continue with that one count.",
                stacklevel=2,
            )
        type(self.optimizer).save_own_variables(self.optimizer, store)


def _applied_now(twin: Any, share: list[Any]) -> list[Any]:
    """The gradients that a twin applies in this step, for a norm over all of them."""
    plain = [(g, v) for g, v in share if g is not None and not internals.is_overwritten(v)]
    scale, steps = twin.loss_scale_factor, twin.gradient_accumulation_steps
    grads = [g if scale is None else g / scale for g, _ in plain]
    if not steps:
        return grads
    applies = keras.ops.equal((internals.step_count(twin) + 1) % steps, 0)
    sums = internals.gradient_sums(twin, [v for _, v in plain])
    return [
        (g + total) / steps * keras.ops.cast(applies, total.dtype)
        for g, total in zip(grads, sums, strict=True)
    ]
