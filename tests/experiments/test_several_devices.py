"""Statistics on two devices against those of one with the joint batch."""

import dataclasses

import pandas as pd
import pytest

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.lab import binary, runner
from experiments.several_devices import __main__ as several_devices
from tfbn.utils.validation import InputError

SMALL = several_devices.Config(seeds=1, workers=1, sizes=(8,), train_images=64, test_images=50, epochs=1)


@pytest.mark.long
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
        ({"sizes": (7,)}, "multiples of replicas=2. Received: sizes=7"),
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


@pytest.mark.long
def test_the_main_job_on_two_devices(tmp_path):
    config = frozen_batchnorm.Config(
        model="resnet8", seeds=1, workers=1, train_images=96, test_images=101, epochs=2,
        shifts=("contrast=0.3",), arms=("batch", "batch_held", "recalibrated", "all_trained"),
    )  # fmt: skip

    def study(name, **options):
        table = runner.run(
            frozen_batchnorm.EXPERIMENT, dataclasses.replace(config, **options), tmp_path / name
        )
        return table.set_index("arm").drop(columns=[c for c in table if c.endswith("seconds")])

    two = study("two", strategy="mirrored")
    pd.testing.assert_frame_equal(two, study("again", strategy="mirrored"))
    one = study("one")
    # Batches are drawn in another order; the moments are those of batches of the same size.
    assert two.mean_shift["batch"] == pytest.approx(one.mean_shift["batch"], rel=0.05)
    assert two.mismatch["batch_held"] == pytest.approx(one.mismatch["batch_held"], rel=1e-4)
    assert two.converged_accuracy["recalibrated"] == one.converged_accuracy["recalibrated"]
    assert two.frozen_part_computed_once.tolist() == [0, 0, 1, 0]
    assert not two.statistics_moved[["batch_held", "recalibrated"]].any()
    apart = study("apart", strategy="mirrored", synchronized=False)
    assert apart.statistics_moved["batch"] != two.statistics_moved["batch"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 31}, "`batch_size` to be a multiple of replicas=2, .* batch_size=31"),
        ({"train_images": 97}, "`train_images` to be a multiple of replicas=2, .* train_images=97"),
        ({"workers": 0}, "`workers` to be at least 1 for several devices"),
        ({"strategy": "mirrord"}, "`strategy` .*mirrored"),
    ],
)
def test_devices_that_cannot_share_the_work(options, message, tmp_path):
    config = frozen_batchnorm.Config(model="resnet8", work_dir=str(tmp_path / "work"), strategy="mirrored")
    with pytest.raises(InputError, match=message):
        binary.answer(frozen_batchnorm.EXPERIMENT, dataclasses.replace(config, **options))
    assert not (tmp_path / "work").exists()
