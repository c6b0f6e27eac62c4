"""Two people for one change: what the operations and the database itself let happen."""

import datetime as dt
from collections import Counter

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from accounts import operations
from accounts.models import Account
from audit.models import Action
from audit.operations import Origin
from conftest import set_limit
from office import approvals
from office.models import ApprovalRequest
from transfers.tests.test_concurrency import together


@pytest.fixture
def ask(teller, reena):
    def limit(minor=2_000_000, origin=teller.origin):
        return approvals.ask_for_limit(reena.account, minor, reason="Buys a car", origin=origin)

    return limit


def limit_of(person):
    return Account.objects.get(pk=person.account.pk).daily_limit_minor


def stale(request):
    """Let the request have waited too long."""
    long_ago = request.made_at - dt.timedelta(days=4)
    ApprovalRequest.objects.filter(pk=request.pk).update(expires_at=long_ago)
    return request


def test_an_approval_and_its_effect_are_written_together_and_audited(
    ask, teller, manager, reena, audited
):
    wish = ask()
    assert (wish.status, wish.maker_id, limit_of(reena)) == ("PENDING", teller.user.pk, 1_000_000)
    [row] = audited(Action.REQUEST_MADE)
    about = {"kind": "RAISE_LIMIT", "maker_id": teller.user.pk, "amount_minor": 2_000_000}
    assert (row.actor_id, row.account_id) == (teller.user.pk, reena.account.pk)
    assert (row.object_type, row.object_id) == ("request", wish.public_id)
    assert row.details == {**about, "reason": "Buys a car"}

    done = approvals.approve(wish, answer="Seen the contract", origin=manager.origin)

    assert (done.status, done.checker, done.answer) == (
        *("APPROVED", manager.user),
        "Seen the contract",
    )
    assert limit_of(reena) == 2_000_000
    [changed], [approved] = audited(Action.LIMIT_CHANGED), audited(Action.REQUEST_APPROVED)
    assert changed.actor_id == approved.actor_id == manager.user.pk
    assert changed.details == {
        "reason": "Buys a car",
        "approval": wish.public_id,
        "before": {"daily_limit_minor": 1_000_000},
        "after": {"daily_limit_minor": 2_000_000},
    }
    assert approved.details == {**about, "reason": "Seen the contract"}


def test_the_maker_cannot_approve_or_refuse(ask, manager, reena):
    wish = ask(origin=manager.origin)
    for decide in (approvals.approve, approvals.refuse):
        with pytest.raises(approvals.NotPossible, match="Who made a request does not decide it"):
            decide(wish, answer="Mine", origin=manager.origin)
    wish.refresh_from_db()
    assert (wish.status, limit_of(reena)) == ("PENDING", 1_000_000)


def test_the_database_itself_forbids_a_maker_to_be_the_checker(ask, teller):
    wish = ApprovalRequest.objects.filter(pk=ask().pk)
    with pytest.raises(Exception, match="checker_is_not_the_maker"), transaction.atomic():
        wish.update(status="APPROVED", checker=teller.user, decided_at="2026-01-01T00:00Z")
    assert wish.get().status == "PENDING"


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"status": "APPROVED", "decided_at": "2026-01-01T00:00Z"}, "decided_request_has"),
        ({"status": "WITHDRAWN"}, "request_waits_until_decided"),
        ({"decided_at": "2026-01-01T00:00Z"}, "request_waits_until_decided"),
        ({"amount_minor": 0}, "requested_amount_above_zero"),
    ],
)
def test_the_database_refuses_half_a_decision(columns, name, ask):
    wish = ApprovalRequest.objects.filter(pk=ask().pk)
    with pytest.raises(Exception, match=name), transaction.atomic():
        wish.update(**columns)


def test_a_customer_may_ask_and_not_decide(ask, reena, manager):
    wish = ask(origin=reena.origin)
    with pytest.raises(approvals.NotPossible):
        approvals.approve(wish, answer="", origin=reena.origin)
    approvals.approve(wish, answer="", origin=manager.origin)
    assert limit_of(reena) == 2_000_000


def test_whose_account_it_is_does_not_decide_what_staff_asked_for(ask, reena):
    wish = ask()
    with pytest.raises(approvals.NotPossible, match="Nobody decides about an account of their own"):
        approvals.approve(wish, answer="", origin=reena.origin)
    assert limit_of(reena) == 1_000_000


@pytest.mark.parametrize("limit", [1_000_000, 999_999])
def test_what_is_no_raise_is_not_asked(limit, ask):
    with pytest.raises(approvals.NotPossible, match="would not raise it"):
        ask(limit)
    assert not ApprovalRequest.objects.exists()


def test_one_raise_waits_at_a_time_and_the_next_may_after_the_decision(ask, manager):
    wish = ask()
    assert ask() == wish  # a second click
    with pytest.raises(approvals.NotPossible, match="waiting"):
        ask(3_000_000)
    approvals.refuse(wish, answer="No", origin=manager.origin)
    assert ask(3_000_000).status == "PENDING"


def test_a_decision_is_final(ask, manager, make_staff, reena):
    wish = ask()
    approvals.refuse(wish, answer="No", origin=manager.origin)
    second = make_staff("second", "manager")
    for end in (approvals.approve, approvals.refuse):
        with pytest.raises(approvals.NotPossible, match="decided before: refused"):
            end(wish, answer="", origin=second.origin)
    with pytest.raises(approvals.NotPossible):
        approvals.approve(wish, answer="", origin=manager.origin)
    with pytest.raises(approvals.NotPossible):
        approvals.withdraw(wish, answer="", origin=Origin(actor_id=wish.maker_id))
    assert limit_of(reena) == 1_000_000


def test_approving_again_changes_nothing(ask, manager, reena, audited):
    wish = ask()
    for _ in range(2):
        assert approvals.approve(wish, answer="", origin=manager.origin).status == "APPROVED"
    assert len(audited(Action.LIMIT_CHANGED)) == len(audited(Action.REQUEST_APPROVED)) == 1


def test_everything_is_validated_again_when_it_is_approved(ask, manager, reena, audited):
    wish = ask()
    set_limit(reena.account, 3_000_000, reason="r", origin=manager.origin)
    failed = approvals.approve(wish, answer="", origin=manager.origin)
    assert (failed.status, failed.checker) == ("FAILED", manager.user)
    assert "would not raise it" in failed.answer
    assert limit_of(reena) == 3_000_000
    assert len(audited(Action.LIMIT_CHANGED)) == 1
    assert len(audited(Action.REQUEST_FAILED)) == 1


def test_a_stale_request_is_closed_instead_of_done(ask, manager, reena, audited):
    closed = approvals.approve(stale(ask()), answer="", origin=manager.origin)
    assert (closed.status, closed.checker) == ("EXPIRED", None)
    assert limit_of(reena) == 1_000_000
    assert len(audited(Action.REQUEST_EXPIRED)) == 1


def test_stale_requests_are_closed_by_a_command_and_make_room(ask, reena, rahul, teller):
    first, fresh = stale(ask()), None
    fresh = approvals.ask_for_limit(rahul.account, 2_000_000, reason="r", origin=teller.origin)
    call_command("expire_requests")
    states = {one.pk: one.status for one in ApprovalRequest.objects.all()}
    assert states == {first.pk: "EXPIRED", fresh.pk: "PENDING"}
    second = stale(ask())
    third = ask(3_000_000)  # a stale one does not stand in the way either
    second.refresh_from_db()
    assert (second.status, third.status) == ("EXPIRED", "PENDING")


def test_if_the_effect_cannot_be_written_there_is_no_approval(ask, manager, reena, monkeypatch):
    def break_down(*args, **kwargs):
        raise IntegrityError("full")

    wish = ask()
    monkeypatch.setattr(operations, "change_locked", break_down)
    with pytest.raises(IntegrityError):
        approvals.approve(wish, answer="", origin=manager.origin)
    wish.refresh_from_db()
    assert (wish.status, limit_of(reena)) == ("PENDING", 1_000_000)


@pytest.mark.row_locks
@pytest.mark.django_db(transaction=True)
def test_of_twenty_racing_decisions_one_is_made(ask, make_staff, reena, audited):
    wish = ask()
    staff = [make_staff(f"manager{n}", "manager") for n in range(20)]

    def decide(n):
        end = approvals.approve if n % 2 else approvals.refuse
        try:
            return end(wish, answer="", origin=staff[n].origin).status
        except approvals.NotPossible:
            return "too late"

    results = Counter(together(*[lambda n=n: decide(n) for n in range(20)]))
    assert results.pop("too late") == 19
    [decision] = results
    assert limit_of(reena) == (2_000_000 if decision == "APPROVED" else 1_000_000)
    assert len(audited(Action.LIMIT_CHANGED)) == (decision == "APPROVED")
    call_command("reconcile")
