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
from accounts.models import Account, Customer
from audit.models import Action
from audit.operations import Origin
from office import effects
from office.disputes import NotPossible
from office.models import ApprovalRequest
from transfers.models import Transfer
from transfers.wording import to_staff

Kind, Status = ApprovalRequest.Kind, ApprovalRequest.Status

AUDITED_AS = {
    Status.APPROVED: Action.REQUEST_APPROVED,
    Status.FAILED: Action.REQUEST_FAILED,
    Status.REFUSED: Action.REQUEST_REFUSED,
    Status.WITHDRAWN: Action.REQUEST_WITHDRAWN,
    Status.EXPIRED: Action.REQUEST_EXPIRED,
}


def ask_for_limit(account: Account, limit_minor: int, **why) -> ApprovalRequest:
    """Ask for a higher daily limit; a customer may ask as well as staff.

    Like all that ask: takes `reason` and `origin`, and returns the request, which waits. Asking
    the same again returns the one that waits. Raises NotPossible. Who may ask about the account is
    for the caller to check.
    """
    wish = ApprovalRequest(kind=Kind.RAISE_LIMIT, account=account, amount_minor=limit_minor)
    return _ask(wish, f"{account.pk}", **why)


def ask_to_unfreeze(account: Account, **why) -> ApprovalRequest:
    """Ask to let money move again."""
    return _ask(ApprovalRequest(kind=Kind.UNFREEZE, account=account), f"{account.pk}", **why)


def ask_to_close(account: Account, **why) -> ApprovalRequest:
    """Ask to close the account, for good; it must be empty."""
    return _ask(ApprovalRequest(kind=Kind.CLOSE, account=account), f"{account.pk}", **why)


def cash_bound_minor(currency: str) -> int:
    """Return how much cash one person may handle alone, in one go."""
    return money.parse(str(settings.APPROVAL_THRESHOLD), currency, zero_allowed=True)


def ask_for_cash(
    kind: str, account: Account, amount_minor: int, *, reference: str, key: str, **why
) -> ApprovalRequest:
    """Ask to take in (DEPOSIT) or pay out (WITHDRAW) so much cash that it takes two. However often
    one page is sent, with its `key`, it is asked once."""
    wish = ApprovalRequest(
        kind=kind, account=account, amount_minor=amount_minor, reference=reference
    )
    return _ask(wish, f"{key}:{why['origin'].actor_id}", **why)


def ask_to_reverse(original: Transfer, amount_minor: int, *, key: str, **why) -> ApprovalRequest:
    """Ask to send a transfer or a part of it back. However often one page is sent, with its `key`,
    it is asked once; a second page may ask for another part."""
    wish = ApprovalRequest(
        kind=Kind.REVERSE,
        account=original.to_account,
        amount_minor=amount_minor,
        reverses=original,
    )
    return _ask(wish, f"{key}:{why['origin'].actor_id}", **why)


def approve(request: ApprovalRequest, *, answer: str, origin: Origin) -> ApprovalRequest:
    """Do what was asked for and return the request as it is then: approved, failed or expired.

    It fails if it became impossible since it was asked. Approving again what one approved before
    changes nothing. Raises NotPossible if it is not for this person to decide, or was decided.
    """
    return transactions.run(
        partial(_approve, request, effects.accounts_of(request), answer, origin)
    )


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


def owners_of(request: ApprovalRequest) -> set[int]:
    """Return the users whose money this is about. Load the request with both sides."""
    sides = [request.account]
    if request.reverses:
        sides += [request.reverses.from_account, request.reverses.to_account]
    return {one.customer.user_id for one in sides if one.customer}


# --- Asking -----------------------------------------------------------------------------------


def _ask(wish: ApprovalRequest, once: str, *, reason: str, origin: Origin) -> ApprovalRequest:
    wish.slot = f"{wish.kind}:{once}"
    wish.reason, wish.maker_id = reason, origin.actor_id
    return transactions.run(partial(_ask_locked, wish, effects.accounts_of(wish), origin))


def _ask_locked(wish: ApprovalRequest, concerned: list[int], origin: Origin) -> ApprovalRequest:
    account = Account.objects.locked(concerned)[wish.account_id]
    earlier = ApprovalRequest.objects.filter(slot=wish.slot).first()
    if earlier and earlier.status == Status.PENDING and earlier.expires_at <= timezone.now():
        earlier = _close(earlier, account, Status.EXPIRED, origin)
    if earlier and earlier.slot:  # money keeps its slot for good
        if not _is_same(earlier, wish):
            raise NotPossible(
                "This page was sent before, with something else: look at the inbox first."
                if wish.moves_money
                else "Such a request is waiting for its decision already."
            )
        if earlier.status != Status.PENDING:
            was = earlier.get_status_display().lower()
            raise NotPossible(f"This page was sent before; {was}. Open it anew to ask again.")
        return earlier  # a second click, or our COMMIT arrived and its reply did not
    if wish.kind != Kind.RAISE_LIMIT and _owns_one_of(concerned, origin.actor_id):
        raise NotPossible("Nobody serves an account of their own.")
    if why_not := effects.obstacle(wish, account):
        raise NotPossible(why_not)
    wish.pk = None  # the attempt before this one may have been rolled back
    wish.made_at = timezone.now()
    wish.expires_at = wish.made_at + dt.timedelta(hours=settings.APPROVAL_HOURS)
    wish.save(force_insert=True)
    _record(Action.REQUEST_MADE, wish, account, origin, reason=wish.reason)
    return wish


def _is_same(one: ApprovalRequest, other: ApprovalRequest) -> bool:
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("maker_id", "account_id", "amount_minor", "reverses_id", "reference")
    )


# --- Deciding ---------------------------------------------------------------------------------


def _approve(
    request: ApprovalRequest, concerned: list[int], answer: str, origin: Origin
) -> ApprovalRequest:
    request, account = _locked(request, concerned)
    decided = {Status.APPROVED, Status.FAILED}
    if request.status in decided and request.checker_id == origin.actor_id:
        return request  # a second click, or our COMMIT arrived and its reply did not
    _must_wait(request)
    _must_be_a_second_person(request, concerned, origin)
    if request.expires_at <= timezone.now():
        return _close(request, account, Status.EXPIRED, origin)
    if why_not := effects.obstacle(request, account):
        return _close(request, account, Status.FAILED, origin, answer=why_not)
    outcome = effects.carry_out(request, account, origin)
    if outcome:
        request.result = outcome.transfer
        account = Account.objects.locked(concerned)[request.account_id]  # as the money has left it
        if outcome.refusal:
            why_not = to_staff(outcome.refusal, account.currency)
            return _close(request, account, Status.FAILED, origin, answer=why_not)
    effects.follow_up(request, account, origin)
    return _close(request, account, Status.APPROVED, origin, answer=answer)


def _refuse(request: ApprovalRequest, answer: str, origin: Origin) -> ApprovalRequest:
    concerned = [request.account_id]
    request, account = _locked(request, concerned)
    if request.status == Status.REFUSED and request.checker_id == origin.actor_id:
        return request
    _must_wait(request)
    _must_be_a_second_person(request, concerned, origin)
    return _close(request, account, Status.REFUSED, origin, answer=answer)


def _withdraw(request: ApprovalRequest, answer: str, origin: Origin) -> ApprovalRequest:
    request, account = _locked(request, [request.account_id])
    if request.maker_id != origin.actor_id:
        raise NotPossible("Only who made the request can withdraw it.")
    if request.status == Status.WITHDRAWN:
        return request
    _must_wait(request)
    return _close(request, account, Status.WITHDRAWN, origin, answer=answer)


def _expire(request: ApprovalRequest, origin: Origin) -> bool:
    request, account = _locked(request, [request.account_id])
    if request.status != Status.PENDING:
        return False
    _close(request, account, Status.EXPIRED, origin)
    return True


def _locked(request: ApprovalRequest, concerned: list[int]) -> tuple[ApprovalRequest, Account]:
    """Lock the accounts concerned, and only then read what became of the request meanwhile."""
    account = Account.objects.locked(concerned)[request.account_id]
    return ApprovalRequest.objects.select_related("reverses").get(pk=request.pk), account


def _owns_one_of(accounts: list[int], user_id: int | None) -> bool:
    return Customer.objects.filter(accounts__in=accounts, user_id=user_id).exists()


def _must_wait(request: ApprovalRequest) -> None:
    if request.status != Status.PENDING:
        raise NotPossible(f"This was decided before: {request.get_status_display().lower()}.")


def _must_be_a_second_person(
    request: ApprovalRequest, concerned: list[int], origin: Origin
) -> None:
    if origin.actor_id == request.maker_id:
        raise NotPossible("Who made a request does not decide it.")
    if _owns_one_of(concerned, origin.actor_id):
        raise NotPossible("Nobody decides about an account of their own.")


def _close(
    request: ApprovalRequest, account: Account, status: str, origin: Origin, *, answer: str = ""
) -> ApprovalRequest:
    """Write the decision. The database, too, refuses a checker who is the maker."""
    has_checker = status in {Status.APPROVED, Status.FAILED, Status.REFUSED}
    request.status, request.answer, request.decided_at = status, answer, timezone.now()
    request.checker_id = origin.actor_id if has_checker else None
    if not request.moves_money:
        request.slot = None
    columns = ["status", "answer", "decided_at", "checker", "slot", "result"]
    request.save(update_fields=columns)
    _record(AUDITED_AS[status], request, account, origin, reason=answer)
    return request


def _record(
    action: str, request: ApprovalRequest, account: Account, origin: Origin, **details
) -> None:
    if request.amount_minor is not None:
        details["amount_minor"] = request.amount_minor
    if request.reverses_id:
        details["reverses"] = request.reverses.public_id
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
