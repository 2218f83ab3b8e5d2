"""`tfbn.Doctor`: the same faults while a model trains, and those that only training shows."""

import warnings
from typing import Any, Literal

import keras
import numpy as np

from tfbn.diagnosis.catalog import broken_statistics
from tfbn.diagnosis.doctor import Diagnosis, text_of
from tfbn.diagnosis.doctor import doctor as before_training
from tfbn.diagnosis.finding import Finding
from tfbn.diagnosis.plan import Plan
from tfbn.utils.validation import InputError, check_at_least, check_choice

OnFinding = Literal["warn", "raise", "stop"]
# Steps after which the statistics are read: early, where faults show, and then rarely.
_EARLY = (1, 2, 5, 10, 20, 50)


class FaultError(RuntimeError):
    """A fault was found, and the callback was asked to raise."""


class Doctor(keras.callbacks.Callback):
    """Names faults of BatchNormalization that raise no error, before and during `fit`.

    Before the first step it looks for everything that `tfbn.doctor` knows. During training it
    reads the moving statistics after steps 1, 2, 5, 10, 20, 50 and then every `every` steps,
    and looks for layers that move although the audit says that they are held, and for
    statistics that are no longer finite. Each fault is reported once.

    It changes nothing in the model. A model that it does not understand, such as one that is
    not built before the first step, trains on; `unexamined` then says why.

    Args:
        batch_size: Examples per batch, for the faults that depend on it; `fit` does not tell
            callbacks.
        every: Read the statistics after this many steps, once training is under way.
        on_finding: `"warn"` issues a warning for each finding, `"stop"` also ends training
            after the step, `"raise"` raises a `FaultError`.

    Attributes:
        findings: What was found so far, a `Diagnosis`.
        unexamined: Why the model could not be examined before training, or None.

    Raises:
        InputError: A bad argument.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(momentum=0.5)])
    >>> model.compile("sgd", "mse")
    >>> doctor = Doctor()
    >>> x = np.random.default_rng(0).normal(3, 2, (64, 2)).astype("float32")
    >>> _ = model.fit(x, x, verbose=0, epochs=4, callbacks=[doctor])
    >>> print(doctor.findings)
    No fault found.
    """

    def __init__(self, batch_size: int | None = None, every: int = 200, on_finding: OnFinding = "warn"):
        super().__init__()
        if batch_size is not None:
            check_at_least("batch_size", batch_size, 1)
        self.batch_size = batch_size
        self.every = check_at_least("every", every, 1)
        self.on_finding = check_choice("on_finding", on_finding, ("warn", "raise", "stop"))
        self.findings = Diagnosis()
        self.unexamined: str | None = None
        self._start: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._plan: Plan | None = None
        self._step = 0
        self._next = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.findings, self.unexamined, self._step, self._next = Diagnosis(), None, 0, 1
        per_epoch, epochs = self.params.get("steps"), self.params.get("epochs")
        steps = per_epoch * epochs if per_epoch and epochs else None
        try:
            found = before_training(self.model, batch_size=self.batch_size, steps=steps)
            plan = Plan(self.model, batch_size=self.batch_size, steps=steps)
            held = (
                {row.path for row in plan.audit.rows if not row.fit.updates} if plan.audit.observed else set()
            )
        except InputError as error:
            self._plan, self.unexamined = None, str(error)
            return
        self._plan = plan
        self._start = {each.path: plan.statistics(each.layer) for each in plan.layers if each.path in held}
        self._report(found)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # With steps_per_execution, `batch` is the last one of the execution.
        executed = getattr(self.model, "steps_per_execution", 1)
        self._step += executed if isinstance(executed, int) else 1
        if self._plan is None or self._step < self._next:
            return
        self._next = next((step for step in _EARLY if step > self._step), self._step + self.every)
        self._report([*self._moved(self._plan), *broken_statistics(self._plan)])

    def on_train_end(self, logs: dict | None = None) -> None:
        if self._plan is not None:
            self._report([*self._moved(self._plan), *broken_statistics(self._plan)])
            self._plan, self._start = None, {}

    def _moved(self, plan: Plan) -> list[Finding]:
        moved = [
            each.path
            for each in plan.layers
            if each.path in self._start and _differ(self._start[each.path], plan.statistics(each.layer))
        ]
        if not moved:
            return []
        return [
            Finding(
                "held-statistics-moved",
                tuple(moved),
                f"moving statistics changed by step {self._step}",
                "statistics that are held, as the audit says",
                "The train step that runs is not the one that the flags describe: flags changed after it was "
                "traced, or other code assigns the statistics.",
                "model.compile(...)  # then fit again from the weights of before",
            )
        ]

    def _report(self, found: Any) -> None:
        known = {(finding.name, finding.layers) for finding in self.findings}
        new = [each for each in found if (each.name, each.layers) not in known]
        # Before the first step there is no step to name.
        new = [Finding(**{**vars(each), "step": self._step or None}) for each in new]
        self.findings = Diagnosis((*self.findings, *new))
        for finding in new:
            if self.on_finding == "raise":
                raise FaultError(text_of(finding))
            warnings.warn(text_of(finding), stacklevel=2)
        if new and self.on_finding == "stop":
            self.model.stop_training = True


def _differ(before: tuple[np.ndarray, np.ndarray], now: tuple[np.ndarray, np.ndarray]) -> bool:
    return not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, now, strict=True))
