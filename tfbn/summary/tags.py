"""Names of everything that tfbn writes for TensorBoard.

For the stock tabs, `<layer>` being a layer's path:

| tag | tab | |
|---|---|---|
| `bn_overview/<metric>/largest`, `.../median` | scalars | over layers: `kl` and `mismatch` |
| `bn_kl/<layer>` | scalars | drift of each layer, mean and variance in one number |
| `bn_performance/<measure>/<source>` | scalars | loss and metrics in both modes, see `SOURCES` |
| `bn_moving_mean/<layer>`, `bn_moving_variance/<layer>` | histograms | over channels |
| `bn_heat_map/<metric>` | images | layers by steps; only if asked for |
| `bn_verdict` | text | what moved |

For the BatchNorm tab, tensors of the plugin `tfbn`. TensorBoard keeps only a few points of each
tag, always including the last one, so everything that must not be lost has a tag of its own:

| tag | tensor |
|---|---|
| `tfbn/about/<fit>` | JSON text: layers in order, their channels and modes, units |
| `tfbn/<series>/<block>/steps` | int64 `(rows,)`; a later point of a tag replaces an earlier one |
| `tfbn/<series>/<block>/values` | float32 `(rows, layers, metrics)` |
| `tfbn/reference/<layer number>` | float32 `(2, channels)`: mean, variance |
| `tfbn/channels/<layer number>/<group>` | float32 `(4, channels)`: mean, variance, gamma, beta; NaN: none |
| `tfbn/findings` | JSON text: what was found wrong, see `tfbn.summary.Finding` |

where `<series>` is `drift` or `mismatch`, and a group has at most `SNAPSHOTS_PER_TAG` points.
"""

from tfbn.statistics import drift, mismatch

PLUGIN = "tfbn"
VERSION = 1
SERIES = {"drift": drift.METRICS, "mismatch": mismatch.METRICS}
FINDINGS = f"{PLUGIN}/findings"
UNITS = drift.UNITS | mismatch.UNITS
# Fewer than the points that TensorBoard keeps of a tag of an unknown kind.
SNAPSHOTS_PER_TAG = 8
# Where a measure of performance comes from.
SOURCES = {
    "training": "probe batch, training mode",
    "inference": "probe batch, inference mode",
    "fit": "training data, as fit reports it",
    "validation": "validation data, inference mode",
}


def about(fit: int) -> str:
    """The tag of the description of one fit."""
    return f"{PLUGIN}/about/{fit:04d}"


def block(series: str, number: int, part: str) -> str:
    """The tag of one block of rows; `part` is `steps` or `values`."""
    return f"{PLUGIN}/{series}/{number:05d}/{part}"


def reference(layer: int) -> str:
    """The tag of a layer's reference."""
    return f"{PLUGIN}/reference/{layer:04d}"


def channels(layer: int, group: int) -> str:
    """The tag of a group of snapshots of one layer."""
    return f"{PLUGIN}/channels/{layer:04d}/{group:04d}"


def performance(measure: str, source: str) -> str:
    """The tag of a scalar that measures how good the model is."""
    return f"bn_performance/{measure}/{source}"
