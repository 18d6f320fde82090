"""The report in a real browser: it renders, it answers, and it asks nobody for anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from t3safe.simulation.scores import SHOWN
from t3safe.t3.files import V2_DATABASE
from tests.browser.conftest import Browser

pytestmark = pytest.mark.browser

OUTAGE = "2026-06-03"


def found(browser: Browser, css: str) -> list[WebElement]:
    """Everything that a selector finds."""
    return browser.driver.find_elements(By.CSS_SELECTOR, css)


def one(browser: Browser, css: str) -> WebElement:
    """The first that a selector finds."""
    return browser.driver.find_element(By.CSS_SELECTOR, css)


def cell(browser: Browser, policy: str, person: str, day: str) -> WebElement:
    """The cell of a night in the calendar."""
    return one(browser, f'i[aria-label^="{day} {person}, {policy}:"]')


def press(browser: Browser, *keys: str) -> None:
    """Press keys, one after another."""
    for key in keys:
        ActionChains(browser.driver).send_keys(key).perform()


def test_it_renders_every_part(browser: Browser) -> None:
    """Scores side by side, versions against time, a cell for each night, person and policy."""
    assert len(found(browser, "#scores tbody tr")) == len(SHOWN)
    assert [th.text for th in found(browser, "#scores thead th")[1:]] == ["blind", "seed", "t3safe"]
    assert len(found(browser, "#versions path")) == 4
    nights = 180
    assert len(found(browser, "i[data-night]")) == nights * 3 * 3
    assert cell(browser, "blind", "emo", OUTAGE).get_attribute("class") == "f-x"
    assert cell(browser, "t3safe", "emo", OUTAGE).get_attribute("class") == "f-r"


def test_it_asks_the_network_for_nothing(browser: Browser) -> None:
    """One file and nothing beside it: what it needs is in it."""
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []


def test_a_night_opens_to_its_reasons_and_evidence(browser: Browser) -> None:
    """Every policy of that night, with its outcome, each person's outcome, and what was said."""
    cell(browser, "blind", "emo", OUTAGE).click()
    dialog = one(browser, "#night")
    assert dialog.get_attribute("open") is not None
    text = dialog.text
    assert f"The night of {OUTAGE}" in text
    assert "is not known to use the path /api/auth/browser-session" in text
    assert "the binary rollback to" in text
    assert "does not help" in text
    assert "rolled back" in text
    one(browser, "#night button[value=close]").click()
    assert one(browser, "#night").get_attribute("open") is None


def test_the_nights_beside_it_are_a_step_away(browser: Browser) -> None:
    """By button and by arrow key, and not past the ends."""
    cell(browser, "seed", "sam", "2026-04-15").click()
    assert not one(browser, "#earlier").is_enabled()
    one(browser, "#later").click()
    assert one(browser, "#night-h").text == "The night of 2026-04-16"
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    assert one(browser, "#night-h").text == "The night of 2026-04-17"
    press(browser, Keys.ESCAPE)
    assert one(browser, "#night").get_attribute("open") is None


def test_it_shows_who_changed_generation_and_what_that_hid(browser: Browser) -> None:
    """Each generation with its database, each policy's nights, and what a rollback hides."""
    rows = [row.text for row in found(browser, "#generations tbody tr")]
    assert [row.partition(" state")[0] for row in rows] == ["V1 before scoped pairing", "V1", "V2"]
    assert V2_DATABASE in rows[2]
    assert "0.0.46-preview.20261002.2598" in rows[2]
    lines = {li.text for li in found(browser, "#generations li")}
    assert "2026-10-03 V1 \u2192 V2: emo, sam, wizard" in lines
    (back,) = (line for line in lines if line.startswith("2026-10-07 V2 \u2192 V1"))
    assert "rows of theirs are hidden from V1" in back
    assert "the old statev2.sqlite must be moved away first" in one(browser, "#generations").text


def test_a_night_says_of_which_generation_each_person_is(browser: Browser) -> None:
    """In the calendar by a mark and a label, in the dialog beside the outcome and the version."""
    moved = cell(browser, "t3safe", "sam", "2026-10-03")
    assert moved.get_attribute("class") == "f-m v2"
    assert (moved.get_attribute("aria-label") or "").endswith("moved, V2")
    before = cell(browser, "t3safe", "sam", "2026-10-02")
    assert "v2" not in (before.get_attribute("class") or "").split()
    moved.click()
    text = one(browser, "#night").text
    assert "most people run 0.0.46-nightly.20261003.2610 (V2)" in text
    assert "sam moved, V2" in text
    press(browser, Keys.ESCAPE)


def test_it_is_searched_as_one_types(browser: Browser) -> None:
    """Nights that hold the words, with the words marked; the others fade."""
    one(browser, "#search").send_keys("gate broken")
    assert one(browser, "#found").text == "1 of 180 nights"
    (result,) = found(browser, "#results button")
    assert "2026-06-19" in result.text
    assert one(browser, "#results mark").text.lower() == "gate broken"
    assert "dim" in (cell(browser, "t3safe", "emo", OUTAGE).get_attribute("class") or "")
    result.click()
    assert one(browser, "#night-h").text == "The night of 2026-06-19"


def test_a_search_that_finds_nothing_says_so(browser: Browser) -> None:
    """A number, not an empty page; and what is typed is text, never markup."""
    one(browser, "#search").send_keys("<img src=x onerror=alert(1)>")
    assert one(browser, "#found").text == "0 of 180 nights"
    assert found(browser, "#results button") == []


def test_fates_can_be_picked_out(browser: Browser) -> None:
    """Only nights on which somebody was broken stand out, and all again afterwards."""
    button = one(browser, '#legend button[data-fate="x"]')
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert found(browser, "i.f-x.dim") == []
    assert len(found(browser, "i.f-m:not(.dim)")) == 0
    button.click()
    assert found(browser, "i.dim") == []


def test_it_can_be_used_by_the_keyboard_alone(browser: Browser) -> None:
    """Arrows move in the calendar, Enter opens, Escape closes, a slash goes to the search."""
    browser.driver.execute_script("document.querySelector('i[tabindex=\"0\"]').focus()")
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    here = browser.driver.switch_to.active_element
    assert (here.get_attribute("aria-label") or "").startswith("2026-04-16 emo, seed:")
    press(browser, Keys.ENTER)
    assert one(browser, "#night").get_attribute("open") is not None
    press(browser, Keys.ESCAPE)
    press(browser, Keys.END)
    here = browser.driver.switch_to.active_element
    assert (here.get_attribute("aria-label") or "").startswith("2026-10-11 emo, seed:")
    press(browser, "/")
    assert browser.driver.switch_to.active_element.get_attribute("id") == "search"


def test_a_line_of_the_chart_can_be_hidden(browser: Browser) -> None:
    """By its box in the legend."""
    one(browser, 'input[data-line="s2"]').click()
    assert not one(browser, "path.s2").is_displayed()
    assert one(browser, "path.s3").is_displayed()


def test_the_chart_opens_the_night_under_the_pointer(browser: Browser) -> None:
    """And says what was run on it."""
    chart = one(browser, "#versions")
    ActionChains(browser.driver).move_to_element(chart).perform()
    assert "t3safe 0.0." in one(browser, "#under").text
    ActionChains(browser.driver).move_to_element(chart).click().perform()
    assert one(browser, "#night").get_attribute("open") is not None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_system_and_a_person_may_differ(browser: Browser, scheme: str) -> None:
    """Light on a light system, dark on a dark one; the button turns it round."""
    browser.prefers(scheme)
    page = one(browser, "body")

    def dark() -> bool:
        colour = page.value_of_css_property("background-color")
        red = int(colour.partition("(")[2].partition(",")[0])
        return red < 128

    assert dark() is (scheme == "dark")
    one(browser, "#theme").click()
    assert dark() is (scheme == "light")


@pytest.mark.parametrize("width", [320, 390, 768, 1180])
def test_it_fits_any_screen(browser: Browser, width: int) -> None:
    """Nothing but the calendar and the tables within themselves is scrolled sideways."""
    browser.size(width, 800)
    script = "return document.documentElement.scrollWidth - window.innerWidth"
    assert browser.driver.execute_script(script) <= 0
    cell(browser, "blind", "emo", "2026-04-16").click()
    inside = "const d = document.getElementById('night'); return d.scrollWidth - d.clientWidth"
    assert browser.driver.execute_script(inside) <= 0


def test_on_a_phone_a_night_is_large_enough_to_touch(browser: Browser) -> None:
    """A cell of a night is at least as tall as a finger needs beside others."""
    browser.size(390, 844)
    rect = cell(browser, "blind", "emo", "2026-04-16").rect
    assert rect["height"] >= 24
    assert rect["width"] >= 12


def test_a_crowd_is_shown_a_page_at_a_time(browser: Browser, crowd: Path) -> None:
    """120 people: the first 25, more on demand, and whoever is searched for."""
    browser.open(crowd)
    rows = '.policy[data-policy="t3safe"] .row:not(.head)'
    assert len(found(browser, rows)) == 25
    one(browser, "#more").click()
    assert len(found(browser, rows)) == 120
    one(browser, "#search").send_keys("sam-0011")
    assert [row.text for row in found(browser, f"{rows} > span")] == ["sam-0011"]
    one(browser, "i[data-night]").click()
    assert "people" not in one(browser, "#night-h").text
    assert one(browser, "#night").get_attribute("open") is not None
