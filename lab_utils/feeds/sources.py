"""Which feed a producer reads: the APIs at the local exchange or at their real hosts, chosen by the settings."""

import threading
from collections.abc import Iterator

from pydantic import SecretStr

from lab_utils.errors import LabError
from lab_utils.feeds import cryptocompare, finnhub
from lab_utils.feeds.api_client import Api, ApiClient
from lab_utils.feeds.exchange import place
from lab_utils.feeds.file_feed import Rejected
from lab_utils.feeds.polling import poll
from lab_utils.settings import settings
from lab_utils.ticks import ASSETS, CRYPTO, Asset, Tick

EXCHANGE, LIVE = "exchange", "live"
EXCHANGE_POLL_SECONDS = 1.0
LIVE_POLL_SECONDS = 10.0
"""CryptoCompare's answers are cached for ten seconds, and Finnhub's free plan has 60 calls a minute."""

_FREE_KEY = "Get one at https://finnhub.io/register (free) and write LAB_FINNHUB_API_KEY=… into .env."
_PAID_KEY = (
    "Write LAB_CRYPTOCOMPARE_API_KEY=… of a paid plan into .env, or set LAB_CRYPTO_SOURCE=finnhub, which is free."
)
_CORRECT = "Correct {} in .env; without the network: --feed exchange"
_EXCHANGE_KEY = (
    "Give exchange and producers the same LAB_EXCHANGE_API_KEY, or remove that line from .env: the lab has its own."
)


def live_api(source: str) -> Api:
    """The real API that `source` names, with the key from the settings."""
    if source == "finnhub":
        return Api(
            "Finnhub",
            "",
            finnhub.HTTP_HOST,
            finnhub.WEBSOCKET_HOST,
            _given(settings().finnhub_api_key),
            _CORRECT.format("LAB_FINNHUB_API_KEY"),
            "X-Finnhub-Token",
            limits=finnhub.LIMITS,
            seconds=settings().http_seconds,
        )
    legacy = source == "cryptocompare"
    return Api(
        "CryptoCompare" if legacy else "CoinDesk Data",
        "",
        cryptocompare.LEGACY_HOST if legacy else cryptocompare.DATA_HOST,
        "",
        _given(settings().cryptocompare_api_key),
        _CORRECT.format("LAB_CRYPTOCOMPARE_API_KEY"),
        "Authorization",
        "Apikey ",
        limits=cryptocompare.LIMITS,
        seconds=settings().http_seconds,
    )


def exchange_api(source: str, address: str, key: SecretStr | None) -> Api:
    """The API that `source` names as the local exchange at `address` speaks it. The source of its ticks says so."""
    is_finnhub = source == "finnhub"
    return Api(
        "The local exchange",
        "exchange:",
        f"http://{address}",
        f"ws://{address}",
        key,
        _EXCHANGE_KEY,
        "X-Finnhub-Token" if is_finnhub else "Authorization",
        "" if is_finnhub else "Apikey ",
        use_proxy=False,
        seconds=settings().http_seconds,
    )


def _given(key: SecretStr | None) -> SecretStr | None:
    return key if key is not None and key.get_secret_value().strip() else None


def source_of(asset: Asset) -> str:
    """Which API the settings name for this kind of asset."""
    return settings().crypto_source if asset is CRYPTO else "finnhub"


def check_live(*assets: Asset) -> None:
    """See that each key is there that `assets` need, before anything starts.

    Raises:
        LabError: names every missing key and where to get it.
    """
    missing = {
        "LAB_FINNHUB_API_KEY" if source == "finnhub" else "LAB_CRYPTOCOMPARE_API_KEY": _FREE_KEY
        if source == "finnhub"
        else _PAID_KEY
        for source in map(source_of, assets)
        if live_api(source).key is None
    }
    if missing:
        raise LabError(
            f"The live feed needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not set.",
            " ".join(missing.values()),
        )
    if set(assets) == set(ASSETS) and settings().crypto_source == "finnhub" and settings().stock_source == "trades":
        raise finnhub.one_connection_error()


def find_api(feed: str, asset: Asset) -> Api:
    """The API to ask for `asset`.

    Raises:
        LabError: the exchange does not run, or a key is missing.
    """
    if feed == LIVE:
        check_live(asset)
        return live_api(source_of(asset))
    address = place.address()
    if address is None:
        raise LabError("The local exchange does not run.", "Start it in another terminal: lab exchange")
    return exchange_api(source_of(asset), address, place.key())


def read_feed(feed: str, asset: Asset, stopped: threading.Event) -> Iterator[Tick | Rejected]:
    """The ticks of `asset`, live or from the exchange, until `stopped` is set.

    Raises:
        LabError: the exchange does not run, a key is missing or refused, or no symbol is known.
    """
    pause = settings().poll_seconds or (LIVE_POLL_SECONDS if feed == LIVE else EXCHANGE_POLL_SECONDS)
    return ticks_of(find_api(feed, asset), asset, pause, stopped)


def ticks_of(api: Api, asset: Asset, pause: float, stopped: threading.Event) -> Iterator[Tick | Rejected]:
    """The ticks of `asset` at `api`, in the way that the settings name."""
    symbols = (settings().crypto_symbols if asset is CRYPTO else settings().stock_symbols).split(",")
    if asset is CRYPTO and settings().crypto_source == "finnhub":
        return finnhub.Trades(api, finnhub.coin_names(symbols), asset, stopped).read()
    if asset is not CRYPTO and settings().stock_source == "trades":
        return finnhub.Trades(api, symbols, asset, stopped).read()
    judge = cryptocompare.judge if asset is CRYPTO else finnhub.judge
    client = ApiClient(api, judge, stopped)
    if asset is not CRYPTO:
        return poll(finnhub.Quotes(client, symbols).ask, pause, stopped)
    if settings().crypto_source == "coindesk":
        return poll(cryptocompare.LatestTicks(client, symbols).ask, pause, stopped)
    return poll(cryptocompare.FullQuotes(client, symbols).ask, pause, stopped)
