"""One box that finds whatever staff have in hand: a name, a number or its end, an id, an amount.

What has no index is looked for among the newest transfers only, so that no search reads them all.
"""

import re
from collections.abc import Iterator

from django.contrib import admin
from django.db.models import Q
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import money
from accounts.models import Account, Customer
from audit.models import AuditLog
from office.models import ApprovalRequest
from transfers.models import Transfer

MOST = 20  # of each kind
NEWEST = 50_000  # transfers among which amounts and references are looked for
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@require_safe
def search(request):
    """Show what the term finds among what the viewer may see."""
    term = request.GET.get("q", "").strip()[:200]
    groups = [one for one in _groups(request.user, term) if one[1]] if term else []
    return TemplateResponse(
        request,
        "admin/office/search.html",
        {
            **admin.site.each_context(request),
            "title": "Search",
            "term": term,
            "groups": groups,
            "newest": NEWEST,
        },
    )


def _groups(user, term: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each kind of thing with what was found of it: an address and a line of text."""
    if user.has_perm("accounts.view_customer"):
        yield (
            "Customers",
            [
                (_page("accounts_customer", one), f"{one.name}, signs in as {one.user.username}")
                for one in _customers(term)
            ],
        )
    if user.has_perm("accounts.view_account"):
        yield (
            "Accounts",
            [
                (
                    _page("accounts_account", one),
                    f"{one.masked_number} {one.owner_name}, {one.name}",
                )
                for one in _accounts(term)
            ],
        )
    if user.has_perm("transfers.view_transfer"):
        yield (
            "Transfers",
            [(_page("transfers_transfer", one), _line(one)) for one in _transfers(term)],
        )
    if user.has_perm("office.view_approvalrequest"):
        requests = ApprovalRequest.objects.filter(public_id=term.lower())
        yield (
            "Requests",
            [
                (_page("office_approvalrequest", one), f"{one.get_kind_display()}: {one.reason}")
                for one in requests
            ],
        )
    if user.has_perm("audit.view_auditlog") and AuditLog.objects.filter(request_id=term).exists():
        url = reverse("admin:audit_auditlog_changelist", query={"q": term})
        yield "Audit log", [(url, f"All that happened in request {term}")]


def _customers(term: str):
    customers = Customer.objects.filter(
        Q(name__icontains=term) | Q(user__username=term) | Q(public_id=term.lower())
    )
    return customers.select_related("user").order_by("pk")[:MOST]


def _accounts(term: str):
    """Return the accounts of that number, its beginning, its last four digits, or that id."""
    digits = re.sub(r"[\s-]", "", term)
    if re.fullmatch(r"[0-9]{4}", digits):
        which = Q(number__endswith=digits)
    elif re.fullmatch(r"[0-9]{5,12}", digits):
        which = Q(number__startswith=digits)
    else:
        which = Q(public_id=term.lower()) | Q(customer__name__icontains=term)
    return Account.objects.filter(which).select_related("customer").order_by("pk")[:MOST]


def _transfers(term: str):
    """Return the transfers of that id or request; or, among the newest, those of that amount or
    with these words in their reference."""
    transfers = Transfer.objects.order_by("-pk")
    if UUID.fullmatch(term.lower()):
        found = transfers.filter(public_id=term.lower())
    elif not (found := transfers.filter(request_id=term)).exists():
        newest = transfers.values_list("pk", flat=True).first() or 0
        found = transfers.filter(_meant_by(term), pk__gt=newest - NEWEST)
    keys = list(found.values_list("pk", flat=True)[:MOST])  # alone, so that nothing is sorted
    return transfers.filter(pk__in=keys).with_parties()


def _meant_by(term: str) -> Q:
    """Return the condition for an amount or, if it is none, for words of a reference."""
    amounts = _amounts(term)
    which = Q() if amounts else Q(reference__icontains=term)
    for currency, minor in amounts:
        which |= Q(currency=currency, amount_minor=minor)
    return which


def _amounts(term: str) -> list[tuple[str, int]]:
    """Return what the term means as an amount, in each currency that the bank has cash in."""
    text = re.sub(r"[^0-9.]", "", term)
    if not re.fullmatch(r"[^0-9A-Za-z]?\s?[0-9,]+(\.[0-9]+)?", term):
        return []
    houses = Account.objects.filter(kind=Account.Kind.HOUSE)
    meant = []
    for currency in set(houses.values_list("currency", flat=True)):
        try:
            meant.append((currency, money.parse(text, currency)))
        except money.InvalidAmount:
            continue
    return meant


def _line(transfer: Transfer) -> str:
    amount = money.display(transfer.amount_minor, transfer.currency)
    sides = f"{transfer.from_account.owner_name} to {transfer.to_account.owner_name}"
    state = transfer.failure_code or transfer.get_status_display().lower()
    return f"{transfer.bank_date} {amount} {sides}, {state}, {transfer.reference or 'no reference'}"


def _page(name: str, row) -> str:
    return reverse(f"admin:{name}_change", args=[row.pk])
