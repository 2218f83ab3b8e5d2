"""A headless Chromium with the page in it."""

import json
import shutil
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

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
        """Opens the tab anew; `fragment` is what the URL keeps for it."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}#tfbn{fragment}")
        self.enter()

    def enter(self):
        """Into the plugin's frame."""
        self.driver.switch_to.default_content()
        self.wait(lambda: self.driver.find_elements(By.CSS_SELECTOR, "iframe[src*='name=tfbn']"))
        self.driver.switch_to.frame(self.driver.find_element(By.CSS_SELECTOR, "iframe[src*='name=tfbn']"))
        self.settled()

    def settled(self):
        """Waits until the view is drawn."""
        self.wait(lambda: self.all("main[aria-busy='false']"))

    def wait(self, condition):
        return WebDriverWait(self.driver, SECONDS, poll_frequency=0.1).until(lambda _: condition())

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css):
        return self.wait(lambda: self.all(css))[0]

    def map_of(self, run):
        return self.one(f"figure[data-run={json.dumps(run)}] canvas.heat")

    def view(self, name):
        """Goes to a view by its tab."""
        self.one(f"#tab_{name}").click()
        self.wait(lambda: self.one("main").get_attribute("data-view") == name)
        self.settled()

    def hash(self):
        return self.driver.execute_script("return window.parent.location.hash")

    def reading(self, run):
        """What is written under the maps of the cell that is pointed at, for a run."""
        return self.one(f"#readout .reading[data-run={json.dumps(run)}]")


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
