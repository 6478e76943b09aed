"""The live figures of a notebook, in JupyterLab."""

import re
import secrets
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from lab_utils import stack
from lab_utils.servers import postgres_server
from lab_utils.teaching.proof import run_notebook
from lab_utils.waiting import wait_until
from tests.browser.conftest import Jupyter
from tests.browser.test_dashboard import LAST, add_candles, await_close, market, watched
from tests.labs import Lab

__all__ = ["market"]

RUNS, HEAP_MB = 10, 15
FILE_BYTES = 300_000
MARKET = 'from lab_utils.dashboard.live import live_market\n\nlive_market("BTC")'
MONITOR = "from lab_utils.dashboard.live import monitor\n\nmonitor()"
BUSY = "import time\n\nend = time.monotonic() + 600\nwhile time.monotonic() < end:\n    time.sleep(0.1)"


def open_cells(page: Page, jupyter: Jupyter, *sources: str) -> list[str]:
    """Open a notebook of these cells; what must not happen is collected."""
    wrong = watched(page)
    name = f"live_{secrets.token_hex(4)}.ipynb"  # JupyterLab would open the kernel of an earlier one of the name
    write_cells(jupyter.folder / name, *sources)
    page.goto(jupyter.address(name))
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    return wrong


def write_cells(path: Path, *sources: str) -> None:
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources], metadata=kernel
    )
    nbformat.write(notebook, path)


def run_cell(page: Page, place: int, number: int) -> None:
    """Run one cell, and wait until it is the kernel's `number`-th."""
    cell = page.locator(".jp-CodeCell").nth(place)
    cell.locator(".cm-content").first.click()
    page.keyboard.press("Control+Enter")
    cell.locator(".jp-InputPrompt", has_text=re.compile(rf"\[{number}\]:")).first.wait_for()


def await_width(page: Page) -> None:
    """Wait until the chart is as wide as its cell."""

    def widths() -> tuple[float, float]:
        boxes = [
            page.locator(name).first.bounding_box() for name in (".js-plotly-plot .main-svg", ".jp-OutputArea-output")
        ]
        chart, cell = (box["width"] if box else 0.0 for box in boxes)
        return chart, cell

    wait_until(lambda: 0.95 * widths()[1] < widths()[0] <= widths()[1], 60, "a chart as wide as its cell", seen=widths)


def heap_mb(page: Page) -> float:
    """What the page's JavaScript holds, without what is garbage."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


@pytest.mark.usefixtures("market")
def test_the_chart_advances_also_while_another_cell_runs(page: Page, jupyter: Jupyter) -> None:
    wrong = open_cells(page, jupyter, MARKET, BUSY)
    run_cell(page, 0, 1)
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    await_close(page, 1029)
    await_width(page)
    page.locator(".jp-CodeCell").nth(1).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    page.get_by_text("Python 3 (ipykernel) | Busy").wait_for()
    for number in (30, 31):
        add_candles(number, 1)
        await_close(page, 1000 + number)
    assert page.locator(".js-plotly-plot").count() == 1
    assert wrong == []


@pytest.mark.usefixtures("market")
def test_running_the_cell_again_keeps_one_chart_and_a_flat_heap(page: Page, jupyter: Jupyter) -> None:
    wrong = open_cells(page, jupyter, MARKET)
    heap = 0.0
    for number in range(1, RUNS + 3):
        run_cell(page, 0, number)
        wait_until(lambda: page.locator(".js-plotly-plot .main-svg").count() > 0, 60, "the chart")
        await_close(page, 1029)
        if number == 2:  # the first runs load what stays
            heap = heap_mb(page)
    growth = heap_mb(page) - heap
    print(f"{growth:.1f} MB more after {RUNS} runs")
    assert growth < HEAP_MB
    assert page.locator(".js-plotly-plot").count() == 1
    add_candles(30, 1)
    await_close(page, 1030)
    assert wrong == []


@pytest.mark.usefixtures("market")
def test_a_page_that_is_loaded_again_shows_what_there_is(page: Page, jupyter: Jupyter) -> None:
    open_cells(page, jupyter, MARKET)
    run_cell(page, 0, 1)
    await_close(page, 1029)
    add_candles(30, 1)
    await_close(page, 1030)
    page.keyboard.press("Control+S")
    page.locator(".jp-mod-dirty").wait_for(state="detached")

    def shown_when_loaded_again() -> float:
        page.reload()
        # JupyterLab gives a kernel some seconds to tell of its widgets. On a busy machine a page may come up without.
        with suppress(PlaywrightTimeoutError):
            page.locator(".js-plotly-plot .main-svg").first.wait_for(timeout=30_000)
        return float(page.evaluate(LAST)[1] or 0)

    wait_until(lambda: shown_when_loaded_again() == 1030, 120, "the newest close in a page that is loaded again")


@pytest.mark.usefixtures("market")
def test_another_pair_and_range_can_be_chosen_and_the_chart_stopped(page: Page, jupyter: Jupyter) -> None:
    open_cells(page, jupyter, MARKET)
    run_cell(page, 0, 1)
    await_close(page, 1029)
    page.locator(".widget-dropdown select").select_option("ETH/USD")
    await_close(page, 39)
    page.get_by_role("button", name="6 h").click()
    page.get_by_text("ETH/USD, candles of 5 min").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Go on").wait_for()
    stands = page.evaluate(LAST)
    add_candles(30, 1)
    page.get_by_role("button", name="Go on").click()
    await_close(page, 40)
    assert stands != page.evaluate(LAST)


@pytest.mark.usefixtures("market")
def test_without_the_database_the_chart_says_so_and_goes_on_when_it_is_back(page: Page, jupyter: Jupyter) -> None:
    open_cells(page, jupyter, MARKET)
    run_cell(page, 0, 1)
    await_close(page, 1029)
    try:
        postgres_server.stop()
        page.get_by_text("lab up").wait_for(timeout=30_000)
    finally:
        stack.up()
    add_candles(30, 1)
    await_close(page, 1030)


def test_the_monitor_names_its_hops_and_what_is_missing(page: Page, jupyter: Jupyter, running_lab: Lab) -> None:
    del running_lab
    wrong = open_cells(page, jupyter, MONITOR)
    run_cell(page, 0, 1)
    page.get_by_text("Spark is not running").wait_for()
    for hop in ("API", "Kafka", "Spark", "PostgreSQL", "chart"):
        page.locator(".jp-OutputArea b", has_text=hop).wait_for()
    assert page.locator(".js-plotly-plot").count() == 1
    assert wrong == []


@pytest.mark.usefixtures("market")
def test_where_nobody_looks_the_file_gets_a_picture_and_stays_small(tmp_path: Path) -> None:
    write_cells(tmp_path / "live.ipynb", MARKET, MONITOR)
    executed = run_notebook(tmp_path / "live.ipynb", tmp_path / "executed.ipynb", strict=False)
    pictures = [
        output.data["application/vnd.plotly.v1+json"]["data"]
        for cell in executed.cells
        for output in cell.outputs
        if "application/vnd.plotly.v1+json" in output.get("data", {})
    ]
    assert [len(traces) > 1 for traces in pictures] == [True, True]
    assert "widgets" not in executed.metadata
    assert (tmp_path / "executed.ipynb").stat().st_size < FILE_BYTES
