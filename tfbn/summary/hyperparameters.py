"""What was varied and what came out, for TensorBoard's HParams tab."""

import numbers
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfbn.summary.event_file import EventFile
from tfbn.summary.plugin_values import summary
from tfbn.summary.stock_tabs import scalar
from tfbn.utils.validation import fail

FILE_SUFFIX = ".tfbn_hparams"
PREFIX = "result"


def hparams(
    log_dir: str | os.PathLike,
    values: Mapping[str, str | float | bool],
    results: Mapping[str, float],
    choices: Mapping[str, Sequence[str | float | bool]] | None = None,
) -> None:
    """Writes one run's hyperparameters and final results.

    The HParams tab then has a row for the run, a column for each hyperparameter and a
    column for each result. Results are also scalars, `result/<name>`.

    Args:
        log_dir: The run's folder.
        values: What was varied, such as `{"arm": "inference", "seed": 0}`.
        results: What came out, such as `{"test_accuracy": 0.9}`. Numbers only.
        choices: The values that a hyperparameter takes in this study; the tab offers them as
            a filter.

    Raises:
        ValueError: `values` is empty, or a value is neither text, number nor bool; a result is not
            a number; `choices` names something else.

    Example:

    >>> tfbn.summary.hparams(folder, {"arm": "inference", "seed": 0}, {"test_accuracy": 0.9})
    >>> len(list(folder.glob("*.tfbn_hparams")))
    1
    """
    if not values or not all(isinstance(v, (str, int, float, bool)) for v in values.values()):
        raise fail("values", "to be a dict of texts, numbers or bools", dict(values))
    if not all(isinstance(v, numbers.Real) for v in results.values()):
        raise fail("results", "to be a dict of numbers", dict(results))
    if not set(choices or {}) <= set(values):
        raise fail("choices", f"to be of the hyperparameters {list(values)}", dict(choices or {}))
    from tensorboard.plugins.hparams import api_pb2
    from tensorboard.plugins.hparams import summary as v1
    from tensorboard.plugins.hparams import summary_v2 as hp

    columns = [hp.HParam(name, _domain((choices or {}).get(name))) for name in values]
    metrics = [hp.Metric(f"{PREFIX}/{name}", display_name=name.replace("_", " ")) for name in results]
    events = EventFile(log_dir, FILE_SUFFIX)
    events.add(0, hp.hparams_config_pb(columns, metrics))
    events.add(0, hp.hparams_pb(dict(values)))
    events.add(0, summary(*(scalar(f"{PREFIX}/{name}", value) for name, value in results.items())))
    events.add(0, v1.session_end_pb(api_pb2.STATUS_SUCCESS))
    events.close()


def _domain(choices: Sequence[Any] | None) -> Any:
    from tensorboard.plugins.hparams import summary_v2 as hp

    return hp.Discrete(list(choices)) if choices else None
