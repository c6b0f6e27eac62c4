"""The database in which the bank is measured: on a private server, or one that is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import environ

from smartbank.throwaway import Server

NAME = "smartbank"
# As a bank runs it (README): on disk at every commit, in the log and in the binary log.
AS_IN_PRODUCTION = [
    "--log-bin=binlog",
    "--sync-binlog=1",
    "--innodb-buffer-pool-size=2G",
    "--innodb-log-file-size=512M",
]


@dataclass(frozen=True)
class Database:
    """An empty database for the bank. The yardstick makes its own beside it, and drops that."""

    url: str
    way: dict  # how the C driver reaches the server
    name: str
    pid: int | None = None  # of the server, if it runs here and is ours

    @property
    def copy(self) -> str:
        """The name of the yardstick's database."""
        return f"{self.name}_yardstick"

    def connect(self, name: str = "") -> dict:
        """Return how the C driver reaches the bank's database, or another one of the server."""
        return {**self.way, "db": name or self.name}


@contextmanager
def private() -> Iterator[Database]:
    """Start a server of our own while the block runs."""
    with Server(durable=True, extra_options=AS_IN_PRODUCTION, databases=(NAME,)) as server:
        way = {"unix_socket": str(server.socket), "user": "root"}
        yield Database(server.url(NAME), way, NAME, server.pid)


@contextmanager
def given(url: str) -> Iterator[Database]:
    """Use the database that a DATABASE_URL names."""
    parts = environ.Env.db_url_config(url)
    way = {
        "host": parts["HOST"] or "localhost",
        "user": parts["USER"],
        "password": parts["PASSWORD"],
        **({"port": int(parts["PORT"])} if parts["PORT"] else {}),
        **{key: value for key, value in parts.get("OPTIONS", {}).items() if key == "unix_socket"},
    }
    yield Database(url, way, parts["NAME"])
