"""Forgetting a person leaves nothing that tells who it was, and everything that happened."""

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from accounts import tokens
from audit.models import Action
from office import approvals
from transfers import cash, payees, webhooks
from transfers.models import Transfer


def erase(person, confirm=None):
    name = person.customer.public_id
    call_command("erase_customer", name, reason="Asked for it", confirm=confirm or name)


def everything() -> dict[str, str]:
    """Every row of every table, as text without capitals, by table."""
    return {
        model._meta.db_table: str(list(model.objects.order_by("pk").values())).lower()
        for model in apps.get_models()
    }


def close(person, teller, manager):
    if person.balance():
        order = {"reference": "All of it", "key": "all", "origin": teller.origin}
        cash.withdraw(person.account, person.balance(), **order)
    wish = approvals.ask_to_close(person.account, reason="Leaves", origin=teller.origin)
    approvals.approve(wish, answer="", origin=manager.origin)


@pytest.fixture
def known(reena, rahul):
    """Reena, known by name in every table that can know her."""
    reena.user.email = "reena@example.com"
    reena.user.last_name = "Reena"
    reena.user.save()
    assert reena.send(rahul, "25.00").status_code == 201
    assert rahul.send(reena, "5.00").status_code == 201
    payees.remember(rahul.customer, reena.account)
    payees.remember(reena.customer, rahul.account)
    tokens.create(reena.user, name="Reena's till", origin=reena.origin)
    webhooks.create(
        reena.customer, "https://8.8.8.8/reena", ["transfer.received"], origin=reena.origin
    )
    assert rahul.send(reena, "5.00").status_code == 201
    assert reena.browser.get("/").status_code == 200
    return reena


def test_nothing_tells_any_more_who_the_customer_was(known, teller, manager, audited, rahul):
    close(known, teller, manager)
    assert any("reena" in rows for rows in everything().values())
    limits = f"/accounts/{known.account.public_id}/limits"
    assert known.api.get(limits).status_code == 200
    erase(known)
    assert {table for table, rows in everything().items() if "reena" in rows} == set()
    assert known.api.get(limits).status_code == 401
    [row] = audited(Action.CUSTOMER_ERASED)
    assert (row.object_id, row.details["reason"]) == (known.customer.public_id, "Asked for it")


@pytest.mark.django_db(transaction=True)
def test_what_happened_stays_and_proves_itself(known, rahul, teller, manager, books, capsys):
    close(known, teller, manager)
    before = books()
    payment = Transfer.objects.filter(to_account=rahul.account).latest("pk").public_id
    erase(known)
    assert books() == before
    assert rahul.api.get(f"/transfers/{payment}").json()["amount"] == "25.00"
    assert rahul.browser.get(f"/payments/{payment}").status_code == 200
    call_command("verify_audit")
    assert "So are the books" in capsys.readouterr().out


def test_who_still_banks_here_is_not_erased(known):
    before = everything()
    with pytest.raises(CommandError, match=f"Account {known.account.number} is not closed"):
        erase(known)
    assert everything() == before


def test_staff_are_not_erased(known, teller, manager):
    close(known, teller, manager)
    type(known.user).objects.filter(pk=known.user.pk).update(is_staff=True)
    before = everything()
    with pytest.raises(CommandError, match="is staff"):
        erase(known)
    assert everything() == before


def test_a_slip_of_the_hand_erases_nobody(known, rahul, teller, manager):
    close(known, teller, manager)
    before = everything()
    with pytest.raises(CommandError, match="not the same customer"):
        erase(known, confirm=rahul.customer.public_id)
    with pytest.raises(CommandError, match="There is no customer"):
        call_command("erase_customer", "nobody", reason="Typing", confirm="nobody")
    assert everything() == before
