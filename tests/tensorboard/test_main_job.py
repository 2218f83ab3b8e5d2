"""The tab over the logs of a real main job, at three widths, in light and dark."""

import pytest
from selenium.webdriver.common.keys import Keys

from experiments.training.arms import ARMS
from tests.tensorboard import browser, main_job
from tests.tensorboard.test_study import AXE, CLIPPED, VIEWS
from tfbn.tensorboard_plugin.serving import serving

WIDTHS = (400, 1000, 1600)
# All six take a minute; the quick two have each of light and dark, narrow and wide.
QUICK = [(400, True), (1600, False)]
LOOKS = [(width, dark) for width in WIDTHS for dark in (False, True)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("main_job")
    driver = browser.chromium(folder / "downloads")
    if driver is None:
        pytest.skip("needs Debian's chromium and chromium-driver; .ci/run installs them")
    main_job.unpack(folder / "runs")
    try:
        with serving(folder / "runs", "--reload_interval=0") as url:
            page = browser.Page(driver, url)
            page.until_listed(main_job.RUNS)
            yield page
            # Over all tests of this module:
            assert browser.hosts(browser.requested(driver)) == {url.split("/")[2]}
            assert browser.errors(driver) == []
    finally:
        driver.quit()


def test_the_logs_are_of_every_arm_shift_and_seed(page):
    runs = page.imported("data.js", "return (await module.ask('runs')).runs.map((run) => run.name)")
    assert len(runs) == main_job.RUNS == 28
    assert {tuple(name.split("/")) for name in runs} == {
        (shift, arm, f"seed{seed}")
        for shift in main_job.SHIFTS
        for arm in ARMS
        for seed in range(main_job.SEEDS)
    }


@pytest.mark.parametrize(
    ("width", "dark"),
    [pytest.param(*look, marks=[] if look in QUICK else pytest.mark.long) for look in LOOKS],
)
def test_every_view_is_whole_and_axe_finds_no_serious_violation(page, width, dark):
    page.resize(width, 900)
    page.open()
    page.dark(dark)
    page.driver.execute_script(AXE.read_text())
    groups = [figure.get_attribute("data-group") for figure in page.all("figure.map")]
    assert groups == [f"shift {main_job.SHIFTS[0]}/{arm}" for arm in sorted(ARMS)]
    for view in VIEWS:
        page.view(view)
        assert page.driver.execute_script(CLIPPED) == [], view
        assert page.axe() == [], view
    if width <= 760:
        page.one("#fold").click()
    page.one("details.behind summary").click()
    assert page.axe() == []


def test_what_holds_is_zero_and_what_updates_is_not(page):
    page.resize(1600, 900)
    page.open("&p.tfbn.metric=kl")
    values = {}
    for arm in ("inference", "batch_held", "batch", "batch_slow"):
        values[arm] = page.reading_at(f"shift {main_job.SHIFTS[0]}/{arm}", Keys.END)
    assert values["inference"] == values["batch_held"] == 0
    assert values["batch"] > values["batch_slow"] > 0


# Labels have the least room in the narrowest page, where each metric is tried.
NUMBERS = [(metric, width) for metric in ("kl", "mean_shift", "mismatch", "variance_l2") for width in WIDTHS]


@pytest.mark.parametrize(
    ("metric", "width"),
    [
        pytest.param(metric, width, marks=[] if metric == "kl" or width == WIDTHS[0] else pytest.mark.long)
        for metric, width in NUMBERS
    ],
)
def test_numbers_below_the_scale_do_not_touch(page, metric, width):
    page.resize(width, 900)
    for view in ("heat_map", "compare"):
        page.open(f"&p.tfbn.metric={metric}&p.tfbn.view={view}")
        for scale in page.all(".scale"):
            bar = scale.rect
            places = [span.rect for span in scale.find_elements("css selector", ".marks span")]
            assert len(places) >= 2
            places.sort(key=lambda place: place["x"])
            ends = [place["x"] + place["width"] for place in places]
            gaps = [place["x"] - end for end, place in zip(ends, places[1:], strict=False)]
            assert min(gaps) >= 5, view
            assert places[0]["x"] >= bar["x"], view
            assert ends[-1] <= bar["x"] + bar["width"] + 1, view
