"""`manage.py load_data`: a bank to measure is a bank like any other."""

import csv
import stat

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, ApiToken
from conftest import Api
from transfers.models import Transfer


def load_data(tokens, customers=6, accounts_per_customer=2, transfers=30) -> list[dict]:
    """Run the command and return the lines of its file."""
    call_command(
        "load_data",
        customers=customers,
        accounts_per_customer=accounts_per_customer,
        transfers=transfers,
        tokens=tokens,
    )
    with tokens.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.django_db(transaction=True)
def test_it_makes_what_was_asked_for_and_the_books_are_right(tmp_path):
    lines = load_data(tmp_path / "tokens.csv")
    assert len({line["username"] for line in lines}) == 6
    assert len({line["account_number"] for line in lines}) == len(lines) == 12
    assert Account.objects.filter(kind="CUSTOMER").count() == 12
    assert Transfer.objects.filter(kind="CASH").count() == 12
    assert Transfer.objects.filter(kind="PAYMENT", status="COMPLETED").count() == 30
    call_command("reconcile")


@pytest.mark.django_db(transaction=True)
def test_its_tokens_open_the_accounts_beside_them_and_only_the_owner_can_read_the_file(tmp_path):
    tokens = tmp_path / "tokens.csv"
    line = load_data(tokens, customers=2, accounts_per_customer=1, transfers=0)[0]
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    answer = Api(line["token"]).get(f"/accounts/{line['account_id']}").json()
    assert answer["number"] == line["account_number"]
    me = Api(line["token"]).get("/me").json()
    assert (me["username"], me["customer_id"]) == (line["username"], line["customer_id"])


@pytest.mark.django_db(transaction=True)
def test_it_refuses_a_bank_that_has_customers_and_leaves_it_as_it_was(tmp_path, reena):
    with pytest.raises(CommandError, match="has customers already"):
        load_data(tmp_path / "tokens.csv")
    assert not (tmp_path / "tokens.csv").exists()
    assert ApiToken.objects.exclude(user=reena.user).filter(user__is_staff=False).count() == 0
