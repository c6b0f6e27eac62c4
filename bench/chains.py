"""What the chains of audit rows cost: transfers a second with and without them, in one run.

    python -m bench.chains [--rounds 20] [--seconds 1.5] [--threads 8]

One process serves orders between many accounts of a private, durable database, in short rounds
that take turns: with chains, and with the lines taken out that tag, link and write their ends. The
orders go to the WSGI application itself, so that no client and no network hide what a chain costs.
Nothing but a process of its own can take the lines out; the bank has no switch for it.
"""

import argparse
import csv
import json
import os
import random
import secrets
import statistics
import sys
import tempfile
import threading
import time
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import django
from django.core.management import call_command
from django.db import connection

from bench.database import AS_IN_PRODUCTION
from smartbank.throwaway import Server

DATABASE = "smartbank"
CUSTOMERS = 1_000


def main(arguments: list[str]) -> int:
    """Measure and print both rates, their ratio, and the processor time of a transfer."""
    parser = argparse.ArgumentParser(prog="python -m bench.chains", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each kind (default 20)")
    parser.add_argument("--seconds", type=float, default=1.5, help="a round (default 1.5)")
    parser.add_argument("--threads", type=int, default=8, help="that pay (default 8)")
    options = parser.parse_args(arguments)
    with Server(durable=True, extra_options=AS_IN_PRODUCTION, databases=(DATABASE,)) as server:
        payers = _open_bank(server)
        rates = {True: [], False: []}
        costs = {True: [], False: []}
        for number in range(2 * options.rounds + 2):
            chained = number % 4 in (0, 3)  # each kind comes first as often as second
            paid, seconds, processor = _round(payers, options.threads, options.seconds, chained)
            if number > 1:  # the first two warm up
                rates[chained].append(paid / seconds)
                costs[chained].append(1000 * processor / paid)
    for chained, name in ((True, "with chains"), (False, "without")):
        rate, cost = statistics.median(rates[chained]), statistics.median(costs[chained])
        print(f"{name:12} {rate:8.1f} transfers a second, {cost:.3f} ms of our processor each")
    ratios = [one / other for one, other in zip(rates[True], rates[False], strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    print(
        f"ratio of neighbouring rounds: median {median:.3f}, quartiles {low:.3f} and {high:.3f}, "
        f"{len(ratios)} pairs"
    )
    return 0


def _open_bank(server: Server) -> list[dict]:
    """Make a bank in which everybody has money; return accounts and tokens."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "smartbank.settings",
        "SMARTBANK_READ_DOTENV": "0",
        "DATABASE_URL": server.url(DATABASE),
        "SECRET_KEY": secrets.token_hex(32),
        "AUDIT_KEYS": f"1:{secrets.token_hex(32)}",
        "AUDIT_SIGNING_KEY": secrets.token_hex(32),
        "DEBUG": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "0",
        "LOG_LEVEL": "ERROR",
        "REQUESTS_PER_MINUTE": "1000000",
    }
    django.setup()
    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory() as directory:
        tokens = Path(directory, "tokens.csv")
        call_command("load_data", customers=CUSTOMERS, transfers=0, tokens=tokens)
        with tokens.open(newline="") as file:
            return list(csv.DictReader(file))


def _round(
    payers: list[dict], threads: int, seconds: float, chained: bool
) -> tuple[int, float, float]:
    """Move money for so long; return how often, how long it took, and the processor's seconds."""
    from accounts.models import Account
    from audit import chain

    def unchained(row, account):
        row.account_id = account.pk if account else None

    counts = [0] * threads
    began, ends_at = time.perf_counter(), time.perf_counter() + seconds
    processor = time.process_time()
    append = chain.append if chained else unchained
    columns = Account.CHAIN_END if chained else ()
    with patch.object(chain, "append", append), patch.object(Account, "CHAIN_END", columns):
        clients = [
            threading.Thread(target=_pay, args=(payers, counts, number, ends_at))
            for number in range(threads)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    return sum(counts), time.perf_counter() - began, time.process_time() - processor


def _pay(payers: list[dict], counts: list[int], number: int, ends_at: float) -> None:
    chance = random.Random(number)
    while time.perf_counter() < ends_at:
        sender, receiver = chance.sample(payers, 2)
        order = {
            "from_account_id": sender["account_id"],
            "to_account_id": receiver["account_id"],
            "amount": "0.01",
        }
        counts[number] += _post(sender["token"], json.dumps(order).encode()) == "201 Created"
    connection.close()


def _post(token: str, body: bytes) -> str:
    """Send an order to the WSGI application, as its server would; return the status line."""
    from smartbank.wsgi import application

    statuses = []
    answer = application(
        {
            **{"REQUEST_METHOD": "POST", "PATH_INFO": "/transfers", "SCRIPT_NAME": ""},
            **{"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1"},
            **{"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1"},
            **{"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))},
            **{"HTTP_AUTHORIZATION": f"Bearer {token}", "wsgi.input": BytesIO(body)},
            **{"wsgi.url_scheme": "http", "wsgi.errors": sys.stderr, "wsgi.multithread": True},
            "HTTP_IDEMPOTENCY_KEY": secrets.token_hex(16),
        },
        lambda status, headers, error=None: statuses.append(status),
    )
    b"".join(answer)
    answer.close()
    return statuses[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
