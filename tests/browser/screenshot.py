"""Take the picture that README shows: `make screenshot`."""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from tests.browser.conftest import Browser, made_page, started

WIDTH, HEIGHT = 1180, 2120


def main(file: Path) -> None:
    """Open the default report and keep what a desktop shows of it."""
    with tempfile.TemporaryDirectory() as folder, started() as driver:
        browser = Browser(driver)
        browser.size(WIDTH, HEIGHT)
        browser.prefers("light")
        driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        browser.open(made_page(Path(folder), people=None))
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": 0.75}
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip})
        file.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
