# The exercises of unit 10, with their solutions. Build: lab build

# %% [markdown]
# # 10 Dashboards: exercises
#
# Four functions between a table and a chart, and two statements for a database that Power BI asks. Write each in the place of the `...`, run
# its cell and the cell with the check below it.
#
# The checks look at data, never at colours: what a browser would draw of your figure, what your table holds, which way the server takes.
# They try it on rows that you have not seen. When you are stuck, `hint("10.1")`.
#
# **The tables of 10.1 to 10.4** have the columns of `candles` below: `window_start`, the four prices and `volume`. They come from `read_sql`, or from somebody who has worked on them. So expect prices as
# floats or as `Decimal`, times of any zone, minutes that are missing, and no rows at all. The table is somebody else's: do not change it.
#
# `candles` below is the recorded hour of the lesson. Try your functions on it first, in a cell of your own.

# %%
from lab_utils.teaching import check, hint, lab, progress, reveal
from lab_utils.teaching.schemas import recorded_market

lab("up")
engine = recorded_market("unit10")

# %% tags=["setup"]
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from sqlalchemy import text

# %%
candles = pd.read_sql(
    text("""
        SELECT window_start, open, high, low, close, volume
        FROM candles_1m
        WHERE asset_class = 'crypto' AND symbol = 'BTC' AND currency = 'USD'
        ORDER BY window_start
    """),
    engine,
)

# %% [markdown]
# ## 10.1 A chart of candles
#
# `candle_figure` makes a figure of a table with the columns `window_start`, `open`, `high`, `low` and `close`, in any order of rows. It has one trace, of the kind
# `Candlestick`, the oldest candle first. The clock on its x axis is that of UTC, and the title of the axis says so. The title of the figure names the
# `pair`. The range slider is off.


# %%
### BEGIN SOLUTION 10.1
def candle_figure(candles: pd.DataFrame, pair: str) -> go.Figure:
    """The candles of a pair such as `BTC/USD`."""
    in_order = candles.sort_values("window_start")
    times = pd.to_datetime(in_order["window_start"], utc=True).dt.tz_localize(None)
    prices = {name: in_order[name].astype(float) for name in ("open", "high", "low", "close")}
    figure = go.Figure(go.Candlestick(x=times, **prices))
    figure.update_layout(title=pair, xaxis_title="UTC", xaxis_rangeslider_visible=False)
    return figure


### END SOLUTION
### BEGIN STUB
# def candle_figure(candles: pd.DataFrame, pair: str) -> go.Figure:
#     """The candles of a pair such as `BTC/USD`."""
#     return ...
### END STUB

# %%
check("10.1", candle_figure)

# %% [markdown] tags=["solution"]
# `pd.to_datetime(…, utc=True)` does what `dt.tz_convert("UTC")` does, and also takes the column of a table without rows, which has no type.
# Plotly takes `Decimal` as well as floats: `astype(float)` is for whoever calculates with the column.

# %% [markdown]
# ## 10.2 An average that knows only the past
#
# `with_average` returns the table with one more column, `average`: the mean of the closes of the last `minutes` minutes, this one included. Where not every one
# of these minutes has a candle, the average is not known (`NaN`). The rows of `candles` are in order of time already. The result has the same rows, no more and
# no fewer, in the same order.


# %%
### BEGIN SOLUTION 10.2
def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    """The candles with the moving average of their closes."""
    closes = candles["close"].astype(float)
    closes.index = pd.DatetimeIndex(candles["window_start"])
    averages = closes.rolling(f"{minutes}min", min_periods=minutes).mean()
    return candles.assign(average=averages.to_numpy())


### END SOLUTION
### BEGIN STUB
# def with_average(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
#     """The candles with the moving average of their closes."""
#     return ...
### END STUB

# %%
check("10.2", with_average)

# %% [markdown] tags=["solution"]
# A window of rows, `rolling(5)`, reaches over a gap. A window of time, `rolling("5min")`, does not, and `min_periods=5` asks that all five are there. The way of the
# lesson is just as good: make a row for each minute, take `rolling(5)`, and keep the rows that were there.

# %% [markdown]
# ## 10.3 Wider candles
#
# `wider` makes candles of `minutes` minutes out of those of one, which come in any order of rows: a table with the columns `window_start` (the begin of the slot, a time with its zone), `open`, `high`, `low`,
# `close` and `volume`, the oldest first. `minutes` is 5, 15 or 60. Slots are counted from the full hour of UTC. Between the first and the last slot
# none is left out: where there were no candles, the prices are `NaN` and the volume is 0.


# %%
### BEGIN SOLUTION 10.3
def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
    """Candles of `minutes` minutes."""
    numbers = candles[["open", "high", "low", "close", "volume"]].astype(float)
    numbers.index = pd.to_datetime(candles["window_start"], utc=True)
    slots = numbers.resample(f"{minutes}min")
    return slots.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).reset_index()


### END SOLUTION
### BEGIN STUB
# def wider(candles: pd.DataFrame, minutes: int) -> pd.DataFrame:
#     """Candles of `minutes` minutes."""
#     return ...
### END STUB

# %%
check("10.3", wider)

# %% [markdown]
# ## 10.4 Fill a chart in place
#
# `skeleton` makes a chart without data. `fill` brings the candles of a pair into it, again and again: the same figure, the same three traces, and nothing left
# of what they held before. The table has these columns and `average` (which may be `NaN`), the oldest candle first.
# The title of the figure becomes the pair. When the same pair comes again, the reader's zoom stays; when another one comes, it does not.


# %% tags=["setup"]
def skeleton() -> go.Figure:
    """A chart without data: candles, the average as a line, and the volume as bars, in this order."""
    chart = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.04)
    chart.add_candlestick(name="candles", row=1, col=1)
    chart.add_scatter(name="average", mode="lines", row=1, col=1)
    chart.add_bar(name="volume", row=2, col=1)
    chart.update_layout(xaxis_rangeslider_visible=False)
    chart.update_xaxes(title="UTC", row=2, col=1)
    return chart


# %%
### BEGIN SOLUTION 10.4
def fill(chart: go.Figure, candles: pd.DataFrame, pair: str) -> None:
    """Bring candles into a chart that `skeleton` made."""
    times = pd.to_datetime(candles["window_start"], utc=True).dt.tz_localize(None)
    bodies, line, bars = chart.data
    bodies.update(x=times, open=candles["open"], high=candles["high"], low=candles["low"], close=candles["close"])
    line.update(x=times, y=candles["average"])
    bars.update(x=times, y=candles["volume"])
    chart.update_layout(title=pair, uirevision=pair)


### END SOLUTION
### BEGIN STUB
# def fill(chart: go.Figure, candles: pd.DataFrame, pair: str) -> None:
#     """Bring candles into a chart that `skeleton` made."""
#     return ...
### END STUB

# %%
check("10.4", fill)

# %% [markdown]
# ## 10.5 A view for DirectQuery
#
# `VIEW` is a statement that makes a view named `crypto_prices` of the table `crypto_data`, whose columns include `symbol`, `currency`, `price`, `size` and `event_time`. The view
# has a row for each tick of its last hour, with the columns
#
# | column | is |
# |---|---|
# | `pair` | as `BTC/USD` |
# | `event_time_utc` | a `timestamp` without time zone: what the clock in UTC showed, its fraction of a second cut off |
# | `price`, `size` | as in the table |
#
# Cut every tick to its second first. In the view are the ticks whose second is less than an hour before the newest second of the table, whichever coin that is
# of. The statement may run twice, as you will try more than once. The view is read in sessions of any time zone.
#
# To try it out: `recorded_market("unit10", role="lab_owner")` is an engine that may make views.

# %%
### BEGIN SOLUTION 10.5
VIEW = """
    CREATE OR REPLACE VIEW crypto_prices AS
    SELECT symbol || '/' || currency AS pair,
           date_trunc('second', event_time AT TIME ZONE 'UTC') AS event_time_utc,
           price,
           size
    FROM crypto_data
    WHERE date_trunc('second', event_time AT TIME ZONE 'UTC')
          > (SELECT max(date_trunc('second', event_time AT TIME ZONE 'UTC')) FROM crypto_data) - interval '1 hour'
"""
### END SOLUTION
### BEGIN STUB
# VIEW = ...
### END STUB

# %%
check("10.5", VIEW)

# %% [markdown] tags=["solution"]
# The shorter condition, `event_time > (SELECT max(event_time) …)`, keeps ticks in the second of the bound that are less than an hour old and are shown as an
# hour old. And with the expression of the column, one index serves the filters of Power BI, the bound, and the search for the newest tick.

# %% [markdown]
# ## 10.6 The index of a view
#
# A report asks this view for the ticks of a few minutes, and for the first and the last minute there is. Each time the server reads all of `crypto_data`:
#
#     CREATE VIEW crypto_by_minute AS
#     SELECT symbol, date_trunc('minute', event_time AT TIME ZONE 'UTC') AS minute_utc, price
#     FROM crypto_data
#
# `INDEX` is a statement that makes the index with which it need not. The view stays as it is. The check makes the view on a table of many
# ticks, carries your statement out, and asks the server for its plans.

# %%
### BEGIN SOLUTION 10.6
INDEX = "CREATE INDEX ON crypto_data ((date_trunc('minute', event_time AT TIME ZONE 'UTC')))"
### END SOLUTION
### BEGIN STUB
# INDEX = ...
### END STUB

# %%
check("10.6", INDEX)

# %% [markdown]
# ## How far am I?

# %%
progress()
