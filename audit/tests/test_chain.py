"""Every audit row that concerns an account is the next of that account's chain."""

import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from accounts import operations as staff
from accounts import rows
from accounts.models import Account
from audit import chain, keys
from audit.models import AuditLog
from audit.operations import Origin, record
from audit.operations import row as audit_row
from conftest import set_limit
from transfers import operations, receipts
from transfers.models import Transfer
from transfers.orders import Order

SOME_KEYS = ["1:" + "11" * 32, "2:" + "22" * 32]


def key_of(epoch: int) -> bytes:
    """The key of an epoch, read from the settings without the product's help."""
    return bytes.fromhex(dict(one.split(":") for one in settings.AUDIT_KEYS)[str(epoch)])


def written_out(row: AuditLog) -> bytes:
    """What a row says, spelled out as docs/audit.md does: each value after its length."""
    moment = int(row.created_at.timestamp()) * 1_000_000 + row.created_at.microsecond
    details = json.dumps(row.details, sort_keys=True, separators=(",", ":"))
    values = [row.epoch, row.account_id, row.sequence, moment, row.action, row.actor_id]
    values += [row.object_type, row.object_id, row.request_id, row.ip, details]
    texts = ["-" if one is None else f"{len(str(one))}:{one}" for one in values]
    return ("smartbank-audit-1" + "".join(texts)).encode()


def chain_of(account: Account) -> list[AuditLog]:
    """The account's chain from its first row to its last, proved link by link."""
    rows = list(AuditLog.objects.filter(account_id=account.pk).order_by("sequence"))
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    previous = bytes(32)
    for row in rows:
        tag = hmac.new(key_of(row.epoch), written_out(row), "sha256").digest()
        previous = hashlib.sha256(previous + tag).digest()
        assert (row.tag, row.link) == (tag.hex(), previous.hex())
    account = Account.objects.get(pk=account.pk)
    assert (account.audit_sequence, account.audit_head) == (len(rows), previous.hex())
    return rows


def test_whatever_concerns_an_account_is_the_next_row_of_its_chain(reena, rahul, manager, unfreeze):
    paid = reena.send(rahul, "100.00").json()["id"]
    reena.send(rahul, "9000.00")  # refused
    reena.send(reena, "1.00")  # not accepted
    rahul.api.post(f"/transfers/{paid}/receipt", {"received_amount": "99.00"})
    set_limit(reena.account, 5, reason="Asked", origin=manager.origin)
    staff.freeze(rahul.account, reason="Asked", origin=manager.origin)
    unfreeze(rahul)

    assert [row.action for row in chain_of(reena.account)] == [
        *("account.opened", "transfer.completed", "transfer.completed"),
        *("transfer.refused", "transfer.not_accepted", "account.limit_changed"),
    ]
    assert [row.action for row in chain_of(rahul.account)] == [
        *("account.opened", "transfer.completed", "transfer.completed"),
        *("receipt.disputed", "account.frozen", "request.made", "account.unfrozen"),
        "request.approved",
    ]
    assert len(chain_of(staff.cash_account("INR"))) == 2
    assert not AuditLog.objects.filter(account_id__isnull=False, sequence=None).exists()


def test_many_orders_in_one_transaction_follow_each_other_in_every_chain(reena, rahul):
    def order(sender, receiver, amount_minor):
        return Order(
            kind=Transfer.Kind.PAYMENT,
            caller_id=sender.user.pk,
            customer_id=sender.customer.pk,
            from_account_id=sender.account.pk,
            to_account_id=receiver.account.pk,
            amount_minor=amount_minor,
            currency="INR",
            origin=sender.origin,
        )

    operations.post(
        [
            *(order(reena, rahul, 1), order(rahul, reena, 2), order(reena, rahul, 10**9)),
            *(order(reena, reena, 3), order(reena, rahul, 4)),
        ]
    )

    amounts = [row.details.get("amount_minor") for row in chain_of(reena.account)]
    assert amounts == [None, 500_000, 1, 2, 10**9, 3, 4]
    amounts = [row.details.get("amount_minor") for row in chain_of(rahul.account)]
    assert amounts == [None, 300_000, 1, 2, 4]


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_payments_receipts_and_staff_at_the_same_moment_never_fork_a_chain(reena, rahul, manager):
    paid = [reena.send(rahul, "1.00").json()["id"] for _ in range(8)]
    transfers = [Transfer.objects.get(public_id=one) for one in paid]
    who = manager.origin

    def and_leave(job):
        try:
            return job()
        finally:
            connection.close()

    jobs = [
        *(lambda one=one: receipts.give(one, 100, origin=who) for one in transfers),
        *[lambda: rahul.send(reena, "1.00")] * 8,
        *[lambda: reena.send(rahul, "1.00")] * 8,
        *[lambda: set_limit(rahul.account, 10**8, reason="?", origin=who)] * 8,
    ]
    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(and_leave, jobs))

    assert len(chain_of(rahul.account)) == 2 + 8 + 32
    assert len(chain_of(reena.account)) == 2 + 8 + 16


def test_what_concerns_no_account_has_a_tag_and_is_in_no_chain(db):
    record("sign_in.failed", Origin(ip="2001:DB8::0:1"), object_type="sign-in", object_id="é")
    row = AuditLog.objects.get()
    assert (row.sequence, row.link, row.ip) == (None, "", "2001:db8::1")
    assert row.tag == hmac.new(key_of(row.epoch), chain.content(row), "sha256").hexdigest()


@pytest.mark.parametrize("told", [(1, True), (0, False), (1, 1.0), (1, 1)])
def test_rows_written_together_keep_each_its_own_details(db, told):
    names = {"object_type": "x", "object_id": "y"}
    rows.insert([audit_row("sign_in.failed", Origin(), **names, value=one) for one in told])
    for row in AuditLog.objects.all():
        assert row.tag == hmac.new(key_of(row.epoch), chain.content(row), "sha256").hexdigest()


def test_what_many_rows_have_in_common_is_kept_to_the_letter(db):
    odd = 'it\'s "50%" of \\ %s, %(x)s, %% नमस्ते'
    names = {"object_type": "x", "object_id": odd}
    numbers = range(rows.MANY + 1)
    rows.insert([audit_row("sign_in.failed", Origin(), **names, value=one) for one in numbers])
    written = AuditLog.objects.order_by("pk")
    assert [row.details["value"] for row in written] == list(numbers)
    for row in written:
        assert row.object_id == odd
        assert row.tag == hmac.new(key_of(row.epoch), chain.content(row), "sha256").hexdigest()


def test_values_that_change_places_or_lengths_are_other_bytes():
    told = [("ab", "c"), ("a", "bc"), ("abc",), (None, "abc"), ("-", "abc"), ("", "abc"), (1, 12)]
    assert len({chain.encoded("?", *values) for values in [*told, (11, 2)]}) == len(told) + 1


def test_a_new_key_tags_new_rows_and_old_rows_keep_theirs(reena, rahul, settings):
    settings.AUDIT_KEYS = [*settings.AUDIT_KEYS, "7:" + "77" * 32]
    reena.send(rahul, "1.00")
    assert [row.epoch for row in chain_of(reena.account)] == [1, 1, 7]


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["1"],
        ["1:abcd"],
        ["one:" + "11" * 32],
        ["1:" + "xx" * 32],
        ["1:" + "11" * 31],
        ["1:" + "11" * 32, "1:" + "22" * 32],
    ],
)
def test_keys_that_are_none_are_refused(settings, wrong):
    settings.AUDIT_KEYS = wrong
    with pytest.raises(ImproperlyConfigured, match="AUDIT_KEYS"):
        keys.current()


def test_the_highest_epoch_is_in_use_and_the_others_can_be_looked_up(settings):
    settings.AUDIT_KEYS = SOME_KEYS[::-1]
    assert keys.current() == (2, b"\x22" * 32)
    assert keys.of(1) == b"\x11" * 32
    with pytest.raises(keys.UnknownEpoch, match="no key of epoch 3"):
        keys.of(3)


def test_for_play_a_key_is_made_of_the_secret_key(settings):
    settings.AUDIT_KEYS, settings.DEBUG = [], True
    epoch, key = keys.current()
    settings.SECRET_KEY = "another"
    assert (epoch, len(key), keys.current() == (epoch, key)) == (0, 32, False)
