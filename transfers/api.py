"""The API of transfers: order one, read it, list them, confirm what arrived."""

from django.utils import timezone
from rest_framework import exceptions, viewsets
from rest_framework.response import Response

from accounts import bank_day, money, throttles, tokens, transactions
from accounts.api import unless_known, visible_account
from accounts.models import Account, Customer, Scope
from accounts.pagination import KeysetPagination
from accounts.serializers import also_wrong, path_id, query_choice, read_body
from audit.operations import Origin
from transfers import (
    filters,
    paper,
    parties,
    payments,
    proofs,
    quotes,
    receipts,
    statements,
    wording,
)
from transfers.downloads import download
from transfers.models import LedgerEntry, Transfer
from transfers.orders import Outcome, Refusal
from transfers.serializers import (
    IDEMPOTENCY_KEY,
    KEY_FORM,
    PaymentSerializer,
    QuoteSerializer,
    ReceiptSerializer,
    as_first_answered,
    check_amount,
    entry_body,
    is_owner,
    load_receivers_view,
    transfer_body,
)


class Refused(exceptions.APIException):
    """An order was refused; raised after its transaction is committed, only to be answered."""

    def __init__(self, status: int, refusal: Refusal, detail: str, members: dict, headers: dict):
        super().__init__(detail, refusal.code)
        self.status_code = status
        self.members = members
        self.headers = headers


class ReceiptNotPossible(exceptions.APIException):
    """409: the transfer is not completed, or its receipt says something else."""

    status_code = 409
    default_code = "receipt_not_possible"


class ProofNotPossible(exceptions.APIException):
    """409: there is nothing to prove the transfer with."""

    status_code = 409
    default_code = "proof_not_possible"


class EntryPagination(KeysetPagination):
    """Entries by their sequence in the account."""

    key = name = "sequence"


class TransferViewSet(viewsets.GenericViewSet):
    """`/transfers`."""

    scopes = {
        "list": Scope.TRANSFERS_READ,
        "retrieve": Scope.TRANSFERS_READ,
        "create": Scope.TRANSFERS_WRITE,
        "quote": Scope.TRANSFERS_WRITE,
        "receipt": Scope.TRANSFERS_WRITE,
        "proof": Scope.TRANSFERS_READ,
    }
    looks_at_token = ("create",)  # the transaction does, so a remembered one may come in
    pagination_class = KeysetPagination

    def quote(self, request):
        """Say what a payment would come to now, and whether the payee's name is right."""
        only_customers(request)
        throttles.take(request, throttles.of_quotes(request.user))
        members = read_body(request, QuoteSerializer)
        name = members.pop("payee_name", "")
        if name:
            throttles.take(request, throttles.of_names(request.user))
        payment = QuoteSerializer.payment(members, None)
        try:
            made = quotes.quote(request.user, payment, name, origin=Origin.of(request))
        except money.InvalidAmount as error:
            raise exceptions.ValidationError({"amount": str(error)}) from None
        return Response(quotes.quote_body(made))

    def create(self, request):
        """Carry out a payment and answer with its outcome, the first or the replayed one."""
        only_customers(request)
        key = request.headers.get("Idempotency-Key")
        is_wrong = key is not None and not IDEMPOTENCY_KEY.fullmatch(key)
        with also_wrong({"Idempotency-Key": KEY_FORM} if is_wrong else {}):
            members = read_body(request, PaymentSerializer)
        payment = PaymentSerializer.payment(members, key)
        asked_by = {"token_id": request.auth and request.auth.pk, "origin": Origin.of(request)}
        try:
            outcome = payments.pay(request.user, payment, **asked_by)
        except money.InvalidAmount as error:
            raise exceptions.ValidationError({"amount": str(error)}) from None
        except payments.NotAdmitted:
            tokens.look_up_again(request)
            only_customers(request)
            raise transactions.Busy from None  # the token counts again: so ask again
        tokens.confirmed(request)
        return answer(outcome, request.user)

    def handle_exception(self, exc):
        """Answer an exception. Whoever was only remembered is looked up before a refusal that no
        transaction came to: it is not told to a token that opens nothing any more."""
        try:
            if isinstance(exc, exceptions.APIException):
                tokens.confirm(self.request)
        except exceptions.AuthenticationFailed as error:
            exc = error
        return super().handle_exception(exc)

    def retrieve(self, request, id):
        """Return one transfer, to its sender, its receiver and staff."""
        return unless_known(request, transfer_body(visible_transfer(request, id), request.user))

    def list(self, request):
        """List the caller's transfers, as far as they are asked for."""
        page, user = self.paginate_queryset(filters.transfers(request)), request.user
        parties.of_transfers(page)
        load_receivers_view(page, user)
        return self.get_paginated_response([transfer_body(one, user) for one in page])

    def receipt(self, request, id):
        """[6] Let the receiver say what arrived."""
        transfer = visible_transfer(request, id)
        if not is_owner(request.user, transfer.to_account):
            raise exceptions.PermissionDenied("Only the receiver gives the receipt.")
        text = read_body(request, ReceiptSerializer)["received_amount"]
        received = check_amount("received_amount", text, transfer.currency, zero_allowed=True)
        try:
            transfer = receipts.give(transfer, received, origin=Origin.of(request))
        except receipts.ReceiptNotPossible as error:
            raise ReceiptNotPossible(str(error)) from None
        return Response(transfer_body(transfer, request.user))

    def proof(self, request, id):
        """Return the signed receipt, by the audit log of the caller's own account."""
        transfer = visible_transfer(request, id)
        ends = transfer.from_account, transfer.to_account
        own = next((one for one in ends if is_owner(request.user, one)), transfer.from_account)
        try:
            return Response(proofs.of(transfer, own))
        except proofs.ProofNotPossible as error:
            raise ProofNotPossible(str(error)) from None


class EntryViewSet(viewsets.GenericViewSet):
    """`GET /accounts/{id}/entries`."""

    scopes = {"list": Scope.ACCOUNTS_READ}
    pagination_class = EntryPagination

    def list(self, request, id):
        """List what happened to the account, newest first, as far as it is asked for."""
        account = account_with_entries(request, id)
        entries = LedgerEntry.objects.filter(account=account)
        page = self.paginate_queryset(filters.entries(request, entries, account.currency))
        parties.of_entries(page)
        return self.get_paginated_response([entry_body(one, account.currency) for one in page])


class StatementViewSet(viewsets.ViewSet):
    """`GET /accounts/{id}/statement`."""

    scopes = {"retrieve": Scope.ACCOUNTS_READ}

    def perform_content_negotiation(self, request, force=False):
        """Take any Accept header: `format` says what is wanted."""
        return super().perform_content_negotiation(request, force=True)

    def retrieve(self, request, id):
        """Return opening balance, all lines and closing balance of a period, oldest first."""
        account = account_with_entries(request, id)
        since, until = filters.period(request)
        kind = query_choice(request, "format", ["json", "csv", "pdf"]) or "json"
        made = statements.of(account, since, until)
        if kind == "pdf" and made.length > paper.MOST_LINES:
            raise exceptions.ValidationError(
                {"format": f"A PDF has at most {paper.MOST_LINES} lines; choose csv or json."}
            )
        return download(made, kind)


def account_with_entries(request, id: str) -> Account:
    """Return the account whose entries the caller may see. Raises 404 for everything else."""
    account = visible_account(request, id)
    if request.user.is_staff and not request.user.has_perm("transfers.view_ledgerentry"):
        raise exceptions.NotFound()
    return account


def only_customers(request) -> None:
    """Raise PermissionDenied for staff: they move nobody's money through the API."""
    if request.user.is_staff or Customer.of(request.user) is None:
        raise exceptions.PermissionDenied("Only customers order transfers.")


def visible_transfer(request, id: str) -> Transfer:
    """Return the transfer that the caller may see. Raises 404 for everything else."""
    transfer = Transfer.objects.seen_by(request.user, path_id(id))
    if transfer is None:
        raise exceptions.NotFound()
    return transfer


# --- [5] The answer ---------------------------------------------------------------------------


def answer(outcome: Outcome, user) -> Response:
    """Return 201 with the transfer. Raises Refused with the problem that the refusal is.

    Both are made of facts that never change after the first answer, so that a replay is the same
    to the byte.
    """
    headers = {"Idempotent-Replayed": "true"} if outcome.replayed else {}
    if outcome.refusal:
        raise refused(outcome, headers)
    headers["Location"] = f"/transfers/{outcome.transfer.public_id}"
    body = transfer_body(as_first_answered(outcome.transfer), user)
    return Response(body, status=201, headers=headers)


def refused(outcome: Outcome, headers: dict, *, recorded: bool = True) -> Refused:
    """Return the problem that the outcome's refusal is; it names its transfer if that is kept."""
    refusal, transfer = outcome.refusal, outcome.transfer
    members = {}
    if transfer and recorded:
        members["transfer_id"] = transfer.public_id
        members["request_id"] = transfer.request_id  # of the first answer, also in a replay
    told = wording.explain(refusal, transfer)
    if refusal.code == "daily_limit_exceeded":
        wait = bank_day.end(transfer.bank_date) - timezone.now()
        headers["Retry-After"] = str(max(1, wait.days * 86400 + wait.seconds + 1))
    return Refused(told.status, refusal, told.detail, {**members, **told.members}, headers)
