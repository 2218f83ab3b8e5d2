"""From a command line to a result: the `main` that every experiment's binary shares."""

import functools
import importlib
import signal
import sys
import webbrowser
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from tfbn.utils.extras import EXPERIMENTS, check_installed
from tfbn.utils.pipes import reader_may_leave
from tfbn.utils.quiet import load_tensorflow
from tfbn.utils.short_warnings import short_warnings
from tfbn.utils.validation import InputError

from . import executor, options, plan, trackers
from . import flags as config_flags
from .dispatch import FailedRunsError
from .experiment import Cell, Collection, Experiment, Question, Summary
from .store import Store, folder_of

EXIT_RUNS_FAILED, EXIT_USER_ERROR, EXIT_STOPPED = 1, 2, 130


def run(experiment: Question) -> None:
    """Reads the flags, runs the experiment, and shows and writes the report.

    A user's mistake gives one line on standard error and exit status 2.
    """
    experiment = _importable(experiment)
    logging.set_verbosity(logging.WARNING)
    signal.signal(signal.SIGTERM, _stop)
    config_flags.define(experiment.config_class)
    main_module = sys.modules["__main__"]
    arms = "".join(f"\n  {name}: {says}" for name, says in experiment.arms.items())
    main_module.__doc__ = f"{main_module.__doc__}\nArms:{arms}\n" if arms else main_module.__doc__
    app.run(lambda argv: _main(experiment, argv), flags_parser=_parse)


def _importable(experiment: Question) -> Question:
    """The same experiment under its module's own name, so that any worker can import its functions."""
    spec = sys.modules["__main__"].__spec__
    return importlib.import_module(spec.name).EXPERIMENT if spec is not None else experiment


def _parse(argv: list[str]) -> list[str]:
    try:
        with reader_may_leave():
            return flags.FLAGS(argv)
    except (flags.Error, ValueError) as error:  # the latter where --no<flag> is given a value
        raise _exit_with(f"{str(error).removesuffix(' ?')}. See --help.") from None
    except SystemExit:  # the help was printed; absl would make that a failure
        raise SystemExit(0) from None


def _main(experiment: Question, argv: list[str]) -> None:
    try:
        if len(argv) > 1:
            raise InputError(f"Expected flags only. Received: {' '.join(argv[1:])}")
        config: Any = config_flags.read(experiment.config_class)
        options.check(config)
        check_installed(*EXPERIMENTS)
        if experiment.uses_tensorflow:
            if not (config.dry_run or getattr(config, "audit", False)):
                executor.prepare(config)
            load_tensorflow()
        asked = {"dry_run": functools.partial(plan.describe, experiment), "audit": experiment.audit}
        for name, tell in asked.items():
            if tell is not None and getattr(config, name, False):
                experiment.check(config)
                said = tell(config)
                with reader_may_leave():
                    print(said)
                return
        with short_warnings():
            answer(experiment, config)
    except InputError as error:
        raise _exit_with(str(error)) from None
    except FailedRunsError as error:
        print(error.details(), end="", file=sys.stderr)
        raise _exit_with(str(error), EXIT_RUNS_FAILED) from None
    except OSError as error:
        raise _exit_with(f"{error}. What was finished is kept; the same command continues.") from None
    except KeyboardInterrupt:
        print("Stopped. The same command continues where it stopped.", file=sys.stderr)
        raise SystemExit(EXIT_STOPPED) from None


def _stop(signal_number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def answer(experiment: Question, config: Any) -> tuple[Summary, Path]:
    """Checks the config, runs what is missing and reports.

    A collection answers its parts first; a part whose runs failed does not prevent the others
    from reporting.

    Returns:
        The summary of the results, and the report's path.
    """
    trackers.check(config)
    executor.check(config)
    check(experiment, config)
    return _answered(experiment, config)


def check(experiment: Question, config: Any) -> None:
    """Raises `InputError` if the config, or that of a part of a collection, cannot run."""
    parts = experiment.parts(config) if isinstance(experiment, Collection) else []
    for each, its_config in ((experiment, config), *parts):  # what is cheap to check, of all parts, first
        options.check(its_config)
        if not isinstance(each, Collection):
            Store(folder_of(each.name, its_config)).check(each.name, its_config)
    experiment.check(config)
    for part, part_config in parts:
        check(part, part_config)


def _answered(experiment: Question, config: Any, is_part: bool = False) -> tuple[Summary, Path]:
    from . import report, runner

    folder = folder_of(experiment.name, config)
    results: Any
    failures: dict[Cell, Exception] = {}
    if isinstance(experiment, Collection):
        results, failures = _answers(experiment.parts(config))
    elif isinstance(experiment, Experiment):
        results = runner.run(experiment, config, folder)
    summary = experiment.summarize(config, results, folder)
    if not is_part:
        report.to_terminal(experiment, summary)
    path = report.to_html(experiment, config, summary, folder)
    print(f"{'' if is_part else chr(10)}Report: {path}")
    if next(folder.glob("runs/**/*.tfevents.*"), None):
        from tfbn.summary import text

        text(folder / "runs", "verdict", "\n".join(f"* {line}" for line in summary.findings))
        print(f"TensorBoard: tensorboard --logdir {folder / 'runs'}")
    if not is_part:
        for line in trackers.send(experiment, config, summary, results, path):
            print(line)
    if config.open_report:
        webbrowser.open(path.absolute().as_uri())
    if failures:
        raise FailedRunsError(failures)
    return summary, path


def _answers(parts: list[tuple[Experiment, Any]]) -> tuple[dict[str, Summary], dict[Cell, Exception]]:
    """The summaries by name, and the failures."""
    summaries: dict[str, Summary] = {}
    failures: dict[Cell, Exception] = {}
    for part, config in parts:
        try:
            summaries[part.name] = _answered(part, config, is_part=True)[0]
        except FailedRunsError as error:
            failures |= error.failures
    return summaries, failures


def _exit_with(message: str, status: int = EXIT_USER_ERROR) -> SystemExit:
    print(f"Error: {' '.join(message.split())}", file=sys.stderr)
    return SystemExit(status)
