"""`tfbn.Doctor`: the same faults while a model trains, and those that only training shows."""

import dataclasses
import functools
import os
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Literal

import keras
import numpy as np

from tfbn.auditing.traced_flags import changed_since_traced
from tfbn.callbacks import building
from tfbn.callbacks.evaluation_step import EvaluationStep
from tfbn.callbacks.step_hook import StepHook, in_step
from tfbn.callbacks.step_statistics import StepStatistics
from tfbn.diagnosis import Diagnosis, FaultError, Finding, batch_checks, evaluation_checks
from tfbn.diagnosis.batch_measurements import Looks
from tfbn.diagnosis.catalog import CHECKS as BEFORE
from tfbn.diagnosis.doctor import text_of
from tfbn.diagnosis.finding import fault
from tfbn.diagnosis.plan import Plan
from tfbn.diagnosis.saved_modes import saved_modes
from tfbn.diagnosis.statistics_checks import broken_statistics
from tfbn.graph.traversal import batch_normalizations
from tfbn.summary import findings as write_findings
from tfbn.utils.distribution import scope_of
from tfbn.utils.files import can_be_written
from tfbn.utils.validation import InputError, check_at_least, check_choice, fail

OnFinding = Literal["warn", "raise", "stop"]
# Steps after which the statistics are read: early, where faults show, and then rarely.
_EARLY = (1, 2, 5, 10, 16, 22, 28, 34, 40, 50)


class Doctor(keras.callbacks.Callback):
    """Names faults of BatchNormalization that raise no error, before and during `fit`.

    Before the first step it looks for everything that `tfbn.doctor` knows. During training it
    looks at what the layers get, inside the train step (on TensorFlow, on one device): in the
    first 16 steps, in every third step up to 49, and in every 101st after that. It compares the two
    halves of each batch to learn how much the batch's statistics vary by sampling alone, and
    reports only what exceeds that. It reads the results, and the moving statistics, after steps
    1, 2, 5, 10, 16, 22, 28, 34, 40, 50 and then every `every` steps. Each fault is reported once.

    It changes nothing in the model, and training runs to the same bits. A model that it does not
    understand, such as one that is not built before the first step, trains on; `unexamined` then
    says why.

    Args:
        batch_size: Examples per batch, for the faults that depend on it before the first step;
            `fit` does not tell callbacks.
        every: Read the statistics after this many steps, once training is under way.
        on_finding: `"warn"` issues a warning for each finding, `"stop"` also ends training
            after the step, `"raise"` raises a `FaultError`.
        log_dir: The folder of a run, for the BatchNorm tab of TensorBoard: the findings are
            written there as they come. None: nowhere.
        saved: A `.keras` file of the model as it is meant to be, see `tfbn.doctor`.

    Attributes:
        findings: What was found so far, a `Diagnosis`.
        unexamined: What could not be examined, and why, or None.

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

    def __init__(
        self,
        batch_size: int | None = None,
        every: int = 200,
        on_finding: OnFinding = "warn",
        log_dir: str | os.PathLike | None = None,
        saved: str | os.PathLike | None = None,
    ):
        super().__init__()
        if batch_size is not None:
            check_at_least("batch_size", batch_size, 1)
        if log_dir is not None and not (isinstance(log_dir, str | os.PathLike) and can_be_written(log_dir)):
            raise fail("log_dir", "to be a folder that can be written, or None", log_dir)
        self.batch_size = batch_size
        self.every = check_at_least("every", every, 1)
        self.on_finding = check_choice("on_finding", on_finding, ("warn", "raise", "stop"))
        if saved is not None:
            saved_modes(saved)  # raises for a file that is none
        self.log_dir, self.saved = log_dir, saved
        self.findings = Diagnosis()
        self.unexamined: str | None = None
        self._start: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._plan: Plan | None = None
        self._hook: StepHook | None = None
        self._in_step: StepStatistics | None = None
        self._in_evaluation: EvaluationStep | None = None
        self._left_out: str | None = None  # why it does not measure in the step
        self._step = self._next = 0
        self._stride = 1  # steps from one call of on_train_batch_end to the next

    # What Keras calls.

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._let_go()
        self._left_out = None
        if model is not None:
            try:  # a model's own code can raise anything
                self._left_out = _why_not_in_step(model)
                # `fit` makes its train function after this, and calls on_train_begin after that.
                if self._left_out is None and building.is_ready(model):
                    self._enter_the_step(model)
            except Exception as error:
                self._left_out = f"{type(error).__name__}: {error}"

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.findings, self.unexamined = Diagnosis(), self._left_out
        self._step, self._next = 0, 1
        self._stride = building.steps_per_execution(self.model)
        self._plan = None
        params = self.params or {}  # none in a custom loop
        per_epoch, epochs = params.get("steps"), params.get("epochs")
        steps = per_epoch * epochs if per_epoch and epochs else None
        found = self._attempt(lambda: self._before(steps))
        if found is None:
            return
        if self._in_step is not None:
            self._in_evaluation = self._attempt(lambda: EvaluationStep(self.model))
        self._report(found)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # On JAX, each use of self.model brings all variables up to date, which takes long.
        self._step += self._stride
        if self._plan is None or self._step < self._next:
            return
        self._next = next((step for step in _EARLY if step > self._step), self._step + self.every)
        self._report(self._attempt(self._now))

    def on_test_begin(self, logs: dict | None = None) -> None:
        if self._in_evaluation is not None:
            self._in_evaluation.begin()

    def on_test_end(self, logs: dict | None = None) -> None:
        if self._plan is not None and self._in_evaluation is not None:
            self._report(self._attempt(self._of_evaluation))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self._plan is not None and logs and any(name.startswith("val_") for name in logs):
            names = self.findings.names
            self._report(self._attempt(lambda: evaluation_checks.bad_evaluation(self._looks(), logs, names)))

    def on_train_end(self, logs: dict | None = None) -> None:
        found = self._attempt(self._now) if self._plan is not None else None
        self._let_go()
        self._plan, self._start = None, {}
        self._report(found)

    # What it looks for.

    def _before(self, steps: int | None) -> Iterable[Finding]:
        plan = Plan(self.model, batch_size=self.batch_size, steps=steps, saved=self.saved)
        held = {row.path for row in plan.audit.rows if not row.fit.updates} if plan.audit.observed else set()
        self._start = {each.path: plan.statistics(each.layer) for each in plan.layers if each.path in held}
        self._plan = plan
        return self._by(BEFORE.values(), plan)

    def _now(self) -> Iterable[Finding]:
        _ = self.model  # on JAX, this brings the variables up to date
        found = self._by([self._moved, broken_statistics], self._plan)
        looks = self._looks()
        return found + (self._unknown(self._by(batch_checks.CHECKS, looks)) if looks is not None else [])

    def _by(self, checks: Iterable[Callable[[Any], Iterable[Finding]]], of: Any) -> list[Finding]:
        """What checks find; one that fails does not stop the others."""
        return [each for check in checks for each in self._attempt(functools.partial(check, of)) or ()]

    def _of_evaluation(self) -> Iterable[Finding]:
        assert self._in_evaluation is not None
        found = [*evaluation_checks.training_in_evaluate(self._in_evaluation.in_training_mode)]
        looks, inputs = self._looks(), self._in_evaluation.read()
        if looks is not None and inputs is not None:
            found += evaluation_checks.other_range(looks, inputs)
        return self._unknown(found)

    def _looks(self) -> Looks | None:
        looks = None if self._in_step is None else self._in_step.read()
        problem = None if self._in_step is None else self._in_step.problem
        self.unexamined = self.unexamined or problem
        return looks

    def _unknown(self, found: Iterable[Finding]) -> list[Finding]:
        """Without those whose name is known: the layers that a fault shows in vary from look to look."""
        return [each for each in found if each.name not in self.findings.names]

    def _moved(self, plan: Plan) -> list[Finding]:
        moved = [
            each.path
            for each in plan.layers
            if each.path in self._start and _differ(self._start[each.path], plan.statistics(each.layer))
        ]
        if not moved:
            return []
        return [
            fault(
                "held-statistics-moved",
                tuple(moved),
                f"moving statistics changed by step {self._step}",
                "held statistics, according to the audit",
                "The train step does not do what the flags say: they changed after it was traced, or "
                "other code assigns the statistics.",
                "model.compile(...)  # then fit again, from the earlier weights",
            )
        ]

    # What becomes of it.

    def _attempt(self, examine: Callable[[], Any]) -> Any:
        """Examines; a model that cannot be examined trains on."""
        try:
            found = examine()
            return found if isinstance(found, EvaluationStep) else list(found)
        except InputError as error:
            self.unexamined = str(error)
        except Exception as error:  # a model's own code, and its data, can raise anything
            self.unexamined = f"{type(error).__name__}: {error}"
        return None

    def _report(self, found: Any) -> None:
        known = {(finding.name, finding.layers) for finding in self.findings}
        new = [each for each in found or () if (each.name, each.layers) not in known]
        # Before the first step there is no step to name.
        new = [dataclasses.replace(each, step=self._step or None) for each in new]
        self.findings = Diagnosis((*self.findings, *new))
        if new and self.log_dir is not None:
            self._attempt(lambda: write_findings(self.log_dir, self.findings) or ())  # type: ignore[arg-type, func-returns-value]
        for finding in new:
            if self.on_finding == "raise":
                self._let_go()
                raise FaultError(text_of(finding))
            warnings.warn(text_of(finding), stacklevel=2)
        if new and self.on_finding == "stop":
            self.model.stop_training = True

    # In the model.

    def _enter_the_step(self, model: Any) -> None:
        try:
            with scope_of(model):
                self._in_step = StepStatistics(model)
        except InputError:  # no BatchNormalization; on_train_begin says so
            return
        self._hook = StepHook(model)
        self._hook.around_step = self._in_step.around_step
        self._hook.when_removed = self._let_go

    def _let_go(self) -> None:
        """Takes everything out of the model."""
        hook, evaluation = self._hook, self._in_evaluation
        self._hook = self._in_step = self._in_evaluation = None
        if hook is not None:
            hook.remove()
        if evaluation is not None:
            evaluation.remove()


def _why_not_in_step(model: Any) -> str | None:
    only = "so only what the model's flags and moving statistics show was examined, not its batches"
    if not in_step():
        return f"The backend is {keras.backend.backend()}, {only}."
    # The replicas' threads take turns inside a step, so a layer cannot be watched there.
    if getattr(getattr(model, "distribute_strategy", None), "num_replicas_in_sync", 1) > 1:
        return f"The model trains on several replicas, {only}."
    # They would take effect if the step were traced again.
    if any(changed_since_traced(model, batch_normalizations(model))):
        return f"Flags changed since the train step was traced, {only}."
    return None


def _differ(before: tuple[np.ndarray, np.ndarray], now: tuple[np.ndarray, np.ndarray]) -> bool:
    return not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, now, strict=True))
