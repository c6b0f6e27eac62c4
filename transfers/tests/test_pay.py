"""`manage.py pay`: the payments of a file, each exactly once."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import operations as accounts
from transfers import bulk, operations
from transfers.models import Transfer

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path, reena, rahul):
    """Return a function that writes a file of payments from Reena to Rahul."""

    def write(*amounts: str, header="from_account_id,to_account_number,amount,reference"):
        lines = [
            f"{reena.account.public_id},{rahul.account.number},{amount},Wage {number}"
            for number, amount in enumerate(amounts)
        ]
        path = tmp_path / "wages.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


def pay(file, customer="reena") -> tuple[str, str]:
    """Run the command; return what it printed, and what it complained about."""
    out, complaints = StringIO(), StringIO()
    try:
        call_command("pay", str(file), customer=customer, stdout=out, stderr=complaints)
    except CommandError as error:
        complaints.write(str(error))
    return out.getvalue().strip(), complaints.getvalue()


def test_it_pays_every_line(file, reena, rahul):
    assert pay(file("1.00", "2.50")) == ("2 paid", "")
    assert (reena.balance(), rahul.balance()) == (499_650, 300_350)
    assert [one.reference for one in Transfer.objects.filter(kind="PAYMENT")] == [
        "Wage 0",
        "Wage 1",
    ]


def test_a_line_break_within_quotes_is_not_taken_out_and_so_refused(file, reena, books):
    path = file("1.00")
    path.write_text(path.read_text().replace("Wage 0", '"Wage\n0"'))
    before = books()
    assert "reference" in pay(path)[1]
    assert books() == before


def test_the_same_file_again_pays_nobody_twice(file, reena):
    path = file("1.00", "1.00")
    pay(path)
    assert pay(path) == ("2 paid before", "")
    assert reena.balance() == 499_800


def test_after_a_kill_in_the_middle_it_goes_on_where_it_was(file, reena, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 1)
    path = file("1.00", "2.00", "3.00")
    post, posted = operations.post, []

    def killed(orders, **options):
        if len(posted) == 2:
            raise KeyboardInterrupt
        posted.append(orders)
        return post(orders, **options)

    with monkeypatch.context() as patch:
        patch.setattr(operations, "post", killed)
        with pytest.raises(KeyboardInterrupt):
            pay(path)
    assert reena.balance() == 499_700
    assert pay(path) == ("2 paid before, 1 paid", "")
    assert reena.balance() == 499_400


def test_it_names_the_lines_that_are_refused_and_pays_the_others(file, reena):
    out, complaints = pay(file("1.00", "9000.00", "2.00"))
    assert out == "2 paid, 1 refused"
    assert "line 3: Not enough money in the account" in complaints
    assert "Not everybody is paid" in complaints
    assert reena.balance() == 499_700


def test_it_names_the_right_line_where_it_pays_by_receiver(file, reena, anita, teller, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 1)
    path = file("1.00", "2.00", "3.00", "4.00")
    header, *lines = path.read_text().splitlines()
    for place in (1, 3):
        sender, _, *rest = lines[place].split(",")
        lines[place] = ",".join([sender, anita.account.number, *rest])
    path.write_text("\n".join([header, *lines]) + "\n")
    accounts.freeze(anita.account, reason="Lost", origin=teller.origin)
    out, complaints = pay(path)
    assert out in ("2 paid, 2 refused", "2 refused, 2 paid")
    assert [line[:7] for line in sorted(complaints.splitlines())[1:]] == ["line 3:", "line 5:"]
    assert reena.balance() == 499_600


def test_a_line_that_cannot_be_read_stops_it_before_anybody_is_paid(file, books):
    path = file("1.00")
    with path.open("a") as handle:
        handle.write("nobody,1,2.00,x\n")
    before = books()
    out, complaints = pay(path)
    assert out == ""
    assert "line 3: from_account_id: This must be an id" in complaints
    assert books() == before


@pytest.mark.parametrize("header", ["from_account_id,amount,amuont", "amount", ""])
def test_columns_that_it_does_not_know_are_refused(file, books, header):
    before = books()
    assert "The first line must name columns" in pay(file("1.00", header=header))[1]
    assert books() == before


def test_it_pays_for_a_customer_only_and_from_accounts_of_that_customer(file, books, teller):
    before = books()
    assert "There is no customer teller" in pay(file("1.00"), "teller")[1]
    assert books() == before


def test_nobody_pays_with_the_money_of_another(file, reena, anita):
    out, complaints = pay(file("1.00"), "anita")
    assert (out, "There is no such account" in complaints) == ("1 refused", True)
    assert reena.balance() == 500_000
