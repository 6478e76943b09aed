"""The exercises in a real browser, as a student meets them."""

import re
import shutil
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from lab_utils.settings import ROOT
from lab_utils.teaching.units import course_units
from lab_utils.waiting import wait_until
from tests.browser.conftest import Jupyter

SECONDS = 240
DECLARED = {unit.name: sorted(unit.exercises) for unit in course_units()}


def open_notebook(page: Page, jupyter: Jupyter, kind: str, name: str) -> None:
    """Open a copy of a built notebook and wait for its kernel."""
    copy = jupyter.folder / f"{kind}_{name}.ipynb"
    shutil.copyfile(ROOT / kind / f"{name}.ipynb", copy)
    page.goto(jupyter.address(copy.name))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def run_all(page: Page) -> None:
    """Choose Run All Cells and wait until the last code cell has a number and the kernel rests."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
    wait_until(
        lambda: all(re.fullmatch(r"\[\d+\]:", text.strip()) for text in prompts.all_inner_texts()),
        SECONDS,
        "all cells to have run",
        every=0.3,
        seen=prompts.all_inner_texts,
    )


def cards(page: Page) -> dict[str, str]:
    """Exercise → outcome, as the cards in the page say."""
    found = page.locator("section.lab-card[data-exercise]")
    return {str(card.get_attribute("data-exercise")): str(card.get_attribute("data-outcome")) for card in found.all()}


def tracebacks(page: Page) -> list[str]:
    return page.locator('[data-mime-type="application/vnd.jupyter.error"]').all_inner_texts()


def test_jupyterlab_opens_without_a_question(page: Page, jupyter: Jupyter) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto(jupyter.address("").replace("/doc/tree/", "/lab"))
    page.get_by_role("tab", name="Launcher").wait_for()
    page.wait_for_load_state("networkidle")
    assert not [path for path in asked if path.endswith("/lab/api/build")], "JupyterLab asks whether it is to be built"
    assert page.locator(".jp-Dialog").count() == 0


def test_untouched_exercises_run_through_and_are_not_attempted(page: Page, jupyter: Jupyter) -> None:
    """In one unit, for how JupyterLab shows it; that it is so in each is a part of its proof."""
    open_notebook(page, jupyter, "exercises", "01_kafka")
    run_all(page)
    assert tracebacks(page) == []
    assert cards(page) == dict.fromkeys(DECLARED["01_kafka"], "NOT_ATTEMPTED")


@pytest.mark.parametrize("name", DECLARED)
def test_the_solutions_pass(page: Page, jupyter: Jupyter, name: str) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).hostname or ""))
    open_notebook(page, jupyter, "solutions", name)
    run_all(page)
    assert tracebacks(page) == []
    assert cards(page) == dict.fromkeys(DECLARED[name], "PASS")
    assert asked <= {"127.0.0.1", ""}
