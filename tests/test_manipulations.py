"""manage.py verify_audit finds whatever an administrator of the database does to history."""

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from accounts import operations
from accounts.models import Account, Customer
from audit.models import FIRST_LINK, Action, AuditLog, Seal
from conftest import set_limit
from tests.manipulations import MANIPULATIONS, Names, as_administrator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def exported(tmp_path):
    """The file of seals, which no administrator of the database can reach."""
    return tmp_path / "seals.jsonl"


@pytest.fixture
def bank(reena, rahul, manager, stranger, exported) -> Names:
    """A bank with a payment (confirmed), a refusal, sealed; then a limit is changed, sealed."""
    stranger.post("/auth/token", {"username": "reena", "password": "correct horse battery"})
    rent = reena.send(rahul, "100.00", reference="Rent").json()["id"]
    reena.send(rahul, "9000.00")
    set_limit(reena.account, 900_000, reason="Asked", origin=manager.origin)
    call_command("seal", to=exported)
    rahul.api.post(f"/transfers/{rent}/receipt", {"received_amount": "100.00"})
    operations.freeze(rahul.account, reason="Lost card", origin=manager.origin)
    reena.send(rahul, "1.00")
    call_command("seal", to=exported)
    return Names(
        *(reena.account.pk, rahul.account.pk, reena.account.number, rahul.account.number), rent
    )


def test_what_nobody_touched_is_right(bank, exported, capsys):
    call_command("verify_audit", seals=exported)
    told = capsys.readouterr().out
    assert "The audit log is right: 13 rows in 3 chains" in told
    assert "2 seals, 2 of them compared with those exported" in told


@pytest.mark.parametrize("manipulation", MANIPULATIONS, ids=str)
def test_it_is_found_and_named(bank, exported, manipulation):
    assert Seal.objects.count() == 2
    with as_administrator():
        manipulation.do(bank)

    with pytest.raises(CommandError) as found:
        call_command("verify_audit", seals=exported)

    assert manipulation.named.format(**vars(bank)) in str(found.value)
    told = AuditLog.objects.latest("pk")
    assert told.action == Action.AUDIT_FOUND_WRONG
    assert str(found.value) == f"The audit log is wrong. {told.details['wrong']}."


def test_what_is_older_than_the_chains_is_counted_and_what_follows_is_chained(
    reena, rahul, exported, capsys
):
    """A bank as the migration finds it: rows without a tag, accounts without a chain."""
    with as_administrator() as cursor:
        cursor.execute("UPDATE audit_logs SET sequence = NULL, epoch = NULL, tag = '', link = ''")
        old = cursor.rowcount
        cursor.execute(f"UPDATE accounts SET audit_sequence = 0, audit_head = '{FIRST_LINK}'")
    call_command("seal", to=exported)
    reena.send(rahul, "1.00")
    call_command("seal", to=exported)
    call_command("verify_audit", seals=exported)
    told = capsys.readouterr().out
    assert f"The audit log is right: 2 rows in 2 chains, 0 of no account, {old} older" in told


def test_details_that_the_database_spells_otherwise_are_the_same_details(bank, exported, capsys):
    """MySQL keeps JSON in a form of its own, and banks have rows from before there was one form."""
    with as_administrator() as cursor:
        cursor.execute("""UPDATE audit_logs SET details = REPLACE(details, '":', '" : ')""")
        assert cursor.rowcount > 0
    call_command("verify_audit", seals=exported)
    assert "The audit log is right" in capsys.readouterr().out


def test_erasing_a_person_leaves_everything_right(bank, exported, reena, capsys):
    """Names and sign-in are nowhere but in the rows that are about the person."""
    Customer.objects.filter(pk=reena.customer.pk).update(name="Erased")
    Account.objects.filter(customer=reena.customer).update(name="Erased")
    User.objects.filter(pk=reena.user.pk).update(
        username=f"erased-{reena.user.pk}", email="", password="!", is_active=False
    )
    call_command("verify_audit", seals=exported)
    assert "The audit log is right" in capsys.readouterr().out
    assert "reena" not in str(list(AuditLog.objects.values())).lower()
