# The lesson of unit 10. Build: lab build

# %% [markdown]
# # 10 Dashboards
#
# **Goal.** You turn rows into a chart that tells the truth: the right clock, averages that know only the past, gaps that are seen. You
# keep it up to date without drawing it anew. And you see what Power BI asks a database, and give it a view and an index that answer fast.
#
# About 50 minutes. You need a little pandas, and of SQL what unit 09 teaches: `SELECT`, views, `EXPLAIN`. `lab reset 10` in a terminal removes
# what the lesson makes, and puts a fresh copy of the exercises into `work/` (yours is kept beside it).

# %% [markdown]
# ## Where we are
#
# At the end of the way. Whatever happened before, people judge it by what they see here.

# %%
from lab_utils.teaching import clean_slate, lab

lab("up")
folder = clean_slate("10")
# %%
from lab_utils.teaching.pictures import pipeline_map

pipeline_map(here="dashboard")

# %% [markdown]
# As in unit 09, we ask a schema with the recorded hour instead of the lab's own tables, so that everybody sees the same numbers.

# %%
from lab_utils.teaching.schemas import recorded_market

engine = recorded_market("unit10")

# %% [markdown]
# ## 1. From a query to a figure
#
# `candles_1m` has a row for each minute: the first price (`open`), the highest, the lowest, the last (`close`), and how much was traded.

# %% tags=["deterministic"]
import pandas as pd
from sqlalchemy import text

CANDLES = text("""
    SELECT window_start, open, high, low, close, volume
    FROM candles_1m
    WHERE asset_class = 'crypto' AND symbol = :symbol AND currency = 'USD'
    ORDER BY window_start
""")
candles = pd.read_sql(CANDLES, engine, params={"symbol": "BTC"})
candles.head(3)

# %% [markdown]
# A figure of plotly consists of **traces**, which hold data, and a **layout**: titles, axes, colours. A trace of the kind `Candlestick` takes
# five columns. The body of a candle reaches from `open` to `close`, its wick from `low` to `high`; it is green when the price rose.

# %%
import plotly.graph_objects as go

from lab_utils.look import COLOURS, GREY, GRID, LAYOUT, RED  # the colours of the lab, for light and dark notebooks

figure = go.Figure(
    go.Candlestick(x=candles.window_start, open=candles.open, high=candles.high, low=candles.low, close=candles.close)
)
figure.update_layout(LAYOUT, title="BTC/USD", height=360, xaxis_rangeslider_visible=False)
figure.update_xaxes(title="UTC", gridcolor=GRID)
figure.update_yaxes(gridcolor=GRID)
figure

# %% [markdown]
# Move the pointer over a candle, drag to zoom, click twice to get back. Without the line on the `rangeslider`, a second, smaller chart would take a third of
# the height.
#
# `read_sql` has made floats of the prices. For a picture that is right: no screen shows the twentieth digit. With `coerce_float=False` they stay
# exact, as `Decimal`. Plotly draws those as well, but pandas does not know them for numbers:

# %% tags=["deterministic"]
exact = pd.read_sql(CANDLES, engine, params={"symbol": "BTC"}, coerce_float=False)
print(candles["close"].dtype, "and", exact["close"].dtype)
try:
    exact["close"].std()
except TypeError as error:
    print("TypeError:", error)
print("the spread of the closes:", round(exact["close"].astype(float).std(), 2))

# %% [markdown]
# Some functions of pandas take them and some do not, and you find out later. So say it at the door of a chart: `astype(float)`. It does no harm to what is a float already.

# %% [markdown]
# ## 2. The trap of this unit: whose clock?
#
# A colleague in Kolkata runs the same query. There it is five and a half hours later than UTC, and the session is set to it. We both
# draw the first half hour, from rows as SQLAlchemy gives them. (`read_sql` makes UTC of times with a zone, and hides the trap. Rows from elsewhere do not:
# another driver, a file, a colleague's `tz_convert`.)

# %%
from plotly.subplots import make_subplots

kolkata = recorded_market("unit10", timezone="Asia/Kolkata")

figure = make_subplots(cols=2, subplot_titles=("drawn here", "drawn in Kolkata"), shared_yaxes=True)
for column, session in ((1, engine), (2, kolkata)):
    with session.connect() as connection:
        rows = connection.execute(CANDLES, {"symbol": "BTC"}).all()[:30]
    print(rows[0].window_start.isoformat(), rows[0].close)
    figure.add_scatter(x=[row.window_start for row in rows], y=[row.close for row in rows], row=1, col=column)
figure.update_layout(LAYOUT, height=300, showlegend=False)
figure.update_xaxes(gridcolor=GRID)
figure.update_yaxes(gridcolor=GRID)
figure

# %% [markdown]
# The same moments, five and a half hours apart on the axis. **A chart has no time zones.** Plotly draws the clock time that it is given
# and passes over the `+05:30` behind it. Nothing is wrong with the rows: they say the zone. The chart has lost it, and no reader can tell.
#
# The way out is always the same, and it is done where the figure is made:

# %% tags=["deterministic"]
there = pd.Series([row.window_start for row in rows])
print(there[0], " as it came")
print(there.dt.tz_convert("UTC")[0], " the same moment in UTC")
print(there.dt.tz_convert("UTC").dt.tz_localize(None)[0], "       what to draw, on an axis whose title is UTC")

# %% [markdown]
# 1. `tz_convert` changes the clock and keeps the moment.
# 2. `tz_localize(None)` takes the zone away. (By itself, without the first step, it would keep the local clock and hide whose it is.)
# 3. The title of the axis says `UTC`.
#
# Why not local time, which people like better? In autumn there is an hour that local clocks show twice: the chart would run back. And two people on the
# telephone, looking at the same candle, would read different times. Dashboards that are read in one place only may show its time. Then the title says that.

# %% [markdown]
# ## 3. A figure is data
#
# So far the figure grew line by line. Put it into a function that takes a table and returns a figure, and knows nothing of a database:


# %%
def candle_figure(candles: pd.DataFrame, pair: str) -> go.Figure:
    """The candles of a pair; `candles` is a table as `candles_1m`."""
    times = pd.to_datetime(candles["window_start"], utc=True).dt.tz_localize(None)
    prices = {name: candles[name].astype(float) for name in ("open", "high", "low", "close")}
    figure = go.Figure(go.Candlestick(x=times, **prices, name=pair))
    figure.update_layout(LAYOUT, title=pair, height=360, xaxis_rangeslider_visible=False)
    figure.update_xaxes(title="UTC", gridcolor=GRID)
    figure.update_yaxes(gridcolor=GRID)
    return figure


# %% [markdown]
# `pd.to_datetime(…, utc=True)` is `tz_convert("UTC")` for whatever comes, also for a column that holds no times yet. Where would that come
# from? From a table without rows:

# %% tags=["deterministic"]
nothing = pd.read_sql(CANDLES, engine, params={"symbol": "DOGE"})
print(nothing.dtypes.to_dict())
try:
    nothing["window_start"].dt.tz_convert("UTC")
except AttributeError as error:
    print("AttributeError:", error)
print(len(candle_figure(nothing, "DOGE/USD").data[0].x), "candles, and no error")

# %% [markdown]
# A table without rows has columns without a type. It is the first thing that a dashboard meets, on the morning before the feed starts, and the last that its
# author tries.
#
# What have we won with the function? It can be **tested without looking**. What a browser gets is the figure as JSON, and we can read that as well:

# %% tags=["deterministic"]
import json

drawn = json.loads(candle_figure(candles.tail(2), "BTC/USD").to_json())
print(drawn["data"][0]["type"], drawn["data"][0]["x"])
print(drawn["layout"]["title"]["text"], "|", drawn["layout"]["xaxis"]["title"]["text"])

before = candles.copy()
figure = candle_figure(candles, "BTC/USD")
assert list(figure.data[0].close) == list(candles.close)
assert candles.equals(before), "whoever draws a table does not change it"

# %% [markdown]
# Nobody checks each morning whether the axis is right. A test does. The checks of the exercises work like this one: they read the data of your figure, never
# its looks.
#
# The lab's own chart is made in the same way, in `lab_utils/dashboard/market.py`: `snapshot` asks, `figure` draws.

# %%
from lab_utils.dashboard import market

with engine.connect() as connection:
    found = market.snapshot(connection, market.Pair("crypto", "BTC", "USD"), market.RANGES[0])
market.figure(found)

# %% [markdown]
# ## 4. Averages that know only the past
#
# A moving average calms a line. `rolling(5)` looks at five rows, this one and the four before it:

# %% tags=["deterministic"]
averages = pd.DataFrame(
    {
        "time": candles.window_start.dt.tz_localize(None),
        "close": candles.close,
        "average": candles.close.rolling(5).mean(),
        "centred": candles.close.rolling(5, center=True).mean(),
    }
)
averages.head(6).round(2)

# %% [markdown]
# The first four rows have no average: there were not five closes yet. `NaN` is "not known", and a chart leaves it out. Filling it up with 0 would draw a cliff, and pull
# the axis down to 0 with it.
#
# With `center=True` the five rows are two before, this one, and two after. It fits better, and everybody is tempted. Look at it as it was
# **at the time**, when the rows after did not exist:

# %%
figure = go.Figure()
for name, colour in (("close", GREY), ("average", COLOURS[0]), ("centred", COLOURS[1])):
    figure.add_scatter(x=averages.time, y=averages[name], name=name, line_color=colour)
newest = candles[:20].close.rolling(5, center=True).mean().last_valid_index()  # of the first 20 minutes
point = averages.loc[[newest]]
marker = {"color": RED, "size": 11}
figure.add_scatter(x=point.time, y=point.centred, mode="markers", marker=marker, name="the newest that was known")
figure.add_vline(x="2026-11-02 14:49", line_color=RED, line_dash="dot")
figure.add_annotation(x="2026-11-02 14:49", y=1, yref="paper", text="it is 14:49", showarrow=False, xanchor="left")
figure.update_layout(LAYOUT, title="BTC/USD: close, and two averages of five minutes", height=360)
figure.update_xaxes(title="UTC", gridcolor=GRID)
figure.update_yaxes(gridcolor=GRID)
figure

# %% [markdown]
# At 14:49 the newest value of the centred line is the red point, two minutes old; what the orange line shows to the right of it came later. On a live chart it has
# none where you need one. And in a chart of the past? When was each line at its lowest?

# %% tags=["deterministic"]
averages.set_index("time").idxmin()

# %% [markdown]
# The centred line turned **before** the price did, for it was drawn by someone who knew: it is the other average, moved two minutes to the left. A rule that buys at its
# turns earns a fortune, on paper. Look only back.
#
# Now a gap. Take six minutes out, as if the feed had been away:

# %% tags=["deterministic"]
holed = candles.drop(index=range(20, 26))
holed["average"] = holed.close.rolling(5).mean()

# A row for each minute, NaN where there was none.
whole = holed.resample("1min", on="window_start")["close"].last().reset_index()
whole["average"] = whole.close.rolling(5).mean()
print(len(holed), "rows and", len(whole), "minutes")
print("averages that are missing:", int(holed.average.isna().sum()), "and", int(whole.average.isna().sum()))

# %%
figure = make_subplots(cols=2, subplot_titles=("five rows", "five minutes"), shared_yaxes=True)
for column, table in ((1, holed), (2, whole)):
    for name, colour in (("close", GREY), ("average", COLOURS[0])):
        times = table.window_start.dt.tz_localize(None)
        figure.add_scatter(x=times, y=table[name], line_color=colour, row=1, col=column)
figure.update_layout(LAYOUT, height=320, showlegend=False)
figure.update_xaxes(gridcolor=GRID, title="UTC")
figure.update_yaxes(gridcolor=GRID)
figure

# %% [markdown]
# On the left a straight line leads through six minutes of which we know nothing, and the average mixes prices from before and after. On the right the chart says what we
# know. `resample("1min")` makes a row for each minute; where there was none, it holds `NaN`. An average with a `NaN` in it is `NaN`, and plotly breaks the line there. So more
# averages are missing: those of the gap, and those after it until five minutes are together again.
#
# When the rows must stay as they are, let the window be a span of time: `closes.rolling("5min", min_periods=5).mean()`, with the times as the index of `closes`.
#
# **A chart should show that it does not know.** A flat or straight line looks like news.

# %% [markdown]
# ## 5. Wider candles
#
# A day in minutes is 1440 candles, thinner than a pixel. `resample` cuts the time into slots, `agg` says what becomes of each column in them:


# %% tags=["deterministic"]
def wider(candles: pd.DataFrame, width: str) -> pd.DataFrame:
    """Candles of another width."""
    slots = candles.resample(width, on="window_start")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).reset_index()


wider(candles, "15min")

# %% [markdown]
# Each column has its own rule, and a chart with the wrong one looks just as good. Compare a candle of 15 minutes whose `open` and `close` are means, as people get
# it from `.mean()` on the whole table:

# %%
right, wrong = wider(candles, "15min"), candles.set_index("window_start").resample("15min").mean().reset_index()
figure = make_subplots(cols=2, subplot_titles=("first, max, min, last", "mean of everything"), shared_yaxes=True)
for column, table in ((1, right), (2, wrong)):
    trace = candle_figure(table, "BTC/USD").data[0]
    figure.add_trace(trace, row=1, col=column)
figure.update_layout(
    LAYOUT, height=320, showlegend=False, xaxis_rangeslider_visible=False, xaxis2_rangeslider_visible=False
)
figure.update_xaxes(gridcolor=GRID, title="UTC")
figure.update_yaxes(gridcolor=GRID)
figure

# %% [markdown]
# On the right the market hardly moves within a quarter of an hour, and jumps between two of them. The rules are those of the minutes, one level up. Prices are never averaged, volumes are always added.
#
# Slots are cut by the clock of the index. Ours is UTC. In a table with Kolkata's times, slots of an hour would begin at half past, seen from here.

# %% [markdown]
# ## 6. One figure, filled again and again
#
# A live chart is redrawn once a second. The first idea is to make a figure each time, the second to add the new data to the old. After an hour of the second one:

# %% tags=["deterministic"]
figure = go.Figure()
for minute in range(1, 61):
    figure.add_scatter(x=candles.window_start[:minute], y=candles.close[:minute])
print(len(figure.data), "traces,", len(figure.to_json()) // 1000, "kB for each redraw")

# %% [markdown]
# Sixty lines on top of each other: it looks right, and becomes slower by the minute. With a new figure each time it is the reader who suffers: whoever has zoomed in is thrown
# back a second later.
#
# So a live chart has two functions. The **skeleton** makes the figure once, without data. **Fill** brings data into the traces that are there:


# %% tags=["deterministic"]
def skeleton() -> go.Figure:
    """The chart without data: candles, their average, and the volume below."""
    chart = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.04)
    chart.add_candlestick(name="candles", row=1, col=1)
    chart.add_scatter(name="average of 5", mode="lines", line_color=COLOURS[0], row=1, col=1)
    chart.add_bar(name="volume", marker_color=GREY, row=2, col=1)
    chart.update_layout(LAYOUT, height=420, xaxis_rangeslider_visible=False)
    chart.update_xaxes(gridcolor=GRID)
    chart.update_xaxes(title="UTC", row=2, col=1)
    chart.update_yaxes(gridcolor=GRID)
    return chart


def fill(chart: go.Figure, candles: pd.DataFrame) -> None:
    """Bring candles into the traces of a chart that `skeleton` made."""
    times = pd.to_datetime(candles["window_start"], utc=True).dt.strftime("%Y-%m-%d %H:%M")
    bodies, line, bars = chart.data
    bodies.update(x=times, **{name: candles[name] for name in ("open", "high", "low", "close")})
    line.update(x=times, y=candles["close"].astype(float).rolling(5).mean().round(2))
    bars.update(x=times, y=candles["volume"])
    chart.update_layout(title="BTC/USD", uirevision="BTC/USD")


chart = skeleton()
for minute in range(1, 61):
    fill(chart, candles[:minute])
print(len(chart.data), "traces,", len(chart.to_json()) // 1000, "kB for each redraw")

# %% [markdown]
# `uirevision` belongs to the browser. As long as its value stays the same, the browser keeps what the reader did: zoom, hidden traces. When another pair is shown, give it
# another value, as the old zoom makes no sense there.
#
# Press **Play**, at the right, to see the hour pass in a few seconds. Each frame is one `fill`. (The axes are fixed here, so that they do not jump.)


# %%
def frame(minute: int) -> go.Frame:
    """The chart as it was at that minute of the hour."""
    fill(chart, candles[:minute])
    return go.Frame(data=[trace.to_plotly_json() for trace in chart.data])


frames = [frame(minute) for minute in range(6, 61, 6)]  # each goes into the notebook's file as a whole
replay = go.Figure(chart)
replay.frames = frames
replay.update_xaxes(range=["2026-11-02 14:29:30", "2026-11-02 15:29:30"])
replay.update_yaxes(range=[candles.low.min(), candles.high.max()], row=1, col=1)
replay.update_yaxes(range=[0, candles.volume.max()], row=2, col=1)
speed = {"frame": {"duration": 400, "redraw": True}, "transition": {"duration": 0}}
play = {"label": "Play", "method": "animate", "args": [None, speed]}
replay.update_layout(updatemenus=[{"type": "buttons", "buttons": [play], "x": 1.02, "xanchor": "left", "y": 0.6}])
replay

# %% [markdown]
# ## 7. The live chart of the lab
#
# `live_market("BTC")` of `lab_utils.dashboard.live` shows such a chart in a cell and fills it once a second from the lab's tables. It is a `FigureWidget`: a
# figure with a line to the browser, so that a change of its data in Python is seen at once, without running the cell again. A thread does the filling, and so
# it goes on while you run other cells. For ticks to be there, run `lab start` in a terminal: the last bar then moves with the market. Without it, the words above
# the chart say what is missing.

# %%
from lab_utils.dashboard.live import live_market

live = live_market("BTC", "15 min")
live

# %% [markdown]
# Choose another pair or range above the chart. The button and `stop()` end it; after ten minutes it ends by itself, so that a forgotten one asks the database
# nothing.

# %%
live.stop()

# %% [markdown]
# Four rules for whoever builds one:
#
# - **One widget, used again.** Each new one costs the browser many megabytes, which it does not get back.
# - **A thread, not a loop in the cell.** A loop blocks the notebook.
# - **Times as text.** The widget sends pandas' times as nanoseconds, and plotly takes a number for milliseconds. (A plain figure writes them as text by itself.)
# - **All changes of one look at once** (`with chart.batch_update():`). Otherwise each change of a trace is a message of its own, and the browser draws in between: new candles with the old volume.

# %% [markdown]
# ## 8. A page of its own
#
# Not everybody who looks at a market has JupyterLab open. `lab dashboard` serves the same chart as a web page, and beside it a page of the pipeline itself: what
# has come how far, what waits, and what is wrong, in words. The next cell starts it, asks for the page as a
# browser would, and ends it again. (Where `lab start` or `lab dashboard` runs already, it asks that one.)

# %%
import re
import subprocess
import sys

import httpx

command = [sys.executable, "-m", "lab_utils.cli", "dashboard"]
with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as page:
    try:
        words = next((line for line in page.stderr or () if "http://" in line), "It did not start.")
        address = re.search(r"http://\S+/", words)
        assert address is not None, words
        answer = httpx.get(address[0], timeout=60, trust_env=False)
    finally:
        page.terminate()
print(words.strip())
print(answer.status_code, answer.headers["content-type"], re.findall("<title>(.*?)</title>", answer.text))

# %% [markdown]
# - The address (dead by now, unless it was there before) begins with `127.0.0.1`: only this machine can open it. A dashboard without a login belongs nowhere else.
# - What came is an almost empty page. Its script asks the server for the figure, once a second: the page is the host, `snapshot` and `fill` do the work, as in the notebook.
# - It logs in as `lab_reader`. Unit 09 says why.
#
# To see it, run `lab dashboard` in a terminal and open the address. With `lab start` beside it, it lives.

# %% [markdown]
# ## 9. What Power BI asks
#
# Half-time. From here on it is about the database, and you need your pandas no more.
#
# Many people do not want a chart that somebody has built. They want the data, and to click their own. Power BI can get at a database in two ways. **Import** copies the tables and works on the
# copy: fast, and as old as the copy. **DirectQuery** copies nothing. Each visual on the page becomes a query, sent anew at each click and at each refresh of the page.
#
# Nobody writes these queries by hand. They have a typical form: the view you chose is called `$Table`, and the query of the visual is wrapped around it; `rows`, `_` and `a0`
# are names that Power BI makes up. A **card** shows one number, a **slicer** is a list or a range to choose by. These follow published recordings of what Power BI sends;
# versions differ in details.

# %%
VISUALS = {
    "card: the highest price": """
        select max("rows"."price") as "a0"
        from (select "$Table"."price" as "price" from "{view}" "$Table") "rows"
    """,
    "slicer: which pairs are there": """
        select "rows"."pair" as "pair"
        from (select "$Table"."pair" as "pair" from "{view}" "$Table") "rows"
        group by "pair" limit 1000001
    """,
    "slicer: from when to when": """
        select max("rows"."event_time_utc") as "a0", min("rows"."event_time_utc") as "a1"
        from (select "$Table"."event_time_utc" as "event_time_utc" from "{view}" "$Table") "rows"
    """,
    "line: volume of the last 15 minutes": """
        select "_"."event_time_utc", "_"."a0"
        from (
            select "rows"."event_time_utc" as "event_time_utc", sum("rows"."size") as "a0"
            from (select "_"."event_time_utc", "_"."size" from "{view}" "_"
                  where "_"."event_time_utc" >= timestamp '2026-11-01 23:45:00'
                    and "_"."event_time_utc" < timestamp '2026-11-02 00:00:00') "rows"
            group by "event_time_utc"
        ) "_"
        where not "_"."a0" is null limit 1000001
    """,
}

# %% [markdown]
# Three things to read in them:
#
# - `limit 1000001`: a visual takes a million rows at most. One more tells Power BI that there are too many.
# - `timestamp '2026-11-01 23:45:00'`: a time **without a zone**, and only to the second. Power BI has no time zones either. Its filters "last 15 minutes" mean UTC.
# - A card without a filter reads the whole view, whatever is in it.
#
# What would a view for this look like? A first try, on a table that is large enough to feel: a day with five ticks a second.

# %%
owner = recorded_market("unit10", role="lab_owner")


def run(statement: str) -> None:
    """Do something as the owner of the tables."""
    with owner.begin() as connection:
        connection.execute(text(statement))


run("""
    DROP TABLE IF EXISTS many_ticks CASCADE;
    CREATE TABLE many_ticks AS
    SELECT (ARRAY['BTC', 'ETH', 'SOL', 'XRP', 'ADA'])[1 + number % 5] AS symbol, 'USD' AS currency,
           100 + number % 997 / 10.0 AS price, number % 7 / 10.0 AS size,
           timestamptz '2026-11-01 00:00Z' + number * interval '200 milliseconds' AS event_time
    FROM generate_series(1, 432000) AS number;
    CREATE INDEX ON many_ticks (event_time);
    CREATE VIEW first_try AS
    SELECT symbol || '/' || currency AS pair, event_time AT TIME ZONE 'UTC' AS event_time_utc, price, size
    FROM many_ticks;
    ANALYZE many_ticks
""")

# %% [markdown]
# `event_time AT TIME ZONE 'UTC'` makes of a `timestamptz` what the clock in UTC shows: a `timestamp`, as Power BI wants it. In section 2 it was done by `tz_convert` and `tz_localize(None)`.
#
# Let us play Power BI, and then look over its shoulder. `pg_stat_activity` shows what each session does or did last:

# %% tags=["deterministic"]
with engine.connect() as desk, engine.connect() as looking:
    desk.execute(text("SET application_name TO 'a desk with Power BI'"))
    desk.execute(text(VISUALS["slicer: from when to when"].format(view="first_try"))).all()
    activity = text(
        "SELECT application_name, usename, query FROM pg_stat_activity WHERE application_name LIKE 'a desk%'"
    )
    for row in looking.execute(activity):
        print(f"{row.application_name}, as {row.usename}:", row.query)

# %% [markdown]
# On your own report this is how you find out what a slow visual asks. A role sees the queries of its own sessions. Those of others are hidden from it.

# %% [markdown]
# ## 10. The clock again, and the index that it costs
#
# The table has an index on `event_time`. The line asks for 15 minutes of a day, one hundredth. Does it use the index?


# %%
def explain(visual: str, view: str) -> None:
    """Print what the server does for a visual."""
    with engine.connect() as connection:
        connection.execute(text("SET max_parallel_workers_per_gather = 0"))  # shorter plans
        query = VISUALS[visual].format(view=view)
        for (line,) in connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {query}")):
            print(line)
        connection.rollback()


explain("line: volume of the last 15 minutes", "first_try")

# %% [markdown]
# `Seq Scan`: it reads the whole table. The index sorts `event_time`; the filter asks for `event_time AT TIME ZONE 'UTC'`, and of that the index knows nothing. Unit 09 had the rule: a function around a column takes the
# index away, and advised to write the condition without it. Here that is no help: Power BI writes the conditions, and the view decides what they are about.
#
# So turn it round: make an index of what the view shows. An **expression index** sorts the values of an expression. Mind the double parentheses: only around a lone call of a
# function one pair is enough.

# %%
run("CREATE INDEX ON many_ticks ((event_time AT TIME ZONE 'UTC')); ANALYZE many_ticks")
explain("line: volume of the last 15 minutes", "first_try")

# %% [markdown]
# `Index Cond` holds both ends of the filter now. Compare `Buffers` and `Execution Time` with those before.
#
# The expression must be the very same one as in the view. And its value must depend on nothing but the row:

# %% tags=["deterministic"]
from sqlalchemy.exc import ProgrammingError

try:
    run("CREATE INDEX ON many_ticks ((event_time::timestamp))")
except ProgrammingError as error:
    print(error.orig)

# %% [markdown]
# IMMUTABLE means: from the same input the same value, always and in every session. `event_time::timestamp` is the clock time **in the zone of the session**: for you another one than for the colleague in Kolkata. PostgreSQL refuses to sort by that. In a view it would not refuse. It would show each reader other times.

# %% [markdown]
# ## 11. A view that keeps its promise
#
# Two things are left. DirectQuery sends times to the second, our ticks come in fractions: a click on the point 12:00:01 asks for ticks of exactly that time, and finds none that came at 12:00:01.4. So the view should show
# whole seconds. There is a short way to write it, and it is wrong:

# %% tags=["deterministic"]
pd.read_sql(
    """
    SELECT moment,
           (moment AT TIME ZONE 'UTC')::timestamp(0) AS rounded,
           date_trunc('second', moment AT TIME ZONE 'UTC') AS cut
    FROM (VALUES (timestamptz '2026-11-02 14:59:59.4Z'), (timestamptz '2026-11-02 14:59:59.6Z')) AS ticks(moment)
    """,
    engine,
)

# %% [markdown]
# `timestamp(0)` **rounds**. A tick of 14:59:59.6 moves to 15:00: into another minute, another candle, another hour. `date_trunc` cuts.
#
# The other thing is the card. Without a filter it reads everything, and tables grow. So the view itself should end somewhere: here an hour before its newest
# tick. (From `now()` it would be simpler, and empty for a recording.)

# %%
run("""
    CREATE VIEW prices AS
    SELECT symbol || '/' || currency AS pair, date_trunc('second', event_time AT TIME ZONE 'UTC') AS event_time_utc, price, size
    FROM many_ticks
    WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')
          > (SELECT max(date_trunc('second', event_time AT TIME ZONE 'UTC')) FROM many_ticks) - interval '1 hour';
    CREATE INDEX ON many_ticks ((date_trunc('second', event_time AT TIME ZONE 'UTC')));
    ANALYZE many_ticks
""")

# %% [markdown]
# (A second time, the statement would fail, as the view is there. `CREATE OR REPLACE VIEW` may run again.)
#
# The expression stands there three times, and each time it is the one that is indexed: for the filter of the visual, for the bound, and to find the newest tick, which
# is the last entry of the index.
#
# What has it brought? How many pages of 8 kB does the server look at for each visual? First without the indexes, then with one on the expression, then with a bound as well:


# %%
def pages(visual: str, view: str, *, with_index: bool) -> int:
    """How many pages the server looks at for a visual."""
    with engine.connect() as connection:
        if not with_index:  # as if there were none, in this session only
            connection.execute(
                text("SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off")
            )
        query = VISUALS[visual].format(view=view)
        plan = connection.execute(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}")).scalar_one()
        connection.rollback()
    return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])


cost = pd.DataFrame(
    {
        "a plain view": [pages(visual, "first_try", with_index=False) for visual in VISUALS],
        "with an index": [pages(visual, "first_try", with_index=True) for visual in VISUALS],
        "with index and bound": [pages(visual, "prices", with_index=True) for visual in VISUALS],
    },
    index=list(VISUALS),
)
figure = go.Figure()
for way, colour in zip(cost.columns, (GREY, COLOURS[0], COLOURS[2]), strict=True):
    figure.add_bar(y=cost.index, x=cost[way], name=way, orientation="h", marker_color=colour, text=cost[way])
figure.update_layout(LAYOUT, title="Pages that the server looks at", height=380)
figure.update_xaxes(gridcolor=GRID)
figure.update_yaxes(autorange="reversed")
figure

# %% [markdown]
# The index helps visuals that filter or look for an end. A card or a list of pairs has no filter, and reads all that there is. There only the bound helps. (Where the index
# had helped already, the bound costs a few pages, to find the newest tick.)
#
# Multiply: five visuals, refreshed each 5 seconds, on twenty desks, are twenty queries a second.
#
# The lab's own views for Power BI are in the schema `bi`. They follow the same rules: times without a zone, in UTC and named so, in whole seconds, bounded, indexed. For the list of pairs there is a small view
# of its own, so that no slicer has to look for them among the ticks.

# %% [markdown]
# ## What you have learnt
#
# - A chart has no time zones. Convert to UTC, take the zone off, and write `UTC` on the axis.
# - A figure is a function of data: it changes nothing, works without rows, and can be tested by what it would draw.
# - An average looks back only. What is not known is `NaN`, and a gap stays a gap.
# - Wider candles: first, max, min, last, sum.
# - A live chart is made once and filled again and again. `uirevision` keeps the zoom.
# - DirectQuery: each visual is a query, at each refresh. Give it views, not tables.
# - Such a view shows `timestamp` in UTC, cut to seconds, and ends somewhere. An index on **the same expression** makes its filters fast.
#
# **Next:** the exercises. In a terminal: `lab exercise start 10`, then open `work/10_dashboards.ipynb`.
