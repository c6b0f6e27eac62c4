"""The real bank and the model of it, side by side: both are asked the same, the answers compared.

The real bank is asked from outside: over the REST API, by the form on `/send`, on the pages of the
back office; opening, cash, limits and freezing also as a program calls them. Nothing here knows
what an answer should be: that is for model_bank.py to say. Amounts are in minor units.
"""

import datetime as dt
import io
import json
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts import models as stored
from accounts import operations, public_ids, tokens
from accounts.tests.back_office import fill_in
from audit.models import AuditLog
from audit.operations import Origin
from conftest import Api, Person, set_limit
from office.models import ApprovalRequest
from tests import model_bank as model
from transfers import cash
from transfers.models import Dispute, DisputeNote, LedgerEntry, Transfer

TABLES = [
    one._meta.db_table
    for one in (
        *(AuditLog, LedgerEntry, stored.AccountDailyUsage, ApprovalRequest, DisputeNote, Dispute),
        *(Transfer, stored.Account, stored.ApiToken, stored.Customer),
    )
]
STATUS = {
    "validation_error": 400,
    "not_found": 404,
    "permission_denied": 403,
    "receipt_not_possible": 409,
    "account_not_found": 404,
    "same_account": 422,
    "currency_mismatch": 422,
    "idempotency_key_reused": 422,
    "account_not_active": 409,
    "insufficient_funds": 402,
    "daily_limit_exceeded": 429,
}
AT_THE_COUNTER = {  # how a page of the back office begins to say it
    "account_not_active": "Refused: the account is not active.",
    "insufficient_funds": "Refused: only ",
    "idempotency_key_reused": "This page was sent before",
}
NOBODYS_ID = "01980000-0000-7000-8000-000000000000"
NOBODYS_NUMBER = "000000000001"
STAFF = "teller"


@dataclass
class World:
    """What lasts from one bank to the next: its place, its staff, the clock, what was counted."""

    zone: str
    teller: Person
    manager: Person
    at: dt.datetime = dt.datetime(2026, 1, 1)  # UTC
    customers: int = 0
    steps: int = 0
    answers: Counter = field(default_factory=Counter)

    def now(self) -> dt.datetime:
        """What the bank's clock says; to be put in the place of django.utils.timezone.now."""
        return self.at.replace(tzinfo=dt.UTC)

    @property
    def today(self) -> dt.date:
        """The bank's day."""
        return model.bank_day(self.at, self.zone)

    @property
    def midnight(self) -> dt.datetime:
        """When that day ends (UTC)."""
        return model.day_ends(self.at, self.zone)


@dataclass(frozen=True)
class Ask:
    """What a customer asks for. A currency of None is not said, so the bank works it out."""

    caller: str
    payer: model.Account | None
    payee: model.Account | None
    amount: int
    currency: str | None = None
    reference: str = ""
    key: str | None = None

    def order(self) -> model.Order:
        """Return what it means."""
        own = self.payer is not None and self.payer.owner == self.caller
        currency = self.currency or (self.payer.currency if own else model.HOME_CURRENCY)
        return model.Order(
            self.caller, self.payer, self.payee, self.amount, currency, self.reference
        )


@dataclass(frozen=True)
class Row:
    """What the real bank calls an account."""

    pk: int
    id: str
    number: str
    created_at: dt.datetime


class BothBanks:
    """An empty bank twice: the real one, and its model as `self.model`."""

    def __init__(self, world: World):
        statements = connection.ops.sql_flush(no_style(), TABLES, reset_sequences=True)
        connection.ops.execute_sql_flush(statements)
        self.world = world
        self.model = model.Bank()
        self.people: dict[str, Person] = {}
        self.rows: dict[model.Account, Row] = {}
        self.ids: dict[model.Transfer, str] = {}
        self.asked: dict[model.Transfer, Ask] = {}
        self._first_answers: dict[model.Transfer, bytes] = {}
        self._request_ids: dict[model.Transfer, str] = {}
        self._browsers: dict[str, Client] = {}
        self._audited = Counter()
        self._asks = 0
        self.people[STAFF] = self._with_token(world.teller)

    # --- What staff do ---------------------------------------------------------------------------

    def open_account(
        self, owner: str, currency: str, limit: int, at_a_page: bool = False
    ) -> model.Account:
        """Open an account, and before it the customer if there is none of that name."""
        if owner not in self.people:
            self._open_customer(owner)
        customer = self.people[owner].customer
        if at_a_page and limit <= largest(currency):
            url = reverse("admin:accounts_account_open", args=[customer.pk])
            typed = {"currency": currency, "daily_limit": spell(limit, currency)}
            page = fill_in(self.world.teller, url, name="Savings", **typed)
            agree("the page that opens an account", page.status_code, 302)
            row = customer.accounts.latest("pk")
        else:
            row = operations.open_account(
                customer,
                name="Savings",
                currency=currency,
                daily_limit_minor=limit,
                origin=self.world.manager.origin,
            )
        self._audited["account.opened"] += 1
        account = model.Account(owner, currency, limit)
        self.model.accounts.append(account)
        self._know(account, row)
        return account

    def change_limit(self, account: model.Account, limit: int, at_a_page: bool) -> None:
        """Set the daily limit; a page takes no more than an order may say, and only a change."""
        if at_a_page:
            possible = limit <= largest(account.currency) and limit != account.limit
            typed = spell(limit, account.currency)
            url = reverse("admin:office_limit", args=[self._stored(account).pk])
            page = fill_in(self.world.teller, url, daily_limit=typed)
            agree("the page that changes a limit", page.status_code, 302 if possible else 200)
            if not possible:
                return
            if limit > account.limit:
                self._approve()
        else:
            row, origin = self._stored(account), self.world.manager.origin
            set_limit(row, limit, reason="r", origin=origin)
        account.limit = limit
        self._audited["account.limit_changed"] += 1

    def _approve(self) -> None:
        """Let the manager approve what the teller has just asked for."""
        url = reverse("admin:office_approve", args=[ApprovalRequest.objects.latest("pk").pk])
        agree("the page that approves", fill_in(self.world.manager, url).status_code, 302)
        self._audited["request.made"] += 1
        self._audited["request.approved"] += 1

    def change_status(self, account: model.Account, freeze: bool, at_a_page: bool) -> None:
        """Freeze or unfreeze the account, unless it is already."""
        possible = account.frozen != freeze
        if at_a_page or not freeze:  # to let money move takes two, and they have a page alone
            name = "accounts_account_freeze" if freeze else "office_unfreeze"
            url = reverse(f"admin:{name}", args=[self._stored(account).pk])
            done = fill_in(self.world.teller, url).status_code == 302
            if done and not freeze:
                self._approve()
        else:
            try:
                origin = self.world.manager.origin
                operations.freeze(self._stored(account), reason="r", origin=origin)
                done = True
            except operations.WrongStatus:
                done = False
        agree(f"whether freezing, {freeze}, is possible", done, possible)
        if possible:
            account.frozen = freeze
            self._audited["account.frozen" if freeze else "account.unfrozen"] += 1

    def move_cash(
        self, paid_in: bool, account: model.Account, amount: int, key: str, at_a_page: bool = False
    ) -> model.Transfer | None:
        """Take in or pay out cash; return the transfer if there is a new one."""
        own = self.model.cash.setdefault(account.currency, model.Account(None, account.currency))
        payer, payee = (own, account) if paid_in else (account, own)
        order = model.Order(STAFF, payer, payee, amount, account.currency, "Cash", cash=True)
        key = key.replace("-", "")  # as the page makes them
        settled = self.model.settle(order, key, self.world.at, self.world.today)
        transfer, refusal, replayed = settled
        self._count("cash", refusal, replayed)
        move = self._cash_at_a_page if at_a_page else self._cash_by_call
        done = move(paid_in, account, amount, key, refusal, replayed)
        if own not in self.rows:
            self._know(own, stored.Account.objects.get(house_role=f"cash:{own.currency}"))
        if transfer and not replayed:
            self.ids[transfer] = done
            self.asked[transfer] = Ask(STAFF, payer, payee, amount, order.currency, "Cash", key)
            return transfer
        return None

    def _cash_at_a_page(self, paid_in, account, amount, key, refusal, replayed):
        operation = "deposit" if paid_in else "withdraw"
        pk = self.rows[account].pk
        name = {"deposit": "office_deposit", "withdraw": "office_withdraw_cash"}[operation]
        url = reverse(f"admin:{name}", args=[pk])
        typed = {"amount": spell(amount, account.currency), "reference": "Cash", "key": key}
        page = fill_in(self.world.teller, url, **typed)
        agree(f"the page for a {operation}", page.status_code, 200 if refusal else 302)
        if refusal:
            [told] = page.context["form"].non_field_errors()
            words = AT_THE_COUNTER[refusal.code]
            agree("what the counter says", told[: len(words)], words)
        return Transfer.objects.latest("pk").public_id

    def _cash_by_call(self, paid_in, account, amount, key, refusal, replayed):
        move = cash.deposit if paid_in else cash.withdraw
        said = {"reference": "Cash", "reason": "r", "origin": self.world.teller.origin}
        outcome = move(self._stored(account), amount, key=key, **said)
        code = outcome.refusal.code if outcome.refusal else None
        agree("what becomes of the cash", code, refusal.code if refusal else None)
        agree("whether cash is replayed", outcome.replayed, replayed)
        return outcome.transfer.public_id if outcome.transfer else None

    # --- What customers order --------------------------------------------------------------------

    def order(self, ask: Ask, door: str, spelling: set) -> model.Transfer | None:
        """Ask both banks, compare the answers; return the transfer if there is a new one."""
        self._asks += 1
        if ask.currency is not None:
            door = "api"  # a form cannot say it
        if door == "form" and ask.key is None:
            ask = replace(ask, key=self.new_key())
        settled = self.model.settle(ask.order(), ask.key, self.world.at, self.world.today)
        transfer, refusal, replayed = settled
        self._count(door, refusal, replayed)
        (self._by_form if door == "form" else self._by_api)(ask, spelling, *settled)
        if transfer and not replayed:
            self.asked[transfer] = ask
            return transfer
        return None

    def new_key(self, number: int | None = None) -> str:
        """Return an idempotency key such as a form makes; the same number makes the same key."""
        self._asks += 1
        return f"00000000-0000-4000-8000-{number or self._asks + 1_000:012}"

    def _by_api(self, ask, spelling, transfer, refusal, replayed):
        raw = self._spelt(ask, spelling)
        request_id = f"request-{self._asks}"
        api = self.people[ask.caller].api
        answer = api.post("/transfers", raw=raw, key=ask.key, X_Request_ID=request_id)
        said = f"POST /transfers {raw.decode()}, key {ask.key}"
        body = json_of(said, answer, STATUS[refusal.code] if refusal else 201)
        agree(
            "Idempotent-Replayed", answer.get("Idempotent-Replayed"), "true" if replayed else None
        )
        agree("X-Request-ID", answer["X-Request-ID"], request_id)
        if transfer and not replayed:
            self._take_down(transfer, body.get("transfer_id" if refusal else "id"), request_id)
        if refusal:
            expected = self._refusal_body(transfer, refusal, request_id)
            agree(said, problem_of(answer), expected)
            self._check_the_wait(answer, transfer, refusal)
        else:
            agree(said, body, self._transfer_body(transfer, ask.caller, as_first_answered=True))
            agree("Location", answer["Location"], f"/transfers/{self.ids[transfer]}")
        if transfer:
            first = self._first_answers.setdefault(transfer, answer.content)
            agree(f"{said}: the bytes of the answer", answer.content, first)

    def _by_form(self, ask, spelling, transfer, refusal, replayed):
        number = self.rows[ask.payee].number if ask.payee else NOBODYS_NUMBER
        currency = ask.order().currency
        amount = spell(ask.amount, currency)
        if "by number" in spelling:
            number = f" {number[:4]} {number[4:8]}-{number[8:]} "
        if "short" in spelling:
            amount = shortened(amount)
        if "wide" in spelling:
            amount = f" {currency} {amount} "
        typed = {
            "from_account_id": self.rows[ask.payer].id if ask.payer else NOBODYS_ID,
            "to_account_number": number,
            "amount": amount,
            "reference": ask.reference,
            "idempotency_key": ask.key,
        }
        request_id = f"request-{self._asks}"
        browser = self._browser(ask.caller)
        answer = browser.post("/send", typed, headers={"X-Request-ID": request_id})
        said = f"the form {typed}"
        agree(said, answer.status_code, STATUS[refusal.code] if refusal else 303)
        if refusal:
            done = answer.context["refused"].public_id if transfer else None
            used_up = transfer is not None or refusal.code == "idempotency_key_reused"
            new_key = answer.context["form"].key != ask.key
            agree(f"{said}: whether the form gets a new key", new_key, used_up)
        else:
            done = answer["Location"].removeprefix("/payments/")
        if transfer and not replayed:
            self._take_down(transfer, done, request_id)
        agree(f"{said}: its transfer", done, self.ids[transfer] if transfer else None)

    def _take_down(self, transfer: model.Transfer, id: str, request_id: str) -> None:
        agree("whether the id is canonical", public_ids.is_canonical(id), True)
        agree("whether the id is new", id not in self.ids.values(), True)
        self.ids[transfer] = id
        self._request_ids[transfer] = request_id

    def _spelt(self, ask: Ask, spelling: set) -> bytes:
        """Return the order as JSON, in one of the ways to write it."""
        order = ask.order()
        quote = escaped if "escaped" in spelling else json.dumps
        payer, payee = self.rows.get(ask.payer), self.rows.get(ask.payee)
        amount, reference = spell(ask.amount, order.currency), ask.reference
        if "short" in spelling:
            amount = shortened(amount)
        if "decomposed" in spelling:
            reference = unicodedata.normalize("NFD", reference)
        members = {
            "from_account_id": quote(payer.id if payer else NOBODYS_ID),
            "amount": amount if "bare" in spelling else quote(amount),
        }
        if "by number" in spelling:
            members["to_account_number"] = quote(payee.number if payee else NOBODYS_NUMBER)
        else:
            members["to_account_id"] = quote(payee.id if payee else NOBODYS_ID)
        if ask.currency or "currency" in spelling:
            members["currency"] = quote(order.currency)
        if reference:
            members["reference"] = quote(reference)
        pairs = list(members.items())
        if "backwards" in spelling:
            pairs.reverse()
        space = " \r\n\t" if "wide" in spelling else ""
        text = f"{space},{space}".join(f"{quote(name)}{space}:{value}" for name, value in pairs)
        return f"{space}{{{space}{text}{space}}}{space}".encode()

    def _check_the_wait(self, answer, transfer, refusal) -> None:
        if refusal.code == "daily_limit_exceeded":
            wait = model.day_ends(transfer.at, self.world.zone) - self.world.at
            seconds = max(0, wait / dt.timedelta(seconds=1))
            is_next_second = 0 < int(answer["Retry-After"]) - seconds <= 1
            agree("whether Retry-After leads to midnight", is_next_second, True)
        else:
            agree("Retry-After", answer.get("Retry-After"), None)

    # --- The receiver's end ----------------------------------------------------------------------

    def give_receipt(self, transfer: model.Transfer, who: str, received: int, door: str) -> None:
        """Let somebody say that so much has arrived."""
        if not self._sees(who, transfer):
            code = "not_found"
        elif who != transfer.order.payee.owner:
            code = "permission_denied"
        elif self.model.give_receipt(transfer, received, self.world.at):
            code = None
        else:
            code = "receipt_not_possible"
        self.world.answers[f"receipt {code or 'taken'}"] += 1

        typed = {"received_amount": spell(received, transfer.order.currency)}
        if door == "form" and who != STAFF:
            page = self._browser(who).post(f"/payments/{self.ids[transfer]}/receipt", typed)
            agree(f"the receipt {typed}", page.status_code, STATUS[code] if code else 303)
            return
        path = f"/transfers/{self.ids[transfer]}/receipt"
        answer = self.people[who].api.post(path, typed)
        if code:
            self._agree_on_problem(f"POST {path} {typed} by {who}", answer, code)
        else:
            body = json_of(f"POST {path} {typed} by {who}", answer, 200)
            agree("the receipt", body, self._transfer_body(transfer, who))

    # --- Reading ---------------------------------------------------------------------------------

    def read_account(self, who: str, account: model.Account) -> None:
        """Read an account and its limits."""
        path = f"/accounts/{self.rows[account].id}"
        day, zone = self.world.today, self.world.zone
        limits = {
            "account_id": self.rows[account].id,
            "currency": account.currency,
            "date": day.isoformat(),
            "time_zone": zone,
            "daily_limit": spell(account.limit, account.currency),
            "used": spell(account.sent[day], account.currency),
            "remaining": spell(account.left(day), account.currency),
            "resets_at": rfc3339(self.world.midnight),
        }
        for url, expected in ((path, self._account_body(account)), (f"{path}/limits", limits)):
            answer = self.people[who].api.get(url)
            if who in (account.owner, STAFF):
                agree(f"GET {url}", json_of(url, answer, 200), expected)
            else:
                self._agree_on_problem(f"GET {url} by {who}", answer, "not_found")

    def read_customer(self, who: str, owner: str, size: int) -> None:
        """List a customer's accounts, newest first."""
        path = f"/customers/{self.people[owner].customer.public_id}/accounts"
        mine = [one for one in reversed(self.model.accounts) if one.owner == owner]
        expected = [self._account_body(one) for one in mine]
        self._agree_on_list(who, path, size, {}, expected if who in (owner, STAFF) else None)

    def read_entries(self, who: str, account: model.Account, size: int, since, until) -> None:
        """List an account's history between two days or None."""
        path = f"/accounts/{self.rows[account].id}/entries"
        wanted = {"since": since, "until": until}
        if who in (account.owner, STAFF) and since and until and until < since:
            answer = self.people[who].api.get(path, wanted)
            agree(f"GET {path} {wanted}", answer.json()["code"], "validation_error")
            return
        expected = [
            self._entry_body(account, sequence, entry)
            for sequence, entry in reversed([*enumerate(account.entries, 1)])
            if (since or dt.date.min) <= entry.transfer.day <= (until or dt.date.max)
        ]
        visible = who in (account.owner, STAFF)
        self._agree_on_list(who, path, size, wanted, expected if visible else None)

    def read_transfers(self, who: str, account, direction, status, size: int) -> None:
        """List transfers, those of an account, a direction or a status only if it is given."""
        mine = [one for one in self.rows if who in (one.owner, STAFF)]
        wanted = {"direction": direction, "status": status}
        if account:
            wanted["account_id"] = self.rows[account].id
        if who == STAFF and direction and not account:  # in and out for whom?
            answer = self.people[who].api.get("/transfers", {"direction": direction})
            agree(f"GET /transfers {wanted}", answer.json()["code"], "validation_error")
            return
        expected = None
        if not account or account in mine:
            mine = [account] if account else mine
            expected = [
                self._transfer_body(one, who)
                for one in reversed(self.model.transfers)
                if self._sees(who, one)
                and (not account or account in (one.order.payer, one.order.payee))
                and (direction != "in" or one.order.payee in mine)
                and (direction != "out" or one.order.payer in mine)
                and (not status or status == transfer_status(one))
            ]
        self._agree_on_list(who, "/transfers", size, wanted, expected)

    def read_transfer(self, who: str, transfer: model.Transfer) -> None:
        """Read one transfer."""
        url = f"/transfers/{self.ids[transfer]}"
        answer = self.people[who].api.get(url)
        if self._sees(who, transfer):
            expected = self._transfer_body(transfer, who)
            agree(f"GET {url} by {who}", json_of(url, answer, 200), expected)
        else:
            self._agree_on_problem(f"GET {url} by {who}", answer, "not_found")

    def _agree_on_list(self, who: str, path: str, size: int, wanted: dict, expected) -> None:
        """Read a list page by page to its end, and back once; None is what must not be seen."""
        api = self.people[who].api
        wanted = {name: str(one) for name, one in wanted.items() if one is not None}
        url = f"{path}?{urlencode({'limit': size, **wanted})}"
        if expected is None:
            self._agree_on_problem(f"GET {url} by {who}", api.get(url), "not_found")
            return
        pages = [json_of(url, api.get(url), 200)]
        agree(f"GET {url}: previous", pages[0]["previous"], None)
        while pages[-1]["next"]:
            pages.append(json_of(url, api.get(pages[-1]["next"]), 200))
        found = [one for page in pages for one in page["results"]]
        agree(f"GET {url} by {who}", found, expected)
        cut = [expected[at : at + size] for at in range(0, len(expected), size)] or [[]]
        lengths = [len(page["results"]) for page in pages]
        agree(f"GET {url}: the pages' lengths", lengths, [len(page) for page in cut])
        if len(pages) > 1:
            before = json_of(url, api.get(pages[-1]["previous"]), 200)
            agree(f"GET {url}: the last page but one", before["results"], cut[-2])

    # --- The books -------------------------------------------------------------------------------

    def compare_books(self) -> None:
        """Compare everything that is stored with the model."""
        ids = {account: row.id for account, row in self.rows.items()}
        columns = ("balance_minor", "held_minor", "entry_sequence", "daily_limit_minor", "status")
        rows = stored.Account.objects.values_list("public_id", *columns)
        agree(
            "accounts (balance, held, entries, limit, status)",
            {id: facts for id, *facts in rows},
            {
                ids[one]: [one.balance, 0, len(one.entries), one.limit, account_status(one)]
                for one in self.rows
            },
        )
        usage = stored.AccountDailyUsage.objects.values_list(
            "account__public_id", "bank_date", "used_minor"
        )
        agree(
            "usage",
            {(account, str(day)): used for account, day, used in usage},
            {
                (ids[account], str(day)): sent
                for account in self.rows
                for day, sent in account.sent.items()
            },
        )
        columns = ("public_id", "kind", "status", "failure_code", "amount_minor", "bank_date")
        rows = Transfer.objects.order_by("pk").values_list(
            *columns, "receipt_status", "received_minor"
        )
        agree(
            "transfers (id, kind, status, code, amount, day, receipt, received)",
            list(rows),
            [
                (
                    *(self.ids[one], "CASH" if one.order.cash else "PAYMENT"),
                    *(transfer_status(one), one.refusal.code if one.refusal else None),
                    *(one.order.amount, one.day, one.receipt, one.received),
                )
                for one in self.model.transfers
            ],
        )
        columns = ("sequence", "transfer__public_id", "amount_minor", "balance_after_minor")
        rows = LedgerEntry.objects.values_list("account__public_id", *columns)
        agree(
            "entries (account, sequence, transfer, amount, balance)",
            sorted(rows),
            sorted(
                (ids[account], sequence, self.ids[one.transfer], one.amount, one.balance_after)
                for account in self.rows
                for sequence, one in enumerate(account.entries, 1)
            ),
        )
        actions = AuditLog.objects.values_list("action", flat=True)
        agree("audit rows", Counter(actions), self._audit_rows())

    def _audit_rows(self) -> Counter:
        given = Counter(one.receipt for one in self.model.transfers)
        refused = sum(1 for one in self.model.transfers if one.refusal)
        return self._audited + Counter(
            {
                "transfer.completed": 2 * (len(self.model.transfers) - refused),
                "transfer.refused": refused,
                "transfer.not_accepted": self.model.not_accepted,
                "receipt.confirmed": given["CONFIRMED"],
                "receipt.disputed": given["DISPUTED"],
            }
        )

    def reconcile(self) -> None:
        """Let the real bank prove its own books. Raises CommandError."""
        call_command("reconcile", stdout=io.StringIO())

    # --- How the real bank calls it --------------------------------------------------------------

    def _open_customer(self, name: str) -> None:
        self.world.customers += 1
        customer = operations.open_customer(
            username=f"{name}-{self.world.customers}",
            password="x",
            name=name.title(),
            origin=self.world.manager.origin,
        )
        self.people[name] = self._with_token(Person(customer.user, customer))
        self._audited["customer.opened"] += 1

    def _with_token(self, person: Person) -> Person:
        secret, _ = tokens.create(person.user, origin=Origin.command("test"))
        self._audited["token.created"] += 1
        return replace(person, token=secret, api=Api(secret))

    def _browser(self, name: str) -> Client:
        if name not in self._browsers:
            self._browsers[name] = Client(raise_request_exception=False)
            self._browsers[name].force_login(self.people[name].user)
        return self._browsers[name]

    def _know(self, account: model.Account, row: stored.Account) -> None:
        self.rows[account] = Row(row.pk, row.public_id, row.number, row.created_at)

    def _stored(self, account: model.Account) -> stored.Account:
        return stored.Account.objects.get(pk=self.rows[account].pk)

    def _sees(self, who: str, transfer: model.Transfer) -> bool:
        return who == STAFF or transfer.shown_to(who)

    def _count(self, door: str, refusal: model.Refusal | None, replayed: bool) -> None:
        what = refusal.code if refusal else "moved"
        self.world.answers[f"{door} {what}{' again' if replayed else ''}"] += 1

    # --- Bodies ----------------------------------------------------------------------------------

    def _transfer_body(
        self, one: model.Transfer, viewer: str, as_first_answered: bool = False
    ) -> dict:
        order, currency = one.order, one.order.currency
        receipt = {
            "status": "UNCONFIRMED" if as_first_answered else one.receipt,
            "confirmed_at": None if as_first_answered else rfc3339(one.confirmed_at),
        }
        if not one.refusal and order.payee.owner == viewer:
            [credit] = [entry for entry in order.payee.entries if entry.transfer is one]
            receipt |= {
                "credited_amount": spell(credit.amount, currency),
                "balance_after": spell(credit.balance_after, currency),
                "matches": True,
            }
        return {
            "id": self.ids[one],
            "status": transfer_status(one),
            "from_account_id": self.rows[order.payer].id,
            "to_account_id": self.rows[order.payee].id,
            "amount": spell(order.amount, currency),
            "currency": currency,
            "reference": order.reference,
            "failure_code": one.refusal.code if one.refusal else None,
            "created_at": rfc3339(one.at),
            "completed_at": None if one.refusal else rfc3339(one.at),
            "receipt": receipt,
            "reverses": None,
            "reversed_amount": spell(0, currency),
        }

    def _refusal_body(self, transfer, refusal: model.Refusal, request_id: str) -> dict:
        body = {"code": refusal.code, "status": STATUS[refusal.code], "request_id": request_id}
        for name, fact in refusal.facts.items():
            body[name] = spell(fact, transfer.order.currency) if isinstance(fact, int) else fact
        if transfer:
            body["transfer_id"] = self.ids[transfer]
            body["request_id"] = self._request_ids[transfer]  # that of the first answer
        if refusal.code == "daily_limit_exceeded":
            body["resets_at"] = rfc3339(model.day_ends(transfer.at, self.world.zone))
        return body

    def _agree_on_problem(self, said: str, answer, code: str) -> None:
        json_of(said, answer, STATUS[code])
        body = {"code": code, "status": STATUS[code], "request_id": answer["X-Request-ID"]}
        agree(said, problem_of(answer), body)

    def _account_body(self, account: model.Account) -> dict:
        row = self.rows[account]
        return {
            "id": row.id,
            "number": row.number,
            "name": "Savings",
            "currency": account.currency,
            "status": account_status(account),
            "balance": spell(account.balance, account.currency),
            "available_balance": spell(account.balance, account.currency),
            "daily_limit": spell(account.limit, account.currency),
            "created_at": rfc3339(row.created_at.replace(tzinfo=None)),
        }

    def _entry_body(self, account: model.Account, sequence: int, entry: model.Entry) -> dict:
        order = entry.transfer.order
        other = order.payee if account is order.payer else order.payer
        return {
            "sequence": sequence,
            "transfer_id": self.ids[entry.transfer],
            "amount": spell(entry.amount, account.currency),
            "balance_after": spell(entry.balance_after, account.currency),
            "counterparty_name": other.owner.title() if other.owner else f"Cash {other.currency}",
            "reference": order.reference,
            "created_at": rfc3339(entry.transfer.at),
        }


def account_status(account: model.Account) -> str:
    """Return the status that the real bank gives the account."""
    return "FROZEN" if account.frozen else "ACTIVE"


def transfer_status(transfer: model.Transfer) -> str:
    """Return the status that the real bank gives the transfer."""
    return "REJECTED" if transfer.refusal else "COMPLETED"


# --- How things are written ---------------------------------------------------------------------


def spell(minor: int, currency: str) -> str:
    """Return an amount as the API writes it: 2500 paise are "25.00"."""
    decimals = model.DECIMALS[currency]
    whole, rest = divmod(abs(minor), 10**decimals)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{rest:0{decimals}}" if decimals else f"{sign}{whole}"


def shortened(amount: str) -> str:
    """Return the same amount without zeros at its end: "1.50" is "1.5", "25.00" is "25"."""
    return amount.rstrip("0").rstrip(".") if "." in amount else amount


def largest(currency: str) -> int:
    """Return the most that one order may say: 10^12 of the whole unit."""
    return 10**12 * 10 ** model.DECIMALS[currency]


def escaped(text: str) -> str:
    """Return a JSON string with every character escaped."""
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2)) + '"'


def rfc3339(at: dt.datetime | None) -> str | None:
    """Return a moment (UTC) as the API writes it."""
    return at and at.isoformat(timespec="microseconds") + "Z"


# --- Comparing ----------------------------------------------------------------------------------


def json_of(said: str, answer, status: int) -> dict:
    """Return the JSON of an answer that must have this status."""
    content_type = "application/json" if status < 400 else "application/problem+json"
    if (answer.status_code, answer["Content-Type"]) != (status, content_type):
        body = answer.content.decode(errors="replace")[:300]
        raise AssertionError(
            f"{said}\n  the bank:  {answer.status_code} {body}\n  the model: {status}"
        )
    return json.loads(answer.content)


def problem_of(answer) -> dict:
    """Return a problem's members, without the words for people, which must be there."""
    body = json.loads(answer.content)
    agree("type", body.pop("type", None), f"/problems/{body.get('code')}")
    agree("title and detail", all([body.pop("title", None), body.pop("detail", None)]), True)
    return body


def agree(what: str, bank, model) -> None:
    """Raise AssertionError if the two differ, showing only where."""
    if bank == model:
        return
    if isinstance(bank, list) and isinstance(model, list) and len(bank) == len(model):
        at = next(
            at for at, (one, other) in enumerate(zip(bank, model, strict=True)) if one != other
        )
        agree(f"{what}[{at}]", bank[at], model[at])
    if isinstance(bank, dict) and isinstance(model, dict):
        differ = {name for name in {*bank, *model} if bank.get(name) != model.get(name)}
        bank, model = ({name: one.get(name) for name in differ} for one in (bank, model))
    raise AssertionError(f"{what}\n  the bank:  {bank}\n  the model: {model}")
