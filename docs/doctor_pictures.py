"""The pictures of docs/doctor.md: `python -m docs.doctor_pictures`, each fault as the BatchNorm tab shows it.

Trains a network with each fault, with a recorder, starts TensorBoard over the runs, opens the tab in a
headless Chromium (Debian's packages chromium and chromium-driver), and writes
`docs/images/doctor/<finding>.png`. The runs are kept in --doctor_runs; those that are there already are
not trained again.
"""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
from absl import app, flags
from PIL import Image

from benchmarks.diagnosis import faults
from benchmarks.diagnosis.before_training import dead
from benchmarks.diagnosis.catalog import FAULTS
from benchmarks.diagnosis.while_training import infinite_value
from docs.doctor_page import IMAGES
from docs.screenshots import fragment
from tests.tensorboard import browser
from tfbn.tensorboard_plugin.serving import serving

NETWORK, SEED = "dense", 0
SIZE, COLORS = (1180, 640), 64

_RUNS = flags.DEFINE_string("doctor_runs", "runs/doctor", "Folder of the runs.")


def pictured() -> dict[str, Any]:
    """What plants each finding that has a picture."""
    found = {fault.name[0]: fault.ways[0] for fault in FAULTS}
    return found | {"broken-statistics": infinite_value, "dead-layer": dead}


def train(folder: Path) -> list[str]:
    """A run for each finding, named after it; returns the names."""
    for name, way in pictured().items():
        if not (folder / name).is_dir():
            with tempfile.TemporaryDirectory(dir=folder) as new:
                doctor = faults.examine(way, NETWORK, SEED, log_dir=new)
                print(name, doctor.findings.names, doctor.unexamined, flush=True)
                # The recorder enters the train step: flags that changed before take effect then.
                if name in doctor.findings.names:
                    shutil.copytree(new, folder / name)
            keras.backend.clear_session()
    return [name for name in pictured() if list((folder / name).glob("drift*"))]


def small(path: Path) -> None:
    """Takes few colors."""
    image = Image.open(path).convert("RGB")
    image.quantize(COLORS).save(path, optimize=True)


def main(argv: list[str]) -> None:
    del argv
    faults.two_devices()
    Path(_RUNS.value).mkdir(parents=True, exist_ok=True)
    names = train(Path(_RUNS.value))
    IMAGES.mkdir(exist_ok=True)
    with serving(_RUNS.value) as url, tempfile.TemporaryDirectory() as downloads:
        driver = browser.chromium(downloads)
        if driver is None:
            raise SystemExit("Needs Debian's packages chromium and chromium-driver.")
        try:
            page = browser.Page(driver, url)
            page.until_listed(len(names))
            page.resize(*SIZE)
            for name in names:
                page.open(fragment({"metric": "kl", "groups": f'["{name}"]'}))
                time.sleep(0.7)
                page.driver.switch_to.default_content()
                page.driver.save_screenshot(str(IMAGES / f"{name}.png"))
                small(IMAGES / f"{name}.png")
        finally:
            driver.quit()


if __name__ == "__main__":
    app.run(main)
