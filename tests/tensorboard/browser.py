"""A headless Chromium with the page in it."""

import contextlib
import json
import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.waiting import until

FLAGS = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "window-size=1400,900",
)
SECONDS = 20
TICKS = os.sysconf("SC_CLK_TCK")  # a second
FRAME = "iframe[src*='name=tfbn']"


def chromium(downloads):
    """A driver that writes down requests and the console; None without Chromium and its driver."""
    driver, browser = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or browser is None:
        return None
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


class Page:
    """The tab BatchNorm of a TensorBoard."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    def open(self, fragment=""):
        """Opens the tab again; `fragment` is what the URL keeps for it.

        Where TensorBoard is open already, only the tab's own page is loaded again.
        """
        self.driver.switch_to.default_content()
        url = f"{self.url}#tfbn{fragment}"
        if not self.driver.current_url.startswith(self.url):
            self.driver.get(url)
            self.enter()
            return
        self.driver.execute_script("history.replaceState(null, '', arguments[0])", url)
        self.driver.execute_script("document.body.classList.remove('dark-mode')")
        self.reload()

    def reload(self):
        """Loads the tab's own page again."""
        self.driver.switch_to.default_content()
        self.driver.switch_to.frame(self.driver.find_element(By.CSS_SELECTOR, FRAME))
        self.driver.execute_script("window.isOld = true; location.reload()")
        self.wait(lambda: self.driver.execute_script("return !window.isOld"))
        self.settled()

    def enter(self):
        """Into the plugin's frame."""
        self.driver.switch_to.default_content()
        self.wait(lambda: self.all(FRAME))
        self.driver.switch_to.frame(self.driver.find_element(By.CSS_SELECTOR, FRAME))
        self.settled()

    def settled(self):
        """Waits until the view is drawn."""
        self.wait(lambda: self.all("main[aria-busy='false']"))

    def wait(self, condition, seconds=SECONDS):
        return WebDriverWait(self.driver, seconds, poll_frequency=0.03).until(lambda _: condition())

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css):
        return self.wait(lambda: self.all(css))[0]

    def until_listed(self, runs):
        """TensorBoard reads the logs in the background: opens the tab once this many runs are listed."""

        def listed():
            with urlopen(f"{self.url}data/plugin/tfbn/runs", timeout=SECONDS) as answer:
                return len(json.load(answer)["runs"])

        until(lambda: listed() == runs, every=0.2)
        self.open()

    def imported(self, module, body, **given):
        """What an async function gives that has one of the page's modules as `module`."""
        script = (
            "const [values, done] = arguments;"
            "const base = document.querySelector('link[href$=\"/style.css\"]').href;"
            f"import(new URL('./{module}', base).href)"
            f".then(async (module) => {{ const {{{', '.join(given)}}} = values; {body} }})"
            ".then((value) => done({value}), (error) => done({error: String(error)}))"
        )
        found = self.driver.execute_async_script(script, given)
        assert "error" not in found, found["error"]
        return found["value"]

    def resize(self, width, height):
        """Gives the page exactly this size in pixels; a window cannot be as narrow as a phone."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self, yes):
        """Makes TensorBoard dark or light, as its button does."""
        self.driver.execute_script(
            "window.parent.document.body.classList.toggle('dark-mode', arguments[0])", yes
        )
        self.wait(
            lambda: (
                self.driver.execute_script("return document.documentElement.classList.contains('dark')")
                == yes
            )
        )
        self.settled()

    def axe(self):
        """What axe-core, which must be loaded, finds wrong, of what is serious or critical."""
        found = self.driver.execute_async_script(
            "const done = arguments[0]; const failed = (error) =>"
            " done([{id: String(error), impact: 'critical', nodes: []}]);"
            "axe.run(document, {resultTypes: ['violations']})"
            ".then((result) => done(result.violations), failed)"
        )
        return [
            (one["id"], node["html"][:200])
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"] or [{"html": ""}]
        ]

    def color_in(self, css, variable):
        """Whether a canvas has a pixel in the color of a CSS variable."""
        return self.driver.execute_script(
            "const [css, name] = arguments; const c = document.querySelector(css);"
            "const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();"
            "const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));"
            "const {data} = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
            "for (let i = 0; i < data.length; i += 4)"
            " if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] > 200) return true;"
            "return false",
            css,
            variable,
        )

    def cpu_seconds(self):
        """The processor time of the browser, all of its processes together."""
        parents, seconds = {}, {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # a process that has ended meanwhile
                fields = stat.read_text().rpartition(")")[2].split()
                parents[int(stat.parent.name)] = int(fields[1])
                seconds[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf(
                    "SC_CLK_TCK"
                )
        driver = self.driver.service.process.pid
        return sum(time for pid, time in seconds.items() if driver in _ancestors(pid, parents))

    def reading_at(self, group, keys):
        """The value of a group's map where keys go."""
        self.map_of(group).send_keys(keys)
        return float(self.reading(group).get_attribute("data-value"))

    def map_of(self, group):
        return self.one(f"figure[data-group={json.dumps(group, ensure_ascii=False)}] canvas.heat")

    def view(self, name):
        """Goes to a view by its tab."""
        self.one(f"#tab_{name}").click()
        self.wait(lambda: self.one("main").get_attribute("data-view") == name)
        self.settled()

    def hash(self):
        return self.driver.execute_script("return window.parent.location.hash")

    def reading(self, group):
        """What is written under the maps of the cell that is pointed at, for a group."""
        return self.one(f"#readout .reading[data-group={json.dumps(group, ensure_ascii=False)}]")


def _ancestors(pid, parents):
    while pid := parents.get(pid):
        yield pid


def requested(driver):
    """Every URL that the page asked for, as the DevTools protocol tells."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def hosts(urls):
    """The hosts among URLs; what comes from the page itself (`data:`, `blob:`) has none."""
    return {urlsplit(url).netloc for url in urls if urlsplit(url).scheme not in ("data", "blob", "about")}


def errors(driver):
    """Errors in the console, without the line that Chromium writes for every answer of status 400."""
    entries = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    return [entry["message"] for entry in entries if "status of 400 (BAD REQUEST)" not in entry["message"]]
