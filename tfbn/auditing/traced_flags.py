"""Whether the flags of a model are those that its train step was traced with."""

from collections.abc import Iterable, Iterator
from typing import Any

from tfbn.auditing.coded_text import CodedText
from tfbn.graph.keras_internals.optimizers import known_variables
from tfbn.graph.traversal import NamedLayer


def changed_since_traced(model: Any, layers: Iterable[NamedLayer]) -> Iterator[CodedText]:
    """Flags that differ from those the kept train function was traced with.

    Args:
        model: A model.
        layers: Its BatchNormalization layers.
    """
    if getattr(model, "train_function", None) is None:
        return
    optimizer = getattr(model, "optimizer", None)
    inside = getattr(optimizer, "inner_optimizer", optimizer)
    changed = [
        each.path
        for each in layers
        if each.layer.__dict__.get("_traced_as") not in (None, getattr(each.layer, "_trace_key", None))
    ]
    if changed:
        yield CodedText(
            "changed-after-compile",
            "flags changed since the train step was traced; call tfbn.freeze or compile for them to take "
            f"effect: {', '.join(changed[:5])}",
        )
    if inside is not None and inside.built:
        known = {id(v) for v in known_variables(inside)}
        trained = {id(v) for v in model.trainable_variables}
        if trained and known != trained:
            yield CodedText(
                "changed-after-compile",
                "trainable changed since the train step was traced; compile again, or use tfbn.freeze",
            )
