"""The API of webhooks: who wants to be told, and what became of each message."""

import json

from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import exceptions, viewsets
from rest_framework.response import Response

from accounts import throttles
from accounts.models import Customer, Scope
from accounts.pagination import KeysetPagination
from accounts.serializers import (
    ListField,
    MomentField,
    StrictSerializer,
    TextField,
    path_id,
    query_choice,
    read_body,
    utc,
)
from audit.operations import Origin
from transfers import webhooks
from transfers.models import WebhookDelivery, WebhookEndpoint
from transfers.outbox import EventType
from transfers.webhook_targets import TargetRefused


def event_type(text: str) -> str:
    """Return the type of that name. Raises ValueError."""
    return EventType(text).value


class EndpointSerializer(StrictSerializer):
    """`POST /webhooks`."""

    url = TextField(max_length=500)
    events = ListField(event_type, most=len(EventType), required=False)


class ReplaySerializer(StrictSerializer):
    """`POST /webhooks/{id}/replay`."""

    since = MomentField()


class DeliveryPagination(KeysetPagination):
    """Deliveries of one endpoint by the ids of their messages."""

    name = "message_id"

    def edge(self, queryset, at):
        """Return the key of the row that the cursor names: the message went to others as well."""
        return queryset.filter(message_id=at).values("id")[:1]


class WebhookViewSet(viewsets.GenericViewSet):
    """`/webhooks`: the caller's endpoints."""

    scopes = dict.fromkeys(
        ("list", "create", "retrieve", "destroy", "secret", "replay"), Scope.WEBHOOKS
    )
    pagination_class = KeysetPagination

    def list(self, request):
        """List the endpoints, newest first, also those that are disabled."""
        page = self.paginate_queryset(_customer(request).webhooks.all())
        return self.get_paginated_response([endpoint_body(one) for one in page])

    def create(self, request):
        """Make an endpoint; the answer is where its secret is shown."""
        customer = _customer(request)
        members = read_body(request, EndpointSerializer)
        events = members.get("events", " ".join(EventType.values)).split()
        origin = Origin.of(request)
        try:
            endpoint = webhooks.create(customer, members["url"], events, origin=origin)
        except (TargetRefused, webhooks.TooManyEndpoints) as refused:
            raise exceptions.ValidationError({"url": str(refused)}) from None
        body = endpoint_body(endpoint) | {"secret": endpoint.secret}
        headers = {"Location": f"/webhooks/{endpoint.public_id}"}
        return Response(body, status=201, headers=headers)

    def retrieve(self, request, id):
        """Return one endpoint."""
        return Response(endpoint_body(_endpoint(request, id)))

    def destroy(self, request, id):
        """Disable an endpoint for good."""
        webhooks.disable(_endpoint(request, id), origin=Origin.of(request))
        return Response(status=204)

    def secret(self, request, id):
        """Return a new secret."""
        made = webhooks.rotate_secret(_endpoint(request, id), origin=Origin.of(request))
        return Response({"secret": made})

    def replay(self, request, id):
        """Send again what was sent since a moment."""
        endpoint = _endpoint(request, id)
        since = read_body(request, ReplaySerializer)["since"]
        throttles.take(request, throttles.of_replays(request.user))
        try:
            count = webhooks.replay(endpoint, since, origin=Origin.of(request))
        except webhooks.Disabled:
            raise Http404 from None
        return Response({"count": count})


class DeliveryViewSet(viewsets.GenericViewSet):
    """`GET /webhooks/{id}/deliveries`: what became of each message."""

    scopes = {"list": Scope.WEBHOOKS}
    pagination_class = DeliveryPagination

    def list(self, request, id):
        """List the messages, newest first, of one status if that is asked for."""
        deliveries = _endpoint(request, id).deliveries.all()
        if status := query_choice(request, "status", WebhookDelivery.State.values):
            deliveries = deliveries.filter(state=status)
        page = self.paginate_queryset(deliveries)
        return self.get_paginated_response([delivery_body(one) for one in page])


def endpoint_body(endpoint: WebhookEndpoint) -> dict:
    """Return the endpoint as the API shows it."""
    return {
        "id": endpoint.public_id,
        "url": endpoint.url,
        "events": endpoint.events.split(),
        "status": "DISABLED" if endpoint.disabled_at else "ACTIVE",
        "created_at": utc(endpoint.created_at),
    }


def delivery_body(delivery: WebhookDelivery) -> dict:
    """Return the delivery as the API shows it."""
    is_waiting = delivery.state == WebhookDelivery.State.WAITING
    return {
        "message_id": delivery.message_id,
        "message": json.loads(delivery.body),
        "status": delivery.state,
        "attempts": delivery.attempts,
        "last_answer": delivery.last_answer,
        "delivered_at": utc(delivery.delivered_at),
        "next_attempt_at": utc(delivery.next_attempt_at) if is_waiting else None,
    }


def _customer(request) -> Customer:
    customer = Customer.of(request.user)
    if customer is None:
        raise exceptions.PermissionDenied("Only customers have webhooks.")
    return customer


def _endpoint(request, id: str) -> WebhookEndpoint:
    endpoints = WebhookEndpoint.objects.filter(customer__user=request.user)
    return get_object_or_404(endpoints.select_related("customer"), public_id=path_id(id))
