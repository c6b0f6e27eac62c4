"""Two people for one change: the maker asks, a checker approves or refuses.

Whatever is asked for is looked at twice under the lock, when it is asked and when it is approved,
and done in the transaction that approves it: there is no moment at which a request is approved and
its effect is missing, or the other way round.
"""

import datetime as dt
from functools import partial

from django.conf import settings
from django.utils import timezone

from accounts import money, transactions
from accounts import operations as accounts
from accounts.models import Account
from audit.models import Action
from audit.operations import Origin
from office.models import ApprovalRequest

Kind, Status = ApprovalRequest.Kind, ApprovalRequest.Status

AUDITED_AS = {
    Status.APPROVED: Action.REQUEST_APPROVED,
    Status.FAILED: Action.REQUEST_FAILED,
    Status.REFUSED: Action.REQUEST_REFUSED,
    Status.WITHDRAWN: Action.REQUEST_WITHDRAWN,
    Status.EXPIRED: Action.REQUEST_EXPIRED,
}


class NotPossible(Exception):
    """What was asked for cannot be, or not by this person; the message says why."""


def ask_for_limit(
    account: Account, limit_minor: int, *, reason: str, origin: Origin
) -> ApprovalRequest:
    """Ask for a higher daily limit; a customer may ask as well as staff. Raises NotPossible."""
    wish = ApprovalRequest(kind=Kind.RAISE_LIMIT, account=account, amount_minor=limit_minor)
    return _ask(wish, slot=f"{Kind.RAISE_LIMIT}:{account.pk}", reason=reason, origin=origin)


def approve(request: ApprovalRequest, *, answer: str, origin: Origin) -> ApprovalRequest:
    """Do what was asked for and return the request as it is then: approved, failed or expired.

    It fails if it became impossible since it was asked. Approving again what one approved before
    changes nothing. Raises NotPossible if it is not for this person to decide, or was decided.
    """
    return transactions.run(partial(_approve, request, answer, origin))


def refuse(request: ApprovalRequest, *, answer: str, origin: Origin) -> ApprovalRequest:
    """Decide that it will not be done. Raises NotPossible as `approve` does."""
    return transactions.run(partial(_refuse, request, answer, origin))


def withdraw(request: ApprovalRequest, *, answer: str, origin: Origin) -> ApprovalRequest:
    """Take back a request of one's own. Raises NotPossible if it was decided before."""
    return transactions.run(partial(_withdraw, request, answer, origin))


def expire_stale(*, origin: Origin) -> int:
    """Close the requests that waited too long, and return how many they were."""
    stale = ApprovalRequest.objects.filter(status=Status.PENDING, expires_at__lte=timezone.now())
    return sum(transactions.run(partial(_expire, one, origin)) for one in stale.order_by("pk"))


# --- Asking -----------------------------------------------------------------------------------


def _ask(wish: ApprovalRequest, *, slot: str, reason: str, origin: Origin) -> ApprovalRequest:
    wish.slot, wish.reason, wish.maker_id = slot, reason, origin.actor_id
    return transactions.run(partial(_ask_locked, wish, origin))


def _ask_locked(wish: ApprovalRequest, origin: Origin) -> ApprovalRequest:
    account = Account.objects.locked([wish.account_id])[wish.account_id]
    waiting = ApprovalRequest.objects.filter(slot=wish.slot).first()
    if waiting and waiting.expires_at <= timezone.now():
        _close(waiting, account, Status.EXPIRED, origin)
        waiting = None
    if waiting:
        if _is_same(waiting, wish):  # a second click, or our COMMIT arrived and its reply did not
            return waiting
        raise NotPossible("Such a request is waiting for its decision already.")
    if obstacle := _obstacle(wish, account):
        raise NotPossible(obstacle)
    wish.pk = None  # the attempt before this one may have been rolled back
    wish.made_at = timezone.now()
    wish.expires_at = wish.made_at + dt.timedelta(hours=settings.APPROVAL_HOURS)
    wish.save(force_insert=True)
    _record(Action.REQUEST_MADE, wish, account, origin, reason=wish.reason)
    return wish


def _is_same(one: ApprovalRequest, other: ApprovalRequest) -> bool:
    return (one.maker_id, one.amount_minor) == (other.maker_id, other.amount_minor)


def _obstacle(request: ApprovalRequest, account: Account) -> str | None:
    """Return why this cannot be done to the locked account, or None. Nothing else is asked."""
    match request.kind:
        case Kind.RAISE_LIMIT:
            if account.status == Account.Status.CLOSED:
                return "The account is closed."
            if request.amount_minor <= account.daily_limit_minor:
                limit = money.display(account.daily_limit_minor, account.currency)
                return f"The daily limit is {limit}: this would not raise it."
    return None


# --- Deciding ---------------------------------------------------------------------------------


def _approve(request: ApprovalRequest, answer: str, origin: Origin) -> ApprovalRequest:
    request, account = _locked(request)
    decided = {Status.APPROVED, Status.FAILED}
    if request.status in decided and request.checker_id == origin.actor_id:
        return request  # a second click, or our COMMIT arrived and its reply did not
    _must_wait(request)
    _must_be_a_second_person(request, account, origin)
    if request.expires_at <= timezone.now():
        return _close(request, account, Status.EXPIRED, origin)
    if obstacle := _obstacle(request, account):
        return _close(request, account, Status.FAILED, origin, answer=obstacle)
    _carry_out(request, account, origin)
    return _close(request, account, Status.APPROVED, origin, answer=answer)


def _carry_out(request: ApprovalRequest, account: Account, origin: Origin) -> None:
    """Do it, in the transaction that is open."""
    why = {"reason": request.reason, "approval": request.public_id}
    match request.kind:
        case Kind.RAISE_LIMIT:
            columns = {"daily_limit_minor": request.amount_minor}
            accounts.change_locked(account, Action.LIMIT_CHANGED, columns, origin=origin, **why)


def _refuse(request: ApprovalRequest, answer: str, origin: Origin) -> ApprovalRequest:
    request, account = _locked(request)
    if request.status == Status.REFUSED and request.checker_id == origin.actor_id:
        return request
    _must_wait(request)
    _must_be_a_second_person(request, account, origin)
    return _close(request, account, Status.REFUSED, origin, answer=answer)


def _withdraw(request: ApprovalRequest, answer: str, origin: Origin) -> ApprovalRequest:
    request, account = _locked(request)
    if request.maker_id != origin.actor_id:
        raise NotPossible("Only who made the request can withdraw it.")
    if request.status == Status.WITHDRAWN:
        return request
    _must_wait(request)
    return _close(request, account, Status.WITHDRAWN, origin, answer=answer)


def _expire(request: ApprovalRequest, origin: Origin) -> bool:
    request, account = _locked(request)
    if request.status != Status.PENDING:
        return False
    _close(request, account, Status.EXPIRED, origin)
    return True


def _locked(request: ApprovalRequest) -> tuple[ApprovalRequest, Account]:
    """Lock the request's account, and only then read what became of the request meanwhile."""
    account = Account.objects.locked([request.account_id])[request.account_id]
    return ApprovalRequest.objects.get(pk=request.pk), account


def _must_wait(request: ApprovalRequest) -> None:
    if request.status != Status.PENDING:
        raise NotPossible(f"This was decided before: {request.get_status_display().lower()}.")


def _must_be_a_second_person(request: ApprovalRequest, account: Account, origin: Origin) -> None:
    if origin.actor_id == request.maker_id:
        raise NotPossible("Who made a request does not decide it.")
    if account.customer and account.customer.user_id == origin.actor_id:
        raise NotPossible("Nobody decides about an account of their own.")


def _close(
    request: ApprovalRequest, account: Account, status: str, origin: Origin, *, answer: str = ""
) -> ApprovalRequest:
    """Write the decision. The database, too, refuses a checker who is the maker."""
    has_checker = status in {Status.APPROVED, Status.FAILED, Status.REFUSED}
    request.status, request.answer, request.decided_at = status, answer, timezone.now()
    request.checker_id = origin.actor_id if has_checker else None
    request.slot = None
    request.save(update_fields=["status", "answer", "decided_at", "checker", "slot"])
    _record(AUDITED_AS[status], request, account, origin, reason=answer)
    return request


def _record(
    action: str, request: ApprovalRequest, account: Account, origin: Origin, **details
) -> None:
    if request.amount_minor is not None:
        details["amount_minor"] = request.amount_minor
    accounts.write(
        account,
        {},
        action,
        origin,
        object_type="request",
        object_id=request.public_id,
        kind=request.kind,
        maker_id=request.maker_id,
        **details,
    )
