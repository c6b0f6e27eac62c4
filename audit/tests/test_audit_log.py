"""What happened is written once, with who, when, where and why, and never changed."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts.models import Account
from audit.models import AppendOnly, AuditLog
from transfers.models import LedgerEntry

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def newest(db):
    """Return a function that lists the rows written since the test's cast was ready."""

    def rows_after(mark: int) -> list[AuditLog]:
        return list(AuditLog.objects.filter(pk__gt=mark).order_by("pk"))

    return rows_after


def mark() -> int:
    return AuditLog.objects.latest("pk").pk


def order(sender, receiver, amount="25.00", **members):
    """POST an order under a known request id, from a known address."""
    return sender.api.post(
        "/transfers",
        sender.order(receiver, amount, **members),
        X_Request_ID="mine",
        key="canary-key",
    )


# --- One row per account concerned ------------------------------------------------------------


def test_a_completed_transfer_leaves_one_row_for_each_account(reena, rahul, newest, monkeypatch):
    moment = dt.datetime(2026, 3, 31, 10, 0, tzinfo=dt.UTC)
    since = mark()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    sent = order(reena, rahul, reference="canary-reference").json()
    rows = newest(since)
    balances = [(reena, 500_000, 497_500), (rahul, 300_000, 302_500)]
    for row, (person, before, after) in zip(rows, balances, strict=True):
        assert row.account_id == person.account.pk
        assert row.action == "transfer.completed"
        assert row.created_at == moment
        assert (row.object_type, row.object_id) == ("transfer", sent["id"])
        assert (row.actor_id, row.request_id, row.ip) == (reena.user.pk, "mine", "127.0.0.1")
        assert row.details == {
            "amount_minor": 2_500,
            "currency": "INR",
            "kind": "PAYMENT",
            "from": reena.account.public_id,
            "to": rahul.account.public_id,
            "before": {"balance_minor": before},
            "after": {"balance_minor": after},
        }


@pytest.mark.parametrize(
    ("amount", "code", "numbers"),
    [
        ("500.01", "insufficient_funds", {"available_minor": 50_000}),
        (
            "100.01",
            "daily_limit_exceeded",
            {"limit_minor": 10_000, "used_minor": 0, "remaining_minor": 10_000},
        ),
    ],
)
def test_a_refused_transfer_leaves_one_row_for_the_sender(
    amount, code, numbers, meera, reena, newest
):
    since = mark()
    refused = order(meera, reena, amount).json()
    (row,) = newest(since)
    assert row.action == "transfer.refused"
    assert row.account_id == meera.account.pk
    assert (row.object_type, row.object_id) == ("transfer", refused["transfer_id"])
    assert (row.actor_id, row.request_id, row.ip) == (meera.user.pk, "mine", "127.0.0.1")
    assert row.details == {
        "amount_minor": int(amount.replace(".", "")),
        "currency": "INR",
        "kind": "PAYMENT",
        "from": meera.account.public_id,
        "to": reena.account.public_id,
        "code": code,
        **numbers,
    }


@pytest.mark.parametrize("side", ["from", "to"])
def test_a_stopped_account_is_named_by_its_side(side, reena, rahul, newest):
    person = reena if side == "from" else rahul
    Account.objects.filter(pk=person.account.pk).update(status="FROZEN")
    since = mark()
    order(reena, rahul)
    (row,) = newest(since)
    assert (row.action, row.account_id) == ("transfer.refused", reena.account.pk)
    assert (row.details["code"], row.details["side"]) == ("account_not_active", side)


def attempts(reena, rahul) -> dict:
    """What is refused without a transfer: the wrong members, the refusal's details, the account to
    audit, and the id of the account that was the matter, as the caller named it."""
    mine, theirs = reena.account, rahul.account.public_id
    house = Account.objects.get(house_role="cash:INR").public_id
    no_sender = {"code": "account_not_found", "field": "from_account_id"}
    no_receiver = {"code": "account_not_found", "field": "to_account_id"}
    return {
        "foreign sender": ({"from_account_id": theirs}, no_sender, None, theirs),
        "unknown sender": ({"from_account_id": UNKNOWN_ID}, no_sender, None, UNKNOWN_ID),
        "unknown receiver": ({"to_account_id": UNKNOWN_ID}, no_receiver, mine.pk, UNKNOWN_ID),
        "bank's account": ({"to_account_id": house}, no_receiver, mine.pk, house),
        "same account": (
            {"to_account_id": mine.public_id},
            {"code": "same_account"},
            mine.pk,
            mine.public_id,
        ),
        "other currency": (
            {"currency": "USD"},
            {"code": "currency_mismatch"},
            mine.pk,
            mine.public_id,
        ),
    }


@pytest.mark.parametrize(
    "attempt",
    [
        "foreign sender",
        "unknown sender",
        "unknown receiver",
        "bank's account",
        "same account",
        "other currency",
    ],
)
def test_an_attempt_that_leaves_no_transfer_leaves_one_row(attempt, reena, rahul, newest):
    wrong, refusal, account_id, named = attempts(reena, rahul)[attempt]
    since = mark()
    asked = reena.order(rahul, "25.00") | wrong
    response = reena.api.post("/transfers", asked, X_Request_ID="mine")
    assert response.json()["code"] == refusal["code"]
    (row,) = newest(since)
    assert row.action == "transfer.not_accepted"
    assert row.account_id == account_id
    assert (row.object_type, row.object_id) == ("account", named)
    assert (row.actor_id, row.request_id, row.ip) == (reena.user.pk, "mine", "127.0.0.1")
    assert row.details == {
        "amount_minor": 2_500,
        "currency": asked.get("currency", "INR"),
        "kind": "PAYMENT",
        "from": asked["from_account_id"],
        "to": asked["to_account_id"],
        **refusal,
    }


def test_an_account_that_was_asked_for_by_number_is_named_by_it(reena, rahul, newest):
    since = mark()
    asked = reena.order(rahul, "25.00", to_account_number="000000000098")
    del asked["to_account_id"]
    reena.api.post("/transfers", asked)
    (row,) = newest(since)
    assert (row.object_type, row.object_id) == ("account", "000000000098")
    assert row.details["to"] == "000000000098"


@pytest.mark.parametrize(
    ("status", "change"),
    [(400, {"amount": "-5"}), (400, {"colour": "blue"}), (422, {"amount": "26.00"}), (201, {})],
    ids=["wrong amount", "unknown member", "reused key", "replay"],
)
def test_what_was_not_decided_anew_leaves_no_row(status, change, reena, rahul, newest):
    order(reena, rahul)
    since = mark()
    asked = reena.order(rahul, "25.00") | change
    assert reena.api.post("/transfers", asked, key="canary-key").status_code == status
    assert newest(since) == []


def test_reading_leaves_no_row(reena, rahul, newest):
    path = order(reena, rahul)["Location"]
    since = mark()
    for one in (path, "/transfers", "/me", f"/accounts/{reena.account.public_id}/limits"):
        assert reena.api.get(one).status_code == 200
    assert newest(since) == []


def test_the_log_holds_ids_and_no_names_keys_or_references(reena, rahul):
    order(reena, rahul, reference="canary-reference")
    everything = str(list(AuditLog.objects.values()))
    for private in ("canary", "Reena", "Rahul", "reena", "rahul", reena.token):
        assert private not in everything


def test_if_the_audit_cannot_be_written_no_money_moves(reena, rahul, books, monkeypatch):
    def broken(*args):
        raise RuntimeError

    before = books()
    monkeypatch.setattr("transfers.operations._audit_rows", broken)
    assert order(reena, rahul).status_code == 500
    assert books() == before


# --- Written once -----------------------------------------------------------------------------


@pytest.mark.parametrize("model", [AuditLog, LedgerEntry])
@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.update(created_at=timezone.now()),
        lambda rows: rows.filter(pk=0).update(created_at=timezone.now()),
        lambda rows: rows.delete(),
        lambda rows: rows.none().delete(),
        lambda rows: rows.bulk_update(list(rows), ["created_at"]),
        lambda rows: rows.update_or_create(pk=rows.first().pk, defaults={}),
        lambda rows: rows.first().save(),
        lambda rows: rows.first().save(update_fields=["created_at"]),
        lambda rows: rows.first().delete(),
    ],
    ids=[
        *("update", "update of none", "delete", "delete of none", "bulk_update"),
        *("update_or_create", "save", "save of a column", "delete of one"),
    ],
)
def test_the_orm_neither_changes_nor_deletes_a_row(change, model, reena):
    before = list(model.objects.order_by("pk").values())
    with pytest.raises(AppendOnly):
        change(model.objects.all())
    assert list(model.objects.order_by("pk").values()) == before
    assert before


@pytest.mark.parametrize("table", ["audit_logs", "ledger_entries"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET created_at = created_at",
        "UPDATE {} SET account_id = NULL WHERE id > 0",
        "DELETE FROM {}",
        "DELETE FROM {} WHERE id > 0",
    ],
)
def test_the_database_neither_changes_nor_deletes_a_row(statement, table, reena):
    model = AuditLog if table == "audit_logs" else LedgerEntry
    before = list(model.objects.order_by("pk").values())
    with (
        pytest.raises(DatabaseError, match=f"{table} is append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))
    assert list(model.objects.order_by("pk").values()) == before
    assert before


@pytest.mark.parametrize("table", ["audit_logs", "ledger_entries"])
def test_an_insert_that_would_replace_a_row_is_refused(table, reena):
    model = AuditLog if table == "audit_logs" else LedgerEntry
    before = list(model.objects.order_by("pk").values())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"REPLACE INTO {table} SELECT * FROM {table}")
    assert list(model.objects.order_by("pk").values()) == before


def test_an_unsaved_row_with_a_taken_key_does_not_overwrite_it(reena):
    taken = AuditLog.objects.first()
    again = AuditLog(pk=taken.pk, action="forged", created_at=timezone.now())
    with pytest.raises(DatabaseError), transaction.atomic():
        again.save()
    assert AuditLog.objects.get(pk=taken.pk).action == taken.action
