"""Writing for TensorBoard: what `tfbn.DriftRecorder` writes, from a custom training loop.

`writer` makes a `Writer` for one run: drift, mismatch, performance in both modes, channels.
`hparams` and `text` write what a study knows about a run once it has ended, `findings` what went
wrong.
"""

from tfbn.diagnosis.finding import Finding
from tfbn.summary.channels import channel_values
from tfbn.summary.findings_log import findings
from tfbn.summary.hyperparameters import hparams
from tfbn.summary.layer_modes import modes
from tfbn.summary.own_loop import writer
from tfbn.summary.texts import text
from tfbn.summary.writing import Writer

__all__ = ["Finding", "Writer", "channel_values", "findings", "hparams", "modes", "text", "writer"]
