"""The pictures of docs/tensorboard.md: `python -m docs.screenshots`, after
`make run FLAGS=--model=resnet8`.

Starts TensorBoard over the runs of the main job, opens the tab BatchNorm in a headless
Chromium (Debian's packages chromium and chromium-driver), and writes
`docs/images/tensorboard_*.png`.
"""

import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from absl import app, flags
from selenium.webdriver.common.keys import Keys

from tests.tensorboard import browser
from tfbn.tensorboard_plugin.serving import serving

IMAGES = Path(__file__).parent / "images"
LAYER = "stage1_block1_bn2"
# Name -> what the URL keeps, whether TensorBoard is dark, and the size in pixels.
VIEWS: dict[str, tuple[dict[str, str], bool, tuple[int, int]]] = {
    "heat_map": ({"metric": "kl"}, False, (1500, 1080)),
    "heat_map_dark": ({"metric": "kl"}, True, (1500, 1080)),
    "narrow": ({"metric": "kl"}, False, (400, 1000)),
    "layer": ({"view": "layer", "layer": LAYER}, False, (1500, 1250)),
    "model": ({"view": "model"}, False, (1500, 700)),
    "performance": ({"view": "performance"}, False, (1500, 1130)),
    "compare": ({"view": "compare", "metric": "kl"}, False, (1500, 1000)),
}

_RUNS = flags.DEFINE_string("runs", "runs/frozen_batchnorm/runs", "Log folder of a main job.")
_SHIFT = flags.DEFINE_string("shift", "contrast=0.3", "Which of its shifts.")
_IMAGES = flags.DEFINE_string("images", str(IMAGES), "Folder of the pictures.")


def fragment(values: dict[str, str]) -> str:
    """What the URL keeps, as the page itself writes it."""
    compared = {"a": f"shift {_SHIFT.value}/all_trained", "b": f"shift {_SHIFT.value}/batch"}
    kept = {**values, **(compared if values.get("view") == "compare" else {})}.items()
    return "".join(f"&p.tfbn.{key}={quote(value, safe='')}" for key, value in kept)


def main(argv: list[str]) -> None:
    del argv
    runs = len(list(Path(_RUNS.value).glob("*/*/seed*")))
    if not runs:
        raise SystemExit(f"There are no runs of a main job in {_RUNS.value}: call `make run` first.")
    with serving(_RUNS.value) as url, tempfile.TemporaryDirectory() as downloads:
        driver = browser.chromium(downloads)
        if driver is None:
            raise SystemExit("Needs Debian's packages chromium and chromium-driver.")
        try:
            page = browser.Page(driver, url)
            page.until_listed(runs)
            for name in VIEWS:
                take(page, name)
        finally:
            driver.quit()


def take(page: browser.Page, name: str) -> None:
    values, dark, size = VIEWS[name]
    page.resize(*size)
    page.open(fragment(values))
    page.dark(dark)
    if name.startswith("heat_map"):
        page.all("canvas.heat")[1].send_keys(Keys.END, *[Keys.ARROW_DOWN] * 2)
    time.sleep(0.7)
    page.driver.switch_to.default_content()
    path = Path(_IMAGES.value) / f"tensorboard_{name}.png"
    page.driver.save_screenshot(str(path))
    print(path)


if __name__ == "__main__":
    app.run(main)
