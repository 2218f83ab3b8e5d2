"""Statistics on two devices against those of one with the joint batch."""

import dataclasses

import pandas as pd
import pytest

from experiments import several_devices
from experiments.running import binary
from tfbn.validation import InputError

SMALL = several_devices.Config(seeds=1, workers=1, sizes=("8",), train_images=64, test_images=50, epochs=1)


def test_synchronized_ones_agree_and_separate_ones_do_not(tmp_path):
    summary, path = binary.answer(
        several_devices.EXPERIMENT, dataclasses.replace(SMALL, work_dir=str(tmp_path))
    )
    results = pd.read_parquet(path.parent / "results.parquet").set_index("arm")
    together, apart = results.loc["synchronized"], results.loc["separate"]
    assert together.moved > 0.1  # statistics moved, so that agreement says something
    assert max(together.mean_shift, together.log_variance_ratio) < 1e-4
    # Parts of a batch have less variance than the whole.
    assert apart.log_variance_ratio > 0.01
    assert summary.claims[0].verdict == "only if"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": ("7",)}, "multiples of replicas=2. Received: sizes='7'"),
        ({"sizes": ("many",)}, "sizes='many'"),
        ({"workers": 0}, "`workers` to be at least 1"),
        ({"shift": "contrst"}, "did you mean contrast"),
    ],
)
def test_bad_options(options, message, tmp_path):
    config = dataclasses.replace(SMALL, work_dir=str(tmp_path / "work"), **options)
    with pytest.raises(InputError, match=message):
        binary.answer(several_devices.EXPERIMENT, config)
    assert not (tmp_path / "work").exists()
