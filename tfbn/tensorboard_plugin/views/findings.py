"""What went wrong in a group's runs: findings, at the step where each began."""

from typing import Any

from tfbn.diagnosis.finding import Finding
from tfbn.summary import tags
from tfbn.tensorboard_plugin.descriptions import UnreadableRunError, check_version, parsed, shortened, text
from tfbn.tensorboard_plugin.reading import Reader
from tfbn.tensorboard_plugin.requests import Arguments
from tfbn.utils.validation import InputError

MOST = 200  # of one run


def view(reader: Reader, arguments: Arguments) -> dict[str, Any]:
    """Argument: `run`, once or more. Each run's findings, by step; unreadable runs are named."""
    found, skipped = [], []
    for run, data in reader.texts(tags.FINDINGS, arguments.texts("run")).items():
        try:
            found += [{"run": run, **finding} for finding in _of_run(data)]
        except UnreadableRunError as error:
            skipped.append({"name": run, "reason": shortened(str(error))})
    return {"findings": sorted(found, key=lambda finding: finding["step"]), "skipped": skipped}


def _of_run(data: list[Any]) -> list[dict[str, Any]]:
    content = parsed(text(data), "its list of findings")
    check_version(content.get("version"))
    listed = content.get("findings")
    if not isinstance(listed, list) or not all(isinstance(finding, dict) for finding in listed):
        raise UnreadableRunError("its list of findings is malformed")
    try:
        return [_checked(finding) for finding in listed[:MOST]]
    except (InputError, KeyError, TypeError) as error:
        raise UnreadableRunError(f"a finding of it is malformed: {error}") from error


def _checked(finding: dict[str, Any]) -> dict[str, Any]:
    # Fields that a later version adds are not shown.
    names = set(Finding.__dataclass_fields__) - {"layers"}
    values: dict[str, Any] = {name: finding.get(name) for name in names}
    layers = () if finding.get("layer") is None else (finding["layer"],)
    if values["step"] is None:
        raise KeyError("step")
    (checked,) = Finding(**values | {"layers": layers, "link": finding.get("link", "")}).at_layers()
    return checked
