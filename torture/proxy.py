"""A small TCP proxy between the application and MariaDB or MySQL that can lose messages.

It reads just enough of the protocol to know each command, and asks a `judge` for its fate. So a
test can number every database call of a request and let the world break exactly there.
"""

import contextlib
import enum
import random
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

CHUNK = 1 << 16
HEADER_BYTES = 4  # three of length, one sequence number: 0 begins a command, later ones go on
COM_QUIT = 0x01
COM_QUERY = 0x03
NO_LINGER = struct.pack("ii", 1, 0)  # close() then sends RST at once


class Fate(enum.Enum):
    """What becomes of a command."""

    PASS = "it passes, and so does its reply"
    CUT_BEFORE = "the connection breaks; the database never sees the command"
    CUT_AFTER = "the database carries it out; the connection breaks before its reply arrives"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the client: the protocol's code and, for a query, its SQL."""

    code: int
    sql: str

    @property
    def is_commit(self) -> bool:
        """Whether this is the COMMIT of a transaction."""
        return self.code == COM_QUERY and self.sql.strip().upper() == "COMMIT"


def pass_all(command: Command) -> Fate:
    """Let everything pass."""
    return Fate.PASS


class Proxy:
    """Listens on `port` of 127.0.0.1 and passes connections on to `target`: (host, port), or the
    path of a unix socket.

    `judge` decides each command's fate before the database sees it. Where the fate is CUT_AFTER,
    `on_reply_lost` is called once the database has answered and before the client can know. Both
    are called from the connection's own thread and may be replaced while the proxy runs.
    """

    def __init__(
        self,
        target: tuple[str, int] | str,
        judge: Callable[[Command], Fate] = pass_all,
        on_reply_lost: Callable[[Command], None] = lambda command: None,
    ):
        self.target = target
        self.judge = judge
        self.on_reply_lost = on_reply_lost
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections; those there are go on until one side ends them."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                database = _connection_to(self.target)
            except OSError:
                return _reset(client)  # away: the client sees its connection refused
            with database:
                for one in (client, database):
                    one.settimeout(None)
                    if one.family != socket.AF_UNIX:
                        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with contextlib.suppress(OSError):
                    self._relay(client, database)
                _reset(client)
                _reset(database)

    def _relay(self, client: socket.socket, database: socket.socket) -> None:
        """Pass bytes both ways until one side ends or a fate cuts the connection."""
        commands = _Commands()
        lost: Command | None = None  # the command whose reply is awaited and not passed on
        while True:
            for readable in select.select([client, database], [], [])[0]:
                data = readable.recv(CHUNK)
                if not data:
                    return
                if readable is database:
                    if lost:
                        self.on_reply_lost(lost)
                        return
                    client.sendall(data)
                    continue
                for command in commands.begun_in(data):
                    fate = self.judge(command)
                    if fate is Fate.CUT_BEFORE:
                        return
                    if fate is Fate.CUT_AFTER:
                        lost = command
                database.sendall(data)


class _Commands:
    """Finds where commands begin in the client's half of the stream."""

    def __init__(self):
        self._rest = b""
        self._skip = 0  # bytes of a packet that goes on in the next chunk

    def begun_in(self, data: bytes) -> list[Command]:
        """Return the commands that begin in this chunk, and remember what is unfinished."""
        found = []
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data = self._rest + data[skipped:]
        while len(data) > HEADER_BYTES:
            length = int.from_bytes(data[:3], "little")
            body = data[HEADER_BYTES : HEADER_BYTES + length]
            if data[3] == 0 and length:
                is_query = body[0] == COM_QUERY
                sql = body[1:].decode("utf-8", "replace") if is_query else ""
                found.append(Command(body[0], sql))
            self._skip = length - len(body)
            data = data[HEADER_BYTES + length :]
        self._rest = data
        return found


def _connection_to(target: tuple[str, int] | str) -> socket.socket:
    if not isinstance(target, str):
        return socket.create_connection(target, timeout=5)
    database = socket.socket(socket.AF_UNIX)
    database.connect(target)
    return database


def _reset(one: socket.socket) -> None:
    """Break a connection as a dead machine would, not politely."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    one.close()


def main(port: int, seed: int) -> None:
    """Be a proxy process: print the port, then obey lines on standard input until it ends.

    A line is the share of COMMIT replies to lose, from 0 to 1. At the end of input, print how many
    were lost.
    """
    chance = random.Random(seed)
    share = 0.0
    lost = 0

    def judge(command: Command) -> Fate:
        return Fate.CUT_AFTER if command.is_commit and chance.random() < share else Fate.PASS

    def count(command: Command) -> None:
        nonlocal lost
        lost += 1

    proxy = Proxy(("127.0.0.1", port), judge, count)
    print(proxy.port, flush=True)
    for line in sys.stdin:
        share = float(line)
    print(lost, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
