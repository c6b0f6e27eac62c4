"""Webhooks in the back office: who is told of what, and what became of it."""

import datetime as dt

from django import forms
from django.contrib import admin
from django.core.validators import MinValueValidator
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.urls import path, reverse

from accounts import bank_day
from accounts.admin import timeline
from accounts.staff_forms import ReasonForm
from accounts.staff_views import NotDone, Operation
from audit.pages import ReadOnlyAdmin, link, time_column
from transfers import webhooks
from transfers.models import WebhookDelivery, WebhookEndpoint


class EndpointOperation(Operation):
    """An operation on one endpoint."""

    permission = "transfers.disable_webhook"

    def find(self, endpoint_id: int) -> WebhookEndpoint:
        """Return the endpoint with its customer."""
        return get_object_or_404(WebhookEndpoint.objects.select_related("customer"), pk=endpoint_id)

    def owner_id(self):
        """Return the user whose endpoint it is."""
        return self.subject.customer.user_id

    def facts(self):
        """Return which endpoint it is."""
        return [("Address", self.subject.url), ("Of", self.subject.customer.name)]

    def page(self):
        """Return the endpoint's page."""
        return reverse("admin:transfers_webhookendpoint_change", args=[self.subject.pk])


class DisableWebhook(EndpointOperation):
    """Ends an endpoint for good."""

    title = "Disable webhook"
    button = "Disable"
    form_class = ReasonForm
    explanation = "The endpoint is told nothing any more, also of what is waiting."

    def carry_out(self, data, origin):
        """Disable it. Raises NotDone if it was disabled before."""
        if not webhooks.disable(self.subject, reason=data["reason"], origin=origin):
            raise NotDone("This endpoint was disabled before.")
        return "The endpoint is disabled."


class ReplayForm(ReasonForm):
    """From which day on, and why."""

    since = forms.DateField(
        validators=[MinValueValidator(dt.date(2000, 1, 1))],
        help_text="Everything since the beginning of that day of the bank.",
        widget=forms.DateInput({"type": "date"}),
    )
    field_order = ["since", "reason"]


class ReplayWebhook(EndpointOperation):
    """Sends again what an endpoint was told, or could not be told."""

    title = "Replay webhook"
    button = "Replay"
    form_class = ReplayForm
    explanation = (
        "What was delivered or given up since then is sent again, in order and under the old ids: "
        f"the first {webhooks.MOST_REPLAYED:,} messages."
    )

    def carry_out(self, data, origin):
        """Replay it. Raises NotDone if the endpoint is disabled."""
        since = bank_day.start(data["since"])
        try:
            count = webhooks.replay(self.subject, since, reason=data["reason"], origin=origin)
        except webhooks.Disabled:
            raise NotDone("This endpoint is disabled.") from None
        return f"{count} messages are sent again."


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """Where customers' programs are told; the secrets are shown to nobody."""

    change_form_template = "admin/transfers/webhookendpoint/change_form.html"
    list_display = ("url", "owner", "events", "created", "disabled")
    search_help_text = "Part of the address, name of the customer, public id"
    fields = ("url", "owner", "events", "created", "disabled", "public_id")

    created = time_column("created_at", "made")
    disabled = time_column("disabled_at", "disabled")

    @admin.display(description="customer")
    def owner(self, endpoint):
        """Link to the customer."""
        return link("accounts_customer_change", endpoint.customer.name, endpoint.customer_id)

    def get_queryset(self, request):
        """Return the endpoints with their customers."""
        return super().get_queryset(request).select_related("customer")

    def matching(self, term):
        """Find by address, customer or public id."""
        return Q(url__icontains=term) | Q(customer__name__icontains=term) | Q(public_id=term)

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        """Show the endpoint with what happened to it."""
        context["timeline"] = timeline("", object_type="webhook", object_id=obj.public_id)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def get_urls(self):
        """Return the pages, with the operations on endpoints."""
        operations = {"disable": DisableWebhook, "replay": ReplayWebhook}
        return [
            *(
                path(
                    f"<int:endpoint_id>/{name}/",
                    self.admin_site.admin_view(operation.as_view()),
                    name=f"transfers_webhookendpoint_{name}",
                )
                for name, operation in operations.items()
            ),
            *super().get_urls(),
        ]


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """What became of each message."""

    list_display = ("event", "created", "to", "state", "attempts", "last_answer", "delivered")
    list_filter = ("state",)
    search_help_text = "Id of the message, part of the address"
    fields = (
        *("event", "message_id", "to", "state", "attempts", "last_answer"),
        *("created", "next_attempt", "delivered", "body"),
    )

    created = time_column("created_at", "happened")
    delivered = time_column("delivered_at", "delivered")
    next_attempt = time_column("next_attempt_at", "next attempt")

    @admin.display
    def to(self, delivery):
        """Link to the endpoint."""
        return link("transfers_webhookendpoint_change", delivery.endpoint.url, delivery.endpoint_id)

    def get_queryset(self, request):
        """Return the deliveries with their endpoints."""
        return super().get_queryset(request).select_related("endpoint")

    def matching(self, term):
        """Find by message or by endpoint."""
        return Q(message_id=term) | Q(endpoint__url__icontains=term)
