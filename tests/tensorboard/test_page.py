"""The tab in a real browser, over a real TensorBoard, over logs of a real run."""

import contextlib
import csv
import re
import shutil

import keras
import numpy as np
import pytest
from matplotlib.image import imread
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

import tfbn
from tests.tensorboard import browser
from tests.tensorboard.logs import HOSTILE_RUN, LAYERS, Written, reference
from tests.waiting import until
from tfbn.summary import tags
from tfbn.summary.event_file import EventFile
from tfbn.summary.plugin_values import json_value, summary
from tfbn.tensorboard_plugin import static_files
from tfbn.tensorboard_plugin.serving import serving

LATER = "later <b>format</b>"
EPOCHS, STEPS = 3, 4  # steps an epoch
ARMS = {"batch": True, "inference": False}


def train(folder, training):
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    layers = [keras.Input((6,))]
    for i in range(4):
        bn = tfbn.BatchNormalization(training=training, name=f"bn{i}")
        layers += [keras.layers.Dense(5), bn, keras.layers.ReLU()]
    model = keras.Sequential([*layers, keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    x, y = rng.normal(2, 3, (8 * STEPS, 6)).astype("float32"), rng.integers(0, 3, 8 * STEPS)
    recorder = tfbn.DriftRecorder(folder, probe=x[:8], probe_labels=y[:8], heat_maps=False)
    model.fit(x, y, batch_size=8, epochs=EPOCHS, verbose=0, callbacks=[recorder])


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    for arm, training in ARMS.items():
        train(folder / "runs" / arm, training)
    Written(folder / "runs" / HOSTILE_RUN, 20, np.random.default_rng(7))
    events = EventFile(folder / "runs" / LATER, ".tfbn_drift")
    events.add(0, summary(json_value(tags.about(0), {"version": 2, "layers": []})))
    events.close()
    return folder


@pytest.fixture(scope="module")
def server(logs):
    """The URL of a TensorBoard on loopback."""
    with serving(logs / "runs", "--reload_interval=1") as url:
        yield url


@pytest.fixture(scope="module")
def page(server, logs):
    driver = browser.chromium(logs / "downloads")
    if driver is None:
        pytest.skip("needs Debian's chromium and chromium-driver; .ci/run installs them")
    try:
        page = browser.Page(driver, server)
        page.until_listed(3)
        yield page
        # Over all tests of this module:
        assert browser.hosts(browser.requested(driver)) == {server.split("/")[2]}
        assert browser.errors(driver) == []
    finally:
        driver.quit()


@pytest.fixture
def drift(logs):
    return {arm: tfbn.callbacks.read_drift(logs / "runs" / arm) for arm in ARMS}


def test_the_tab_appears(page):
    page.driver.switch_to.default_content()
    tabs = [tab.text for tab in page.all("[role=tab], .mat-mdc-tab, .mat-tab-label")]
    assert "BATCHNORM" in [tab.upper() for tab in tabs]


def test_the_page_is_of_the_code_under_test(page):
    """Not of another tfbn that is installed."""
    page.open()
    files = sorted(static_files.FOLDER.glob("*.js"))
    assert len(files) > 20
    served = page.imported(
        "data.js",
        "return Promise.all(names.map(async (name) => (await fetch(new URL(`./${name}`, base))).text()))",
        names=[path.name for path in files],
    )
    assert served == [path.read_text() for path in files]


def test_the_heat_map_has_every_layer_and_step(page, drift):
    page.open()
    for arm in ARMS:
        canvas = page.map_of(arm)
        assert int(canvas.get_attribute("data-layers")) == drift[arm].layer.nunique() == 4
        assert int(canvas.get_attribute("data-steps")) == drift[arm].step.nunique() == EPOCHS * STEPS + 1


def test_a_value_is_that_of_the_parquet_file(page, drift):
    page.open("&p.tfbn.metric=kl")
    page.map_of("batch").send_keys(Keys.END, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    for arm in ARMS:
        reading = page.reading(arm)
        layer, step = reading.get_attribute("data-layer"), int(reading.get_attribute("data-step"))
        assert (layer, step) == ("bn2", EPOCHS * STEPS - 1)
        rows = drift[arm]
        (kl,) = rows[(rows.layer == layer) & (rows.step == step)].kl
        assert np.float32(reading.get_attribute("data-value")) == kl
        assert (kl > 0) == ARMS[arm]
    assert "by batch statistics, updating" in page.reading("batch").text


def test_pointing_at_a_cell_tells_about_it(page, drift):
    page.open()
    canvas = page.map_of("batch")
    ActionChains(page.driver).move_to_element_with_offset(canvas, 0, 5).perform()
    tooltip = page.one(".tooltip:not([hidden])")
    assert "bn2" in tooltip.text
    step = int(re.search(r"step (\d+)", tooltip.text)[1])
    rows = drift["batch"]
    (shift,) = rows[(rows.layer == "bn2") & (rows.step == step)].mean_shift
    assert shift > 0.001
    assert f"{shift:.4g} reference standard deviations" in tooltip.text
    assert "by batch statistics, updating; gamma and beta trained" in tooltip.text


def test_a_click_opens_the_layer_and_the_url_brings_it_back(page):
    page.open()
    canvas = page.map_of("batch")
    height = canvas.size["height"]
    ActionChains(page.driver).move_to_element_with_offset(canvas, 0, height // 2 - 2).click().perform()
    page.wait(lambda: page.one("main").get_attribute("data-view") == "layer")
    assert page.one("#layer_title").get_attribute("data-layer") == "bn3"
    assert page.all(".column[data-group='batch'] .uplot canvas")
    kept = page.hash().removeprefix("#tfbn")
    assert "p.tfbn.layer=bn3" in kept
    page.open(kept)
    assert page.one("#layer_title").get_attribute("data-layer") == "bn3"
    # And back is the heat map again.
    page.open()
    page.map_of("batch").send_keys(Keys.ENTER)
    page.wait(lambda: page.all("#layer_title"))
    page.driver.execute_script("window.parent.history.back()")
    page.wait(lambda: page.one("main").get_attribute("data-view") == "heat_map")


def test_the_url_keeps_everything(page):
    page.open()
    page.one("#run_filter").send_keys("inf")
    assert [row.is_displayed() for row in page.all("aside li[data-run]")].count(True) == 1
    box = page.one("aside li[data-run='inference'] input")
    box.click()
    page.settled()
    page.one("#metric option[value='mismatch']").click()
    page.settled()
    page.one("#palette option[value='viridis']").click()
    page.settled()
    page.one("#first").send_keys("2", Keys.ENTER)
    page.wait(lambda: "p.tfbn.first=2" in page.hash())
    page.open(page.hash().removeprefix("#tfbn"))
    assert page.one("#metric").get_attribute("value") == "mismatch"
    assert page.one("#palette").get_attribute("value") == "viridis"
    assert page.one("#first").get_attribute("value") == "2"
    assert not page.one("aside li[data-run='inference'] input").is_selected()
    assert page.one("aside li[data-run='batch'] input").is_selected()
    assert page.map_of("batch").get_attribute("data-steps") == str(EPOCHS)


def test_the_arrow_keys_go_from_tab_to_tab(page):
    page.open()
    page.driver.execute_script("document.getElementById('tab_heat_map').focus()")
    steps = {Keys.ARROW_LEFT: "compare", Keys.ARROW_RIGHT: "heat_map", Keys.ARROW_RIGHT * 2: "model"}
    for keys, view in steps.items():
        for key in keys:
            page.driver.switch_to.active_element.send_keys(key)
        page.wait(lambda view=view: page.one("main").get_attribute("data-view") == view)


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_shown(page):
    page.open()
    assert len(page.all("figure.map")) == 3
    page.one("#skipped summary").click()
    said = page.one("#skipped").text
    assert "1 run is skipped" in said
    assert f"{LATER}: its log has format 2, and this tfbn reads up to 1" in said
    assert not page.all("#skipped b b")


def test_hostile_names_are_text(page):
    page.open()
    assert HOSTILE_RUN in [row.text for row in page.all("aside li")]
    assert LAYERS[1] in [name.text for name in page.all(".names button")]
    for view in ("model", "layer", "performance", "compare", "heat_map"):
        page.view(view)
        assert not page.all("main script, main img, aside script, aside img")
    page.view("model")
    flags = page.one("#flags").text
    assert f"⚠ {LAYERS[1]} moved, though its statistics are held · {HOSTILE_RUN}" in flags


def test_the_model_says_what_moved(page, drift):
    page.open("&p.tfbn.view=model&p.tfbn.runs=%5B%22batch%22%2C%22inference%22%5D")
    cells = page.all("tr[data-layer='bn1'] td.drift")
    assert [cell.get_attribute("data-moved") for cell in cells] == ["true", "false"]
    last = drift["batch"].query("layer == 'bn1'").mean_shift.iloc[-1]
    assert cells[0].text == f"{last:.4g}"
    assert "Every layer did what it was set to do" in page.one("#flags").text


def test_training_against_inference(page):
    page.open("&p.tfbn.view=performance")
    titles = [title.text for title in page.all(".column[data-group='batch'] h3")]
    assert titles == ["accuracy", "loss", "Mismatch nats per channel"]
    assert "in training mode" in page.one(".column[data-group='inference'] .mode").text
    same = re.findall(
        r"accuracy (\S+) in training mode, (\S+) in", page.one(".column[data-group='inference'] .mode").text
    )
    assert same[0][0] == same[0][1]


def test_exports(page, logs, drift):
    page.open("&p.tfbn.runs=%5B%22batch%22%5D&p.tfbn.metric=mean_shift")
    page.one("#csv").click()
    table = _downloaded(logs / "downloads" / "batchnorm_heat_map.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(drift["batch"])
    written = {(row["layer"], int(row["step"])): np.float32(row["mean_shift"]) for row in rows}
    for row in drift["batch"].itertuples():
        assert written[row.layer, row.step] == np.float32(row.mean_shift)
    page.one("#png").click()
    pixels = imread(_downloaded(logs / "downloads" / "batchnorm_heat_map.png"))
    assert pixels.shape[0] > 200
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 100


def _downloaded(path):
    until(lambda: path.exists() and path.stat().st_size)
    return path


def test_a_run_that_grows_is_followed(page, logs, rng):
    log = tfbn.summary.Writer(logs / "runs" / "growing", reference(rng))
    log.begin({})
    log.flush()
    page.open("&p.tfbn.runs=%5B%22growing%22%5D")
    for steps in ([0, 1, 2], [3, 4]):
        log.rows(np.array(steps), rng.uniform(size=(len(steps), len(LAYERS), 5)))
        log.flush()
        page.wait(lambda last=steps[-1]: _has_steps_after_reload(page, "growing", last + 1))
    log.close()
    shutil.rmtree(logs / "runs" / "growing")


def _has_steps_after_reload(page, run, steps):
    """Presses TensorBoard's reload button; whether the run then has this many steps, within a second."""
    page.driver.switch_to.default_content()
    page.one(".reload-button").click()
    page.enter()

    def shown():
        maps = page.all(f"figure[data-group='{run}'] canvas.heat")
        return maps and int(maps[0].get_attribute("data-steps")) == steps

    with contextlib.suppress(TimeoutException, StaleElementReferenceException):
        return page.wait(shown, seconds=1)
    return False


def test_dark_and_light(page):
    page.open()

    def paper():
        return page.driver.execute_script("return getComputedStyle(document.body).backgroundColor")

    light = paper()
    page.driver.execute_script("window.parent.document.body.classList.toggle('dark-mode')")
    page.wait(lambda: paper() != light)
    page.driver.execute_script("window.parent.document.body.classList.toggle('dark-mode')")
    page.wait(lambda: paper() == light)


def test_a_bad_url_is_told_and_the_page_goes_on(page):
    page.open("&p.tfbn.first=9&p.tfbn.last=3&p.tfbn.view=nonsense&p.tfbn.runs=%7B")
    assert "Expected `first` to be at most last=3" in page.one(".say").text
    page.one("#tab_model").click()
    page.wait(lambda: page.all("table.model"))
