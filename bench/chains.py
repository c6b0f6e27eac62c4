"""What the chains of audit rows cost: transfers a second with and without them, in one run.

    python -m bench.chains [--rounds 20] [--seconds 1.5] [--threads 8]

One process moves money between many accounts of a private, durable database, in short rounds that
take turns: with chains, and with the lines taken out that tag, link and write their ends. Nothing
but a process of its own can take them out; the bank has no switch for it.
"""

import argparse
import os
import random
import secrets
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest.mock import patch

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from bench.bank import AS_IN_PRODUCTION
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
        _open_bank(server)
        rates = {True: [], False: []}
        costs = {True: [], False: []}
        for number in range(2 * options.rounds + 2):
            chained = number % 4 in (0, 3)  # each kind comes first as often as second
            paid, seconds, processor = _round(options.threads, options.seconds, chained)
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


def _open_bank(server: Server) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "smartbank.settings",
        "SMARTBANK_READ_DOTENV": "0",
        "DATABASE_URL": server.url(DATABASE),
        "SECRET_KEY": secrets.token_hex(32),
        "AUDIT_KEYS": f"1:{secrets.token_hex(32)}",
        "AUDIT_SIGNING_KEY": secrets.token_hex(32),
    }
    django.setup()
    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory() as directory:
        tokens = Path(directory, "tokens.csv")
        call_command("load_data", customers=CUSTOMERS, transfers=0, tokens=tokens)


def _round(threads: int, seconds: float, chained: bool) -> tuple[int, float, float]:
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
        payers = [
            threading.Thread(target=_pay, args=(counts, number, ends_at))
            for number in range(threads)
        ]
        for payer in payers:
            payer.start()
        for payer in payers:
            payer.join()
    return sum(counts), time.perf_counter() - began, time.process_time() - processor


def _pay(counts: list[int], number: int, ends_at: float) -> None:
    from accounts.models import Account
    from audit.operations import Origin
    from transfers import operations
    from transfers.models import Transfer
    from transfers.orders import Order

    accounts = list(
        Account.objects.filter(kind=Account.Kind.CUSTOMER).values_list(
            "pk", "customer", "customer__user"
        )
    )
    chance = random.Random(number)
    while time.perf_counter() < ends_at:
        (sender, customer, user), (receiver, _, _) = chance.sample(accounts, 2)
        [outcome] = operations.post(
            [
                Order(
                    kind=Transfer.Kind.PAYMENT,
                    caller_id=user,
                    customer_id=customer,
                    from_account_id=sender,
                    to_account_id=receiver,
                    amount_minor=1,
                    currency=settings.DEFAULT_CURRENCY,
                    origin=Origin(user, "bench", "127.0.0.1"),
                )
            ]
        )
        counts[number] += outcome.refusal is None
    connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
