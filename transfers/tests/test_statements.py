"""Statements and the searched history: every line once, and balances that meet."""

import csv
import datetime as dt
import io
import json

import pytest
from django.utils import timezone

from accounts import bank_day, operations
from accounts.models import Customer
from accounts.tests.browsing import visit
from transfers import paper, statements
from transfers.models import LedgerEntry, Transfer

UNKNOWN = "01980000-0000-7000-8000-000000000000"


@pytest.fixture
def days(reena, rahul, monkeypatch):
    """Reena's history: 5,000.00 paid in today; 100.00 out and 40.00 in, one and two days later."""
    today = bank_day.of(timezone.now())

    def on(days):
        moment = dt.datetime.combine(today + dt.timedelta(days=days), dt.time(12), dt.UTC)
        monkeypatch.setattr(timezone, "now", lambda: moment)

    on(1)
    reena.send(rahul, "100.00", reference="Rent")
    on(2)
    rahul.send(reena, "40.00", reference="Change")
    return [today + dt.timedelta(days=one) for one in range(3)]


def statement(person, **query):
    """GET the statement of the person's account."""
    path = f"/accounts/{person.account.public_id}/statement"
    return person.api.get(path, query)


def rows(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"))))


def test_a_statement_has_every_line_between_two_balances(reena, days):
    response = statement(reena, since=days[1].isoformat(), until=days[2].isoformat())

    body = json.loads(response.getvalue())
    assert (body["opening_balance"], body["closing_balance"]) == ("5000.00", "4940.00")
    assert [line["amount"] for line in body["lines"]] == ["-100.00", "40.00"]
    assert [line["sequence"] for line in body["lines"]] == [2, 3]
    assert body["account_number"] == reena.account.number


def test_a_closing_balance_is_the_next_opening_balance(reena, days):
    made = [statements.of(reena.account, day, day) for day in days]

    assert [(one.opening_minor, one.closing_minor) for one in made] == [
        (0, 500_000),
        (500_000, 490_000),
        (490_000, 494_000),
    ]
    before = statements.of(reena.account, until=days[0] - dt.timedelta(days=1))
    after = statements.of(reena.account, since=days[2] + dt.timedelta(days=1))
    assert (before.closing_minor, after.opening_minor, after.closing_minor) == (0, 494_000, 494_000)
    assert list(before.lines()) == list(after.lines()) == []


def test_what_happens_while_a_statement_is_written_is_not_in_it(reena, rahul, days):
    made = statements.of(reena.account)
    lines = made.lines()
    reena.send(rahul, "1.00")

    assert [one.sequence for one in lines] == [1, 2, 3]
    assert made.closing_minor == 494_000


def test_csv_has_the_same_lines_and_both_balances(reena, rahul, days):
    response = statement(reena, format="csv", since=days[1].isoformat())

    sent = Transfer.objects.get(reference="Rent")
    header, opening, *lines, closing = rows(response)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="statement-')
    assert header[-2:] == ["Amount INR", "Balance INR"]
    assert opening[3:] == ["Opening balance", "", "", "5000.00"]
    assert lines[0] == [
        *(days[1].isoformat(), "17:30:00", sent.public_id),
        *("Rahul", "Rent", "-100.00", "4900.00"),
    ]
    assert [line[5] for line in lines] == ["-100.00", "40.00"]
    assert closing[3:] == ["Closing balance", "", "", "4940.00"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_text_of_others_becomes_a_formula(reena, rahul, start):
    Customer.objects.filter(pk=rahul.customer.pk).update(name=f"{start}HYPERLINK(1)")
    rahul.send(reena, "1.00", reference=f"{start}1+1")

    *_, line, _closing = rows(statement(reena, format="csv"))

    assert line[3:5] == [f"'{start}HYPERLINK(1)", f"'{start}1+1"]


def test_a_statement_is_streamed_and_its_length_costs_no_statements(
    reena, rahul, django_assert_num_queries
):
    def streamed():
        response = statement(reena, format="csv")
        assert response.streaming
        return response.getvalue()

    for _ in range(3):
        reena.send(rahul, "1.00")
    with django_assert_num_queries(4 + 1):
        short = streamed()
    for _ in range(9):
        reena.send(rahul, "1.00")
    with django_assert_num_queries(4 + 1):
        assert len(streamed()) > len(short)


def test_a_statement_is_read_in_pieces_and_has_every_line_once(reena, rahul, monkeypatch):
    for _ in range(4):
        reena.send(rahul, "1.00")
    whole = statement(reena, format="csv").getvalue()
    monkeypatch.setattr(statements, "CHUNK", 2)
    assert statement(reena, format="csv").getvalue() == whole
    assert whole.count(b"Rahul") == 4


def test_a_pdf_is_one_in_any_script_and_of_any_length(reena, rahul, days):
    Customer.objects.filter(pk=rahul.customer.pk).update(name="राहुल वर्मा & Søn")
    reena.send(rahul, "1.00", reference="किराया " * 18)

    response = statement(reena, format="pdf")

    assert response["Content-Type"] == "application/pdf"
    assert response.getvalue().startswith(b"%PDF-")
    assert len(paper.statement(statements.of(reena.account))) > 10_000


def test_a_long_statement_goes_on_over_the_page(reena, monkeypatch):
    entry = LedgerEntry.objects.get(account=reena.account)
    made = statements.of(reena.account)
    monkeypatch.setattr(statements.Statement, "lines", lambda self: [entry] * 200)

    pages = paper.statement(made).count(b"/Type /Page\n")

    assert pages >= 6


def test_too_much_for_one_pdf_is_refused_and_csv_is_not(reena, monkeypatch):
    monkeypatch.setattr(paper, "MOST_LINES", 0)

    answer = statement(reena, format="pdf")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "format")
    assert statement(reena, format="csv").status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "2026-02-30"}, "since"),
        ({"until": "today"}, "until"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "until"),
        ({"format": "xml"}, "format"),
    ],
)
def test_any_other_question_is_answered_400(reena, query, field):
    answer = statement(reena, **query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


def test_any_accept_header_will_do(reena):
    path = f"/accounts/{reena.account.public_id}/statement?format=csv"
    assert reena.api.get(path, Accept="text/csv").status_code == 200


# --- The page ---------------------------------------------------------------------------------


@pytest.fixture
def history(reena):
    """Return a function that opens the history of Reena's account."""

    def look(query=""):
        return visit(reena.browser, f"/history/{reena.account.public_id}{query}")

    return look


def test_the_history_shows_sign_word_and_running_balance(history, days):
    text = history().text

    assert "From Rahul Change Received, please confirm +₹40.00" in text
    assert "To Rahul Rent Sent −₹100.00" in text
    assert text.index("₹4,940.00") < text.index("₹4,900.00") < text.index("₹5,000.00")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?text=rent", ["Rent"]),
        ("?text=RAHUL", ["Change", "Rent"]),
        ("?text=Reena", []),
        ("?amount=₹100", ["Rent"]),
        ("?only=in", ["Change"]),
        ("?only=out", ["Rent"]),
        ("?text=%25", []),
        ("?text=R_nt", []),
    ],
)
def test_the_history_is_searched(history, days, query, found):
    text = history(query).text
    assert [word for word in ("Change", "Rent") if word in text] == found


def test_the_history_is_searched_by_date(history, days):
    text = history(f"?since={days[1]}&until={days[1]}").text
    assert ("Rent" in text, "Change" in text) == (True, False)


def test_a_payment_is_found_by_its_number(history, days):
    rent = Transfer.objects.get(reference="Rent")
    text = history(f"?text={rent.public_id}").text
    assert ("Rent" in text, "Change" in text) == (True, False)


def test_refused_attempts_are_found_and_say_that_nothing_left(reena, rahul, history):
    reena.send(rahul, "6000", reference="Car")

    text = history("?only=refused").text

    assert "To Rahul Car Refused. No money left your account." in text


def test_filters_stay_while_paging(reena, rahul, history, monkeypatch):
    monkeypatch.setattr("transfers.history_views.PAGE", 2)
    for _ in range(3):
        reena.send(rahul, "1.00", reference="Tea")
        reena.send(rahul, "6000.00", reference="Car")

    for query, word in (("?text=tea&only=out", "Tea"), ("?only=refused", "Car")):
        first = history(query)
        [link] = [one for one in first.links if "before=" in one]
        second = history(link)
        assert first.text.count(word) == 2
        assert second.text.count(word) == 1
        assert [one for one in second.links if "before=" in one] == []


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("?since=2026-02-02&until=2026-02-01", "The last day must not be before the first."),
        ("?amount=much", "Write the amount in digits, such as 25 or 25.00."),
        ("?since=soon", "Enter a valid date."),
    ],
)
def test_what_cannot_be_looked_for_is_said(history, query, problem):
    page = history(query)
    assert (page.status, page.problems) == (400, [problem])


@pytest.mark.parametrize(
    "query", ["?before=x", "?before=9999999999999999999999", "?only=refused&before=x"]
)
def test_a_forged_place_in_the_history_harms_nothing(history, query):
    assert history(query).status == 200


def test_history_and_statement_of_another_customer_do_not_exist(reena, anita):
    browser = anita.browser
    for path in ("", "/statement", "/statement.csv", "/statement.pdf"):
        foreign = browser.get(f"/history/{reena.account.public_id}{path}")
        assert foreign.status_code == browser.get(f"/history/{UNKNOWN}{path}").status_code == 404


def test_a_receipt_is_taken_away_as_pdf_and_only_by_who_took_part(reena, rahul, anita):
    sent = reena.send(rahul, "25.00", reference="Dinner").json()["id"]
    refused = reena.send(rahul, "6000").json()["transfer_id"]

    for person, payment in ((reena, sent), (rahul, sent), (reena, refused)):
        response = person.browser.get(f"/payments/{payment}/receipt.pdf")
        assert response["Content-Type"] == "application/pdf"
        assert response.content.startswith(b"%PDF-")
    for person, payment in ((anita, sent), (rahul, refused)):
        assert person.browser.get(f"/payments/{payment}/receipt.pdf").status_code == 404


def test_money_between_own_accounts_has_the_sign_of_each_account(reena, teller):
    other = operations.open_account(
        reena.customer, name="Travel", currency="INR", daily_limit_minor=0, origin=teller.origin
    )
    order = {"from_account_id": reena.account.public_id, "to_account_id": other.public_id}
    reena.api.post("/transfers", {**order, "amount": "25.00"})
    browser = reena.browser

    there = visit(browser, f"/history/{reena.account.public_id}").text
    here = visit(browser, f"/history/{other.public_id}").text

    assert "To your account Travel Sent −₹25.00" in there
    assert "From your account Savings" in here and "+₹25.00" in here
