"""The tab over a study of seventy runs: groups, findings, comparison, widths, light and dark."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.tensorboard import browser, ciede2000, study
from tests.tensorboard.study import ARMS, LAGGING, LAYERS, RUNS, SEEDS, SHIFTS, WHOLE
from tfbn.tensorboard_plugin.serving import serving

VIEWS = ("layer", "model", "performance", "compare", "heat_map")
AXE = Path(__file__).parent / "axe" / "axe.min.js"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    study.write(folder / "runs")
    return folder


@pytest.fixture(scope="module")
def page(folder):
    driver = browser.chromium(folder / "downloads")
    if driver is None:
        pytest.skip("needs Debian's chromium and chromium-driver; .ci/run installs them")
    try:
        with serving(folder / "runs", "--reload_interval=1") as url:
            page = browser.Page(driver, url)
            page.until_listed(RUNS)
            yield page
            # Over all tests of this module:
            assert browser.hosts(browser.requested(driver)) == {url.split("/")[2]}
            assert browser.errors(driver) == []
    finally:
        driver.quit()


@pytest.fixture(autouse=True)
def wide(page):
    page.resize(1400, 900)


def groups_shown(page):
    return [figure.get_attribute("data-group") for figure in page.all("figure.map")]


def name(arm, shift=SHIFTS[0]):
    return f"shift {shift}/{arm}"


def choosing(**values):
    return "".join(f"&p.tfbn.{key}={quote(value, safe='')}" for key, value in values.items())


def test_at_first_each_arm_of_the_first_condition_is_shown_once(page):
    page.open()
    assert groups_shown(page) == [name(arm) for arm in sorted(ARMS)]
    assert "mean of 5 runs" in page.one("figure.map figcaption").text
    assert "Grouped by HParams: arm, shift, seed." in page.one("#run_how").text
    assert page.one("#fold").text == "☰ 7 of 14"


def test_a_group_shows_the_mean_and_the_range_of_its_seeds(page):
    page.open("&p.tfbn.metric=mismatch")
    page.map_of(name("batch")).send_keys(Keys.HOME)
    reading = page.reading(name("batch"))
    values = np.float32([0.9**study.EPOCH * (1 + seed / 10) for seed in range(SEEDS)])
    assert float(reading.get_attribute("data-value")) == pytest.approx(values.mean(), rel=1e-6)
    low, high = re.search(r"\((\S+) to (\S+) over the runs\)", reading.text).groups()
    assert (float(low), float(high)) == pytest.approx((values.min(), values.max()), rel=1e-3)


def test_single_runs_on_demand_and_in_natural_order(page):
    page.open(choosing(groups=json.dumps([name("batch")])))
    page.one("#seeds").click()
    page.wait(lambda: len(page.all("figure.map")) == SEEDS)
    assert groups_shown(page) == [f"{SHIFTS[0]}/batch/seed{seed}" for seed in range(SEEDS)]
    page.view("layer")
    assert len(page.all(".column")) == 1
    page.open(page.hash().removeprefix("#tfbn"))
    assert page.one("#seeds").is_selected()


def test_a_seed_is_left_out_of_its_group(page):
    page.open()
    group = page.one(f"aside li[data-group='{name('batch')}']")
    group.find_element(By.CSS_SELECTOR, ".unfold").click()
    page.one(f"aside li[data-run='{SHIFTS[0]}/batch/seed3'] input").click()
    page.settled()
    caption = page.one(f"figure.map[data-group='{name('batch')}'] figcaption").text
    assert "mean of 4 runs" in caption
    page.open(page.hash().removeprefix("#tfbn"))
    assert "mean of 4 runs" in page.one(f"figure.map[data-group='{name('batch')}'] figcaption").text
    page.one("#run_default").click()
    page.settled()
    assert "mean of 5 runs" in page.one(f"figure.map[data-group='{name('batch')}'] figcaption").text


def test_the_pattern_is_the_users(page):
    page.open()
    box = page.one("#run_pattern")
    box.send_keys("{arm}/*/seed{seed}", Keys.ENTER)
    page.wait(lambda: len(page.all("figure.map")) == 2)
    assert groups_shown(page) == list(SHIFTS)
    assert "mean of 35 runs" in page.one("figure.map figcaption").text
    page.open(page.hash().removeprefix("#tfbn"))
    assert groups_shown(page) == list(SHIFTS)


GROUPINGS = [
    # Names of runs, pattern, groups.
    (["b/seed10", "b/seed2", "a/seed1"], None, {"a": ["a/seed1"], "b": ["b/seed2", "b/seed10"]}),
    (["x_fold_1", "x_fold_2", "y_fold_1"], None, {"x": ["x_fold_1", "x_fold_2"], "y": ["y_fold_1"]}),
    (["seed0/a", "seed1/a", "seed0/b"], None, {"a": ["seed0/a", "seed1/a"], "b": ["seed0/b"]}),
    (["seed0", "seed1"], None, {"all runs": ["seed0", "seed1"]}),
    (["run10", "run9", "other"], None, {"all runs": ["run9", "run10"], "other": ["other"]}),
    (["lr0.1", "lr0.01"], None, {"lr0.01": ["lr0.01"], "lr0.1": ["lr0.1"]}),
    (["stage1_bn", "steps2"], None, {"stage1_bn": ["stage1_bn"], "steps2": ["steps2"]}),
    (["d/a/1", "d/a/2", "odd"], "{condition}/{arm}/{seed}", {"d/a": ["d/a/1", "d/a/2"], "odd": ["odd"]}),
    (["a+b.(c)1", "a+b.(c)2"], "{arm}.(c){seed}", {"a+b": ["a+b.(c)1", "a+b.(c)2"]}),
]  # fmt: skip


@pytest.mark.parametrize(("runs", "pattern", "expected"), GROUPINGS)
def test_groups_of_runs(page, runs, pattern, expected):
    found = page.imported(
        "groups.js",
        "const {groups} = module.grouped(given.map((name) => ({name, hparams: {}})), pattern);"
        "return groups.map(({name, runs}) => [name, runs.map((run) => run.name)])",
        given=runs,
        pattern=pattern,
    )
    assert dict(found) == expected
    assert [group for group, _ in found] == list(expected)


def test_groups_by_hyperparameters_without_an_arm(page):
    runs = [
        {"name": f"trial{i}", "hparams": {"lr": lr, "width": "8", "seed": seed}}
        for i, (lr, seed) in enumerate([("0.1", "0"), ("0.1", "1"), ("0.01", "0")])
    ]
    found = page.imported(
        "groups.js",
        "const {groups, how} = module.grouped(given, null);"
        "return [groups.map((group) => [group.name, group.runs.length]), how]",
        given=runs,
    )
    assert found == [[["lr 0.01", 1], ["lr 0.1", 2]], "HParams: lr, seed"]


def test_no_two_groups_look_the_same(page):
    looks = page.imported(
        "arms.js",
        "const dressed = (dark) => module.dressed(Array(24).fill({}), dark);"
        "return [false, true].map((dark) => dressed(dark).map((arm) => arm.color + arm.dash))",
    )
    assert [len(set(look)) for look in looks] == [24, 24]


def test_labels_at_the_ends_of_lines_do_not_touch(page):
    found = page.imported(
        "end_labels.js",
        "const ends = [50, 50, 51, 99, 99.5, 1].map((y) => ({y})); module.apart(ends, 13, 0, 100);"
        "return ends.map((end) => end.y)",
    )
    assert np.diff(found).min() >= 13 - 1e-9
    assert (min(found), max(found)) == (1, 100)


def test_zero_looks_like_zero_in_light_and_dark(page):
    ramps = page.imported(
        "palettes.js",
        "return ['cividis', 'viridis', 'difference'].map((name) =>"
        " Array.from({length: 256}, (_, i) => module.palette(name)(i / 255)))",
    )
    for dark in (False, True):
        page.open()
        page.dark(dark)
        pixels = page.driver.execute_script(
            "const c = document.querySelector(arguments[0]); const {width, height} = c;"
            "return [...c.getContext('2d').getImageData(0, 0, width, height).data]",
            f"figure[data-group='{name('batch_held')}'] canvas.heat",
        )
        drawn = np.unique(np.array(pixels).reshape(-1, 4), axis=0)
        assert len(drawn) == 2  # the ground and the stripes of a hatch
        assert (drawn[:, 3] == 255).all()
        for color in drawn[:, :3]:
            for ramp in ramps:
                assert ciede2000.difference(ciede2000.lab(color), ciede2000.lab(ramp)).min() >= 20


def test_the_color_difference_is_that_of_its_authors():
    pairs = [
        ([50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425),
        ([50, 2.5, 0], [73, 25, -18], 27.1492),
        ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
        ([2.0776, 0.0795, -1.1350], [0.9033, -0.0636, -0.5514], 0.9082),
    ]
    for one, other, expected in pairs:
        assert ciede2000.difference(np.array(one), np.array(other)) == pytest.approx(expected, abs=1e-4)


def test_findings_stand_on_the_heat_map_where_they_began(page):
    page.open()
    figure = page.one(f"figure[data-group='{name('batch_slow')}']")
    assert len(page.all(".mark")) == 2
    mark, whole = figure.find_elements(By.CSS_SELECTOR, ".mark")
    assert mark.get_attribute("aria-label") == (
        f"finding 1: lagging statistics, {LAGGING.layers[0]}, from step {LAGGING.step}"
    )
    canvas = figure.find_element(By.CSS_SELECTOR, "canvas.heat").rect
    middle = mark.rect["x"] + mark.rect["width"] / 2, mark.rect["y"] + mark.rect["height"] / 2
    # The columns go from half a step before the first to half a step after the last.
    assert middle[0] == pytest.approx(
        canvas["x"] + canvas["width"] * (LAGGING.step + 0.5) / (study.STEPS + 1), abs=1.5
    )
    row = LAYERS.index(LAGGING.layers[0]) + 0.5
    assert middle[1] == pytest.approx(canvas["y"] + canvas["height"] * row / len(LAYERS), abs=1.5)
    cards = [card.text for card in page.all(".findings li")]
    assert "in 2 of 5 runs" in cards[0]
    assert "measured 1.25, expected at most 0.4" in cards[0]
    assert "<b>at the end</b>" in cards[1]
    whole.click()
    assert page.driver.switch_to.active_element.get_attribute("id") == "finding_2"
    mark.click()
    page.wait(lambda: page.one("main").get_attribute("data-view") == "layer")
    assert page.one("#layer_title").get_attribute("data-layer") == LAGGING.layers[0]
    card = page.one(".findings li[data-name='lagging_statistics']")
    assert f"Remedy: {LAGGING.remedy}" in card.text
    assert card.find_element(By.CSS_SELECTOR, "a").get_attribute("href") == LAGGING.link
    drawn = page.one(".chart .plot").get_attribute("aria-label")
    assert f"finding 1 at step {LAGGING.step}" in drawn
    assert f"finding 2 at step {WHOLE.step}" in drawn
    assert page.color_in(".chart canvas", "--wrong")
    page.one("#layer_before").click()
    page.settled()
    assert "lagging" not in page.one(".findings").text  # another layer: only the whole model's
    assert "finding 1 at" not in page.one(".chart .plot").get_attribute("aria-label")


def test_compare_two(page):
    page.open(choosing(view="compare", a=name("batch_slow"), b=name("batch"), metric="kl"))
    assert groups_shown(page) == [name("batch_slow"), name("batch"), "B − A"]
    rows = page.all("#parted tbody tr")
    assert len(rows) == len(LAYERS)
    # All layers move at their own momentum from the first step on; the last one goes farthest.
    assert rows[0].get_attribute("data-layer") == LAYERS[-1]
    assert {row.find_element(By.CSS_SELECTOR, "td").text for row in rows} == {"1"}
    a, b, difference = (page.reading_at(group, Keys.END) for group in groups_shown(page))
    assert difference == pytest.approx(b - a, rel=1e-5)
    assert difference > 0
    page.one("#swap").click()
    page.settled()
    assert groups_shown(page)[0] == name("batch")
    assert page.reading_at("B − A", Keys.END) == pytest.approx(-difference, rel=1e-5)


def test_compare_two_that_do_not_part(page):
    page.open(choosing(view="compare", a=name("inference"), b=name("recalibrated")))
    assert "No layer separates" in page.one("p#parted").text
    assert page.reading_at("B − A", Keys.END) == 0


def test_the_model_table_sorts_by_any_column(page):
    page.open(choosing(view="model", groups=json.dumps([name("batch"), name("inference")])))

    def order():
        return [row.get_attribute("data-layer") for row in page.all("table.model tbody tr")]

    def click(column):
        page.one(f'[data-sort="{column}"]').click()
        page.settled()
        return page.one(f'th:has([data-sort="{column}"])').get_attribute("aria-sort")

    assert order() == LAYERS
    assert click(f"{name('batch')}/value") == "descending"
    values = [float(cell.text) for cell in page.all("table.model tbody tr td:nth-of-type(4)")]
    assert values == sorted(values, reverse=True)
    assert order() != LAYERS
    assert click(f"{name('batch')}/value") == "ascending"
    assert click(f"{name('batch')}/value") == "none"
    assert order() == LAYERS
    assert click("layer") == "ascending"
    assert order() == sorted(LAYERS)
    for column in range(3):
        assert click(f"{name('inference')}/{column}") == "ascending"
    headings = page.all("table.model thead [data-sort]")
    assert len(headings) == 1 + 2 * 4


def test_the_sidebar_folds(page):
    page.open()
    assert page.one("aside").is_displayed()
    width = page.one("main").size["width"]
    page.one("#fold").click()
    page.settled()
    assert not page.one("aside").is_displayed()
    assert page.one("main").size["width"] > width + 200
    assert page.one("#fold").get_attribute("aria-expanded") == "false"
    page.resize(400, 900)
    page.open()
    assert not page.one("aside").is_displayed()
    page.one("#fold").click()
    assert page.one("aside").is_displayed()


# The main job's logs are looked at with 400 and 1600 pixels, see test_main_job.py.
@pytest.mark.parametrize("width", [360, 1000, 2560])
def test_nothing_is_clipped_at_any_width(page, width):
    page.resize(width, 900)
    page.open()
    for view in VIEWS:
        page.view(view)
        clipped = page.driver.execute_script(CLIPPED)
        assert clipped == []
    page.one("#fold").click()
    page.settled()
    assert page.driver.execute_script(CLIPPED) == []


# Names that are wider than what holds them or stand outside of the page; whether the page scrolls sideways.
CLIPPED = """
const names = [...document.querySelectorAll(
  '.names button, figcaption, h1, h2, h3, aside label, .key li, .legend > span, .tabs button')];
const found = names.filter((node) => node.checkVisibility() && (
  node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== 'inline' ||
  node.scrollHeight > node.clientHeight + 3 && getComputedStyle(node).overflow !== 'visible' ||
  node.getBoundingClientRect().right > innerWidth + 1 || node.getBoundingClientRect().left < -1));
const root = document.documentElement;
return [...found.map((node) => node.outerHTML.slice(0, 120)),
  ...(root.scrollWidth > innerWidth ? [`the page is ${root.scrollWidth} wide`] : [])];
"""


def test_everything_is_reached_by_keyboard_in_the_order_in_which_it_stands(page):
    page.open()
    page.driver.execute_script("document.activeElement?.blur()")
    seen = []
    for _ in range(60):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        element = page.driver.switch_to.active_element
        if element.tag_name == "body":
            break
        seen.append(element.get_attribute("id") or element.get_attribute("class"))
    sidebar = ["run_filter", "run_all", "run_none", "run_default", "run_0", "run_pattern"]
    tools = ["metric", "first", "last", "scale", "palette", "seeds", "csv", "png", "html"]
    wanted = [*sidebar, "fold", "tab_heat_map", *tools, "heat"]
    places = [seen.index(one) for one in wanted]
    assert places == sorted(places)
    # Of the tabs only the chosen one, as their role wants it; the others by arrow keys.
    assert "tab_layer" not in seen


def test_a_table_stands_behind_every_picture(page):
    page.open(choosing(groups=json.dumps([name("batch"), name("batch_slow")])))
    for view in VIEWS:
        page.view(view)
        pictures = page.all("canvas.heat, .plot")
        tables = page.all("details.behind")
        assert len(pictures) == len(tables)
        assert pictures or view == "model"
        assert all(picture.get_attribute("aria-label") for picture in pictures)
    page.all("details.behind summary")[0].click()
    rows = page.one("details.behind[open] tbody").find_elements(By.CSS_SELECTOR, "tr")
    assert len(rows) == len(LAYERS)
    page.map_of(name("batch")).send_keys(Keys.END)
    last = rows[0].find_elements(By.CSS_SELECTOR, "td")[-1].text
    assert float(last) == pytest.approx(
        float(page.reading(name("batch")).get_attribute("data-value")), rel=1e-3
    )


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_as_a_page_that_stands_alone(page, folder, view):
    page.open(choosing(view=view, groups=json.dumps([name("batch"), name("batch_slow")])))
    shown = len(page.all("main canvas"))
    titles = [title.text for title in page.all("main h1, main h2, main h3")]
    path = folder / "downloads" / f"batchnorm_{view}.html"
    path.unlink(missing_ok=True)
    page.one("#html").click()
    page.wait(lambda: path.exists() and path.stat().st_size)
    text = path.read_text()
    assert not re.search(r"<script|<link|<canvas|<button|<select|127\.0\.0\.1|href=(?!\"https://keras)", text)
    browser.requested(page.driver)  # forgets what was asked for until now
    page.driver.switch_to.default_content()
    page.driver.get(path.as_uri())
    assert browser.hosts(browser.requested(page.driver)) <= {""}
    images = page.all("img")
    assert len(images) == shown
    assert all(image.get_property("naturalWidth") for image in images)
    assert [title.text for title in page.all("main h1, main h2, main h3")] == titles
    assert (len(page.all("details.behind table")) or len(page.all("table"))) > 0
    assert SHIFTS[0] in page.one("header").text
    assert browser.errors(page.driver) == []


def test_first_paint_of_seventy_runs_takes_less_than_three_seconds_of_cpu(page):
    page.open()
    before = page.cpu_seconds()
    page.reload()
    assert len(page.all("figure.map")) == len(ARMS)
    assert page.cpu_seconds() - before < 3


STAGES = json.dumps(["stage2"])


@pytest.fixture(scope="module")
def deep(folder, page):
    """A network of 200 layers next to the study, with what is kept of 100,000 steps."""
    paths, values = study.write_deep(folder / "runs" / "deep")
    page.driver.switch_to.default_content()
    page.one(".reload-button").click()
    page.until_listed(RUNS + 1)
    return paths, values


def test_two_hundred_layers_are_grouped_by_stage_and_unfold(page, deep):
    paths, values = deep
    page.open(choosing(groups="[]", runs='["deep"]', metric="kl"))
    labels = [label.text for label in page.all(".names button")]
    assert labels == [f"▸ stage{i} (40)" for i in range(5)]
    # A stage is the largest of its layers.
    assert page.reading_at("deep", Keys.END) == values[-1, :40, 2].max()
    page.map_of("deep").send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    page.wait(lambda: len(page.all(".names li")) == 45)
    assert page.one("main").get_attribute("data-view") == "heat_map"
    names = page.all(".names button")
    assert names[2].text == "▾ stage2 (40)"
    assert names[3].text.strip() == paths[80].removeprefix("net/")
    heights = {row.size["height"] for row in page.all(".names li")}
    assert 14 <= min(heights) <= max(heights) <= 20
    assert page.driver.execute_script(CLIPPED) == []
    kept = page.hash().removeprefix("#tfbn")
    page.open(kept)
    assert len(page.all(".names li")) == 45
    page.one("#unfold_all").click()
    page.wait(lambda: len(page.all(".names li")) == 205)
    page.one("#unfold_all").click()
    page.wait(lambda: len(page.all(".names li")) == 5)
    before = page.cpu_seconds()
    page.open(choosing(groups="[]", runs='["deep"]', metric="kl"))
    assert page.cpu_seconds() - before < 1


STAGE_NAMES = [
    (["stem_bn", "stage1_block1_bn1", "stage1_block2_bn1", "stage2_block1_bn1", "stage2_block1_bn2"],
     {"stem_bn": 1, "stage1": 2, "stage2": 2}),
    (["conv1_bn", "conv2_block1_1_bn", "conv2_block1_2_bn", "conv3_block1_1_bn", "conv3_block1_2_bn"],
     {"conv1": 1, "conv2": 2, "conv3": 2}),
    (["a/x/bn", "a/y/bn", "b/x/bn", "b/y/bn"], {"a": 2, "b": 2}),
    (["a/x", "a/y", "b/x", "b/y", "a/z", "a/w"], {"a": 2, "b": 2, "a #2": 2}),
    # Names that say nothing of stages: ten at a time.
    ([f"batch_normalization_{i}" for i in range(25)],
     {"batch_normalization_0 … batch_normalization_9": 10,
      "batch_normalization_10 … batch_normalization_19": 10,
      "batch_normalization_20 … batch_normalization_24": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("paths", "expected"), STAGE_NAMES)
def test_stages_by_the_names_of_layers(page, paths, expected):
    found = page.imported("stages.js", "return module.stagesOf(given)", given=paths)
    assert {stage["name"]: len(stage["members"]) for stage in found} == expected
    assert [index for stage in found for index in stage["members"]] == list(range(len(paths)))
