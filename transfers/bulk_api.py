"""`POST /transfers/bulk`: many payments in one call."""

import json

from rest_framework import exceptions, viewsets
from rest_framework.response import Response

from accounts import money
from accounts.models import Scope
from accounts.serializers import read_body
from audit.operations import Origin
from transfers import bulk
from transfers.api import Refused, only_customers, refused
from transfers.orders import Order, Outcome, Refusal
from transfers.payments import Payment
from transfers.serializers import (
    BulkSerializer,
    as_first_answered,
    load_receivers_view,
    transfer_body,
)

SECONDS = 30  # after that no chunk is begun, so that an answer comes before callers give up


class BulkViewSet(viewsets.ViewSet):
    """`/transfers/bulk`."""

    scopes = {"create": Scope.TRANSFERS_WRITE}

    def create(self, request):
        """Carry out all payments, each by itself or all or none, and answer what became of each."""
        only_customers(request)
        members = read_body(request, BulkSerializer)
        wishes = [BulkSerializer.payment(item) for item in members["transfers"]]
        carry_out = self._all_or_none if members["atomic"] else self._each
        results = carry_out(request, wishes)
        made = [one.transfer for one in results if isinstance(one, Outcome) and one.transfer]
        load_receivers_view(made, request.user)
        told = {}  # by identity: one trouble of the database is one line in the log
        for one in results:
            if id(one) not in told:
                told[id(one)] = self._told(request, one)
        return Response({"results": [told[id(one)] for one in results]})

    def _each(self, request, wishes: list) -> list:
        """Return what became of each; what is no payment stands there as what is wrong with it."""
        good = [one for one in wishes if isinstance(one, Payment)]
        made = bulk.pay(request.user, good, origin=Origin.of(request), seconds=SECONDS)
        results = (result for _, result in sorted(made))
        return [next(results) if isinstance(one, Payment) else one for one in wishes]

    def _all_or_none(self, request, wishes: list) -> list[Outcome]:
        """Return the outcomes. Raises Refused if one of them is a refusal."""
        try:
            if not all(isinstance(one, Payment) for one in wishes):
                raise bulk.NotAll(wishes)
            return bulk.pay_all_or_none(request.user, wishes, origin=Origin.of(request))
        except bulk.TooManyAccounts as error:
            raise exceptions.ValidationError({"transfers": str(error)}) from None
        except bulk.NotAll as none:
            refusals = [
                {"index": index, **self._told(request, one, recorded=False)}
                for index, one in enumerate(none.results)
                if not isinstance(one, Order | Payment) and bulk.is_refused(one)
            ]
            members = {"refusals": refusals}
            raise Refused(422, Refusal("bulk_refused"), str(none), members, {}) from None

    def _told(self, request, result, *, recorded: bool = True) -> dict:
        """Return one result as the answer tells it: the status and body that it would have had in a
        call of its own."""
        if isinstance(result, Outcome) and not result.refusal:
            body = transfer_body(as_first_answered(result.transfer), request.user)
            return {"status": 201, "transfer": body}
        if isinstance(result, Outcome):
            result = refused(result, {}, recorded=recorded)
        elif isinstance(result, money.InvalidAmount):
            result = exceptions.ValidationError({"amount": str(result)})
        answer = self.get_exception_handler()(result, self.get_exception_handler_context())
        return {"status": answer.status_code, "problem": json.loads(answer.content)}
