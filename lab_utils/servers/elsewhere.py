"""Servers that run elsewhere: which settings name them, and what to say when one does not answer."""

import socket

NONE_ELSEWHERE = dict.fromkeys(("LAB_KAFKA_BOOTSTRAP", "LAB_POSTGRES_HOST", "LAB_SPARK_MASTER"), "")
"""The environment of what must have servers of its own, whatever `.env` says: proofs, benchmarks, torture."""

CONNECT_SECONDS = 3.0


def is_open(host: str, port: int) -> bool:
    """Whether somebody accepts TCP connections at `port` of `host`; asked for `CONNECT_SECONDS` at most."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False


def host_and_port(address: str) -> tuple[str, int]:
    """`host:port` in two parts."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def repair(setting: str) -> str:
    """What to do when a server elsewhere does not answer; `setting` is the one that names it."""
    return f"Start it there, or correct {setting} in .env; without that line the lab uses its own."
