"""Webhooks in the back office: who is told of what, and what became of it."""

from django.contrib import admin
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.urls import path, reverse

from accounts.admin import timeline
from accounts.staff_forms import ReasonForm
from accounts.staff_views import NotDone, Operation
from audit.admin import ReadOnlyAdmin, link, time_column
from transfers import webhooks
from transfers.models import WebhookDelivery, WebhookEndpoint


class DisableWebhook(Operation):
    """Ends an endpoint for good."""

    permission = "transfers.disable_webhook"
    title = "Disable webhook"
    button = "Disable"
    form_class = ReasonForm
    explanation = "The endpoint is told nothing any more, also of what is waiting."

    def find(self, endpoint_id: int) -> WebhookEndpoint:
        """Return the endpoint with its customer."""
        return get_object_or_404(WebhookEndpoint.objects.select_related("customer"), pk=endpoint_id)

    def facts(self):
        """Return which endpoint it is."""
        return [("Address", self.subject.url), ("Of", self.subject.customer.name)]

    def carry_out(self, data, origin):
        """Disable it. Raises NotDone if it was disabled before."""
        if not webhooks.disable(self.subject, reason=data["reason"], origin=origin):
            raise NotDone("This endpoint was disabled before.")
        return "The endpoint is disabled."

    def page(self):
        """Return the endpoint's page."""
        return reverse("admin:transfers_webhookendpoint_change", args=[self.subject.pk])


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
        """Return the pages, with the operation on endpoints."""
        view = self.admin_site.admin_view(DisableWebhook.as_view())
        name = "transfers_webhookendpoint_disable"
        return [path("<int:endpoint_id>/disable/", view, name=name), *super().get_urls()]


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
