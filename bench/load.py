"""The load generator: one thread that keeps many HTTP connections busy.

It sends requests that are bytes already and looks at no more of an answer than its status and its
length, so it costs some 40 microseconds a request: `Sample.cpu` says how much, and a run in which
it is the bottleneck is told by that.
"""

import select
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

ANSWER_SECONDS = 30
AHEAD_PER_SECOND = 2_000  # requests that are made before the clock starts
RECEIVE_BYTES = 1 << 20


class NoAnswer(Exception):
    """The server said nothing for too long, or hung up."""


@dataclass
class Sample:
    """What one or several rounds of one row came to."""

    seconds: float = 0.0
    cpu: float = 0.0  # that the generator itself used
    latencies: list[float] = field(default_factory=list)  # in seconds
    statuses: Counter = field(default_factory=Counter)


class _Connection:
    """One HTTP connection, and the request that is under way on it."""

    def __init__(self, address: tuple[str, int]):
        self.socket = socket.create_connection(address, ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def status(self) -> int | None:
        """Take in what has come; return the status once the answer is complete."""
        part = self.socket.recv(RECEIVE_BYTES)
        if not part:
            raise NoAnswer("The server closed a connection.")
        self.received += part
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        _, _, rest = head.lower().partition(b"\r\ncontent-length:")
        if not rest:
            raise NoAnswer("The server sent an answer without a Content-Length.")
        return int(head[9:12]) if len(body) >= int(rest.split(b"\r\n", 1)[0]) else None


def run(
    address: tuple[str, int],
    connections: int,
    requests: Iterator[bytes],
    seconds: float,
    weight: int = 1,
) -> Sample:
    """Keep so many connections busy for so long; each sends its next request when answered.

    The clock stops when the last answer is there. `weight` says how much heavier than one transfer
    a request is. Raises NoAnswer.
    """
    sample = Sample()
    ahead = list(islice(requests, connections + int(seconds * AHEAD_PER_SECOND / weight)))
    requests = chain(ahead, requests)
    opened = [_Connection(address) for _ in range(connections)]
    by_number = {one.socket.fileno(): one for one in opened}
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    cpu, began = time.thread_time(), time.perf_counter()
    try:
        for one in opened:
            one.send(next(requests))
        under_way = len(opened)
        while under_way:
            ready = poll.poll(ANSWER_SECONDS)
            if not ready:
                raise NoAnswer(f"No answer for {ANSWER_SECONDS} s.")
            for number, _ in ready:
                one = by_number[number]
                status = one.status()
                if status is None:
                    continue
                now = time.perf_counter()
                sample.latencies.append(now - one.sent_at)
                sample.statuses[status] += 1
                if now - began < seconds:
                    one.send(next(requests))
                else:
                    under_way -= 1
    finally:
        poll.close()
        for one in opened:
            one.socket.close()
    sample.seconds = time.perf_counter() - began
    sample.cpu = time.thread_time() - cpu
    return sample
