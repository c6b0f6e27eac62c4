"""What each kind of request does to the bank, and what stands in its way.

Everything here happens inside an open transaction that holds the locks of the accounts concerned.
"""

from functools import partial

from accounts import money
from accounts import operations as accounts
from accounts.models import Account
from accounts.operations import cash_account
from audit.models import Action
from audit.operations import Origin
from office import disputes
from office.models import ApprovalRequest
from transfers import cash, operations, reversals
from transfers.models import Dispute, Transfer
from transfers.orders import Outcome

Kind = ApprovalRequest.Kind


def accounts_of(request: ApprovalRequest) -> list[int]:
    """Return the keys of all accounts that the request concerns, to be locked before anything."""
    match request.kind:
        case Kind.DEPOSIT | Kind.WITHDRAW:
            return [request.account_id, cash_account(request.account.currency).pk]
        case Kind.REVERSE:
            return [request.reverses.from_account_id, request.reverses.to_account_id]
    return [request.account_id]


def obstacle(request: ApprovalRequest, account: Account) -> str | None:
    """Return why it cannot be done to the locked account, or None. Looked at when it is asked for
    and again when it is approved; what the money itself has against it `carry_out` finds out."""
    match request.kind:
        case Kind.RAISE_LIMIT:
            if account.status == Account.Status.CLOSED:
                return "The account is closed."
            if request.amount_minor <= account.daily_limit_minor:
                limit = money.display(account.daily_limit_minor, account.currency)
                return f"The daily limit is {limit}: this would not raise it."
        case Kind.UNFREEZE:
            if account.status != Account.Status.FROZEN:
                return "The account is not frozen."
        case Kind.CLOSE:
            if account.status == Account.Status.CLOSED:
                return "The account is closed already."
            if account.balance_minor or account.held_minor:
                balance = money.display(account.balance_minor, account.currency)
                return f"The account still holds {balance}: pay it out first."
        case Kind.DEPOSIT | Kind.WITHDRAW:
            if account.status != Account.Status.ACTIVE:
                return "The account is not active."
        case Kind.REVERSE:
            original = Transfer.objects.get(pk=request.reverses_id)  # as it is under the lock
            return reversals.obstacle(original, request.amount_minor)
    return None


def carry_out(request: ApprovalRequest, account: Account, origin: Origin) -> Outcome | None:
    """Do it. Where money is to move, return the outcome, which may be a refusal.

    A transfer is posted under the key `approval:<id>`, so that there is one for each request.
    """
    why = {"reason": request.reason, "approval": request.public_id}
    change = partial(accounts.change_locked, account, origin=origin, **why)
    key = f"approval:{request.public_id}"
    match request.kind:
        case Kind.RAISE_LIMIT:
            change(Action.LIMIT_CHANGED, {"daily_limit_minor": request.amount_minor})
        case Kind.UNFREEZE:
            change(Action.ACCOUNT_UNFROZEN, {"status": Account.Status.ACTIVE})
        case Kind.CLOSE:
            change(Action.ACCOUNT_CLOSED, {"status": Account.Status.CLOSED})
        case Kind.DEPOSIT | Kind.WITHDRAW:
            is_in = request.kind == Kind.DEPOSIT
            order = (cash.deposit_order if is_in else cash.withdrawal_order)(
                account,
                request.amount_minor,
                reference=request.reference,
                key=key,
                origin=origin,
                **why,
            )
            return operations.carry_out([order])[0]
        case Kind.REVERSE:
            original = Transfer.objects.get(pk=request.reverses_id)
            return reversals.carry_out(
                original, request.amount_minor, key=key, origin=origin, **why
            )
    return None


def follow_up(request: ApprovalRequest, account: Account, origin: Origin) -> None:
    """Do what an approved request settles besides: a reversal resolves an open dispute."""
    if request.kind == Kind.REVERSE:
        dispute = Dispute.objects.filter(transfer=request.reverses_id, resolution=None).first()
        if dispute:
            disputes.resolve(dispute, account, Dispute.Resolution.REVERSED, origin)
