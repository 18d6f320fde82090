"""A real headless Chromium, driven by the driver that is packaged with it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve, frozen
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver

from t3safe.simulation import files
from t3safe.simulation.replay import simulate_all
from t3safe.simulation.report import render
from t3safe.simulation.scenario import ReplayScenario

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER: Final = shutil.which("chromedriver")
MISSING: Final = "no chromium with its chromedriver here: apt-get install chromium chromium-driver"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests out where there is no browser; CI must have one."""
    if CHROMIUM and DRIVER:
        return
    if os.environ.get("CI"):
        pytest.exit(f"CI must run the tests of the report: {MISSING}", returncode=1)
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=f"NOT RUN: {MISSING}"))


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the report of the default run, as a file."""
    return made_page(tmp_path_factory.mktemp("report"), people=None)


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the report of a host of 120 people, over a few nights."""
    return made_page(tmp_path_factory.mktemp("crowd"), people=120)


def made_page(folder: Path, people: int | None) -> Path:
    """Write the report of the default host, or of a crowd over a few nights."""
    fleet = files.fleet()
    if people is not None:
        fleet = evolve(fleet, since=fleet.events[2].at.date(), until=fleet.events[3].at.date())
        fleet = fleet.scaled(people)
    scenario = ReplayScenario.of(fleet, files.history(), files.incidents())
    result = scenario.result(simulate_all(scenario, scenario.chosen(()), 1))
    file = folder / "report.html"
    file.write_text(render(result), encoding="utf-8")
    return file


@frozen
class Browser:
    """A browser, and what it said and asked for while a page was open."""

    driver: WebDriver

    def open(self, page: Path) -> None:
        """Open a file."""
        self.driver.get(page.as_uri())

    def console(self) -> list[str]:
        """Everything that was said in the console."""
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]

    def requests(self) -> list[str]:
        """Every address that was asked for."""
        entries = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        events = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def size(self, width: int, height: int) -> None:
        """Be a screen of this size."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def prefers(self, scheme: str) -> None:
        """Be a system set to light or dark."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


@contextmanager
def started() -> Iterator[WebDriver]:
    """Start a browser, and end it."""
    options = Options()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Give one browser to all of them."""
    with started() as driver:
        yield Browser(driver)


@pytest.fixture
def browser(chromium: Browser, page: Path) -> Iterator[Browser]:
    """Give the browser with the default report open; its console must stay silent."""
    chromium.size(1180, 900)
    chromium.prefers("light")
    chromium.console()
    chromium.requests()
    chromium.open(page)
    yield chromium
    assert chromium.console() == []
