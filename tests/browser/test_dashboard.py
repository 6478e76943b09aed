"""The page of `lab dashboard` in a real browser, while the database gains candles, goes away and comes back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Page

from lab_utils import db_utils, stack
from lab_utils.servers import postgres_server
from lab_utils.waiting import wait_until
from tests.labs import Lab

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LAST = """() => {
    const trace = document.querySelector('.js-plotly-plot')?._fullData?.[0];
    return trace?.close?.length ? [trace.x.at(-1), trace.close.at(-1)] : [null, null];
}"""
"""Time and close of the last bar of the first chart."""
CPU_SECONDS = 0.1
"""What one look at a day of candles may cost."""


@pytest.fixture
def market(running_lab: Lab) -> Lab:
    add_candles(0, 30)
    return running_lab


@dataclass(frozen=True)
class Served:
    """The running page."""

    address: str
    process: psutil.Process


@pytest.fixture
def served(market: Lab) -> Iterator[Served]:
    """`lab dashboard`."""
    process = market.begin("dashboard", "--port", "26543")
    try:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
        assert found is not None
        yield Served(found.group(), psutil.Process(process.pid))
    finally:
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0


def add_candles(first: int, count: int) -> None:
    with db_utils.cursor("lab_owner") as cursor:
        for symbol in ("BTC", "ETH"):
            for number in range(first, first + count):
                close = (1000 if symbol == "BTC" else 10) + number
                values = (symbol, START + timedelta(minutes=number), close, close + 5, close - 5, close)
                cursor.execute("INSERT INTO candles_1m VALUES ('crypto', %s, 'USD', %s, %s, %s, %s, %s, 3, 4)", values)


def await_close(page: Page, close: float) -> None:
    wait_until(
        lambda: page.evaluate(LAST)[1] == close, 120, f"a last close of {close}", seen=lambda: page.evaluate(LAST)
    )


def watched(page: Page) -> list[str]:
    """Collects what must not happen: errors in the console, requests to other machines."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: (
            wrong.append(request.url) if urlsplit(request.url).hostname not in {"127.0.0.1", None} else None
        ),
    )
    return wrong


def open_page(page: Page, address: str) -> list[str]:
    """Open it; what must not happen is collected."""
    wrong = watched(page)
    page.goto(address)
    page.locator("#chart .js-plotly-plot .main-svg").first.wait_for()
    page.get_by_text("BTC/USD, candles of 1 min").wait_for()
    return wrong


def test_the_chart_follows_the_database_and_the_choices(page: Page, served: Served) -> None:
    wrong = open_page(page, served.address)
    await_close(page, 1029)
    add_candles(30, 1)
    await_close(page, 1030)
    assert datetime.fromisoformat(page.evaluate(LAST)[0][:19]) == datetime(2026, 11, 24, 12, 30)
    page.get_by_label("ETH/USD").check()
    await_close(page, 40)
    page.get_by_label("6 h").check()
    page.get_by_text("ETH/USD, candles of 5 min").wait_for()
    add_candles(31, 1)
    await_close(page, 41)
    assert page.locator("#market .js-plotly-plot").count() == 1
    assert page.get_by_label("ETH/USD").is_checked() and page.get_by_label("6 h").is_checked()
    assert wrong == []


def test_without_the_database_the_page_says_so_and_goes_on_when_it_is_back(page: Page, served: Served) -> None:
    open_page(page, served.address)
    await_close(page, 1029)
    try:
        postgres_server.stop()
        page.locator("#words.trouble", has_text="lab up").wait_for(timeout=20_000)
        await_close(page, 1029)
    finally:
        stack.up()
    add_candles(30, 1)
    await_close(page, 1030)
    assert page.locator("#words.trouble").count() == 0


def test_a_look_at_a_day_of_candles_costs_little(page: Page, served: Served) -> None:
    add_candles(30, 1440)
    open_page(page, served.address)
    page.get_by_label("1 day").check()
    page.get_by_text("BTC/USD, candles of 15 min").wait_for()
    assert cost_of_a_look(page, served) < CPU_SECONDS


def cost_of_a_look(page: Page, served: Served) -> float:
    """Seconds of CPU that the page's process takes to answer, over ten answers."""
    asked = 0

    def count(_request: object) -> None:
        nonlocal asked
        asked += 1

    before = busy(served.process)
    page.on("requestfinished", count)
    wait_until(lambda: page.title() and asked >= 10, 60, "ten looks")  # events are told between questions to the page
    cost = (busy(served.process) - before) / asked
    print(f"{1000 * cost:.0f} ms a look")
    return cost


def busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


# --- The pipeline -------------------------------------------------------------------------------------------------


def test_the_pipeline_is_followed_from_a_record_sent_by_hand_to_its_row(
    page: Page, running_lab: Lab, served: Served
) -> None:
    wrong = open_page(page, served.address)
    page.get_by_label("Pipeline").check()
    page.locator("#findings", has_text="Spark is not running").wait_for()
    stream = running_lab.begin("stream")
    try:
        page.locator("#findings", has_text="Spark is not running").wait_for(state="detached")
        page.get_by_role("button", name="Send", exact=True).click()
        page.locator("#followed", has_text="a row of crypto_data: TEST at 100.25").wait_for()
        page.locator("#strip .hop", has_text="PostgreSQL").get_by_text("1 rows").wait_for()
        page.locator("#message").fill('{"symbol": "TEST"}')
        page.get_by_role("button", name="Send", exact=True).click()
        page.locator("#followed", has_text="a dead letter").wait_for()
        page.get_by_role("button", name="Show the last records").click()
        page.locator("#records td", has_text="no tick: ").wait_for()
        assert page.locator("#pipeline .js-plotly-plot").count() == 1
    finally:
        stream.terminate()
        stream.communicate(timeout=60)
    page.locator("#findings", has_text="Spark is not running").wait_for(timeout=30_000)
    assert wrong == []


def test_a_look_at_the_pipeline_costs_little(page: Page, served: Served) -> None:
    open_page(page, served.address)
    page.get_by_label("Pipeline").check()
    page.locator("#strip .hop").first.wait_for()
    assert cost_of_a_look(page, served) < CPU_SECONDS
