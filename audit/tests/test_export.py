"""The audit list as CSV: what is filtered, nothing that a spreadsheet would run, and audited."""

import csv
import io

import pytest
from django.urls import reverse

from accounts import operations
from accounts.tests.back_office import forge
from audit import export
from audit.models import AuditLog

URL = reverse("admin:audit_auditlog_export")


def exported(person, query: str = "") -> list[dict]:
    answer = forge(person, f"{URL}{query}")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_it_has_every_row_of_the_list_oldest_first(auditor, reena, rahul):
    reena.send(rahul, "5.00")
    expected = AuditLog.objects.order_by("pk")
    rows = exported(auditor)
    assert [int(row["id"]) for row in rows] == [row.pk for row in expected]
    last, its_own = rows[-2:]
    assert its_own["action"] == "audit.exported"
    assert (last["account"], last["action"], last["actor"], last["sequence"]) == (
        rahul.account.public_id,
        "transfer.completed",
        "reena",
        "3",
    )
    assert last["link"] == AuditLog.objects.get(pk=last["id"]).link


def test_it_is_filtered_and_searched_as_the_list_is(auditor, reena, rahul):
    reena.send(rahul, "9000.00")
    rows = exported(auditor, "?action=transfer.refused")
    assert [row["action"] for row in rows] == ["transfer.refused"]
    rows = exported(auditor, f"?q={rahul.account.number}")
    assert {row["account"] for row in rows} == {rahul.account.public_id}


def test_it_leaves_an_audit_row_without_what_was_searched_for(auditor, reena, audited):
    exported(auditor, "?action=account.opened&q=Reena")
    [row] = audited("audit.exported")
    assert row.actor_id == auditor.user.pk
    assert row.details == {"filters": {"action": "account.opened"}, "searched": True}


def test_no_cell_is_a_formula(auditor, make_staff, reena):
    teller = make_staff("+1+1", "teller")  # as usernames may be
    operations.freeze(reena.account, reason="r", origin=teller.origin)
    [row] = [one for one in exported(auditor) if one["action"] == "account.frozen"]
    assert row["actor"] == "'+1+1"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_what_a_spreadsheet_would_run_is_made_text(start):
    assert export.harmless(f"{start}cmd") == f"'{start}cmd"
    assert export.harmless("2026-11-26") == "2026-11-26"
    assert export.harmless(None) == ""


def test_it_streams_in_pieces(auditor, reena, monkeypatch):
    monkeypatch.setattr(export, "CHUNK", 2)
    assert len(exported(auditor)) == AuditLog.objects.count()


def test_a_filter_that_is_none_leads_back_to_the_list(auditor, audited):
    assert forge(auditor, f"{URL}?account_id=x").status_code == 302
    assert audited("audit.exported") == []


def test_reading_alone_exports_nothing(auditor, audited):
    assert auditor.browser.get(URL).status_code == 405
    assert audited("audit.exported") == []
