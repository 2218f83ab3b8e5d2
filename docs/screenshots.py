"""The pictures of docs/tensorboard.md: `python -m docs.screenshots`, after `make run`.

Starts TensorBoard over the runs of the main job, opens the tab BatchNorm in a headless
Chromium (Debian's packages chromium and chromium-driver), and writes
`docs/images/tensorboard_*.png`.
"""

import json
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from absl import app, flags
from selenium.webdriver.common.keys import Keys

from tests.tensorboard import browser
from tfbn.tensorboard_plugin.serving import serving

IMAGES = Path(__file__).parent / "images"
ARMS = ("inference", "batch", "batch_held", "all_trained")
LAYER = "stage1_block1_bn2"
# Name -> what the URL keeps, and whether TensorBoard is dark.
VIEWS = {
    "heat_map": ({"metric": "kl"}, False),
    "heat_map_dark": ({"metric": "kl"}, True),
    "layer": ({"view": "layer", "layer": LAYER}, False),
    "model": ({"view": "model"}, False),
    "performance": ({"view": "performance"}, False),
}
HEIGHTS = {"model": 760, "layer": 1330, "performance": 1130}  # pixels

_RUNS = flags.DEFINE_string("runs", "runs/frozen_batchnorm/runs", "Log folder of a main job.")
_SHIFT = flags.DEFINE_string("shift", "contrast=0.3", "Which of its shifts.")


def runs() -> list[str]:
    """The runs that are shown."""
    return [f"{_SHIFT.value}/{arm}/seed0" for arm in ARMS]


def fragment(values: dict[str, str]) -> str:
    """What the URL keeps, as the page itself writes it."""
    kept = {**values, "runs": json.dumps(runs())}.items()
    return "".join(f"&p.tfbn.{key}={quote(value, safe='')}" for key, value in kept)


def main(argv: list[str]) -> None:
    del argv
    missing = [run for run in runs() if not (Path(_RUNS.value) / run).is_dir()]
    if missing:
        raise SystemExit(f"There is no {missing[0]} in {_RUNS.value}: call `make run` first.")
    with serving(_RUNS.value) as url, tempfile.TemporaryDirectory() as downloads:
        driver = browser.chromium(downloads)
        if driver is None:
            raise SystemExit("Needs Debian's packages chromium and chromium-driver.")
        try:
            page = browser.Page(driver, url)
            while not page_has_runs(page):
                time.sleep(0.5)
            for name, (values, dark) in VIEWS.items():
                take(page, name, values, dark)
        finally:
            driver.quit()


def page_has_runs(page: browser.Page) -> bool:
    page.open()
    return {*runs()} <= {row.get_attribute("data-run") for row in page.all("aside li")}


def take(page: browser.Page, name: str, values: dict[str, str], dark: bool) -> None:
    page.driver.set_window_size(1500, HEIGHTS.get(values.get("view", "heat_map"), 940))
    page.open(fragment(values))
    if dark:
        page.driver.execute_script("window.parent.document.body.classList.add('dark-mode')")
    if "heat_map" in name:
        page.all("canvas.heat")[1].send_keys(Keys.END, *[Keys.ARROW_DOWN] * 2)
    time.sleep(0.7)
    page.driver.switch_to.default_content()
    page.driver.save_screenshot(str(IMAGES / f"tensorboard_{name}.png"))
    print(f"docs/images/tensorboard_{name}.png")


if __name__ == "__main__":
    app.run(main)
