"""The whole map of the site. API paths have no trailing slash; ids are checked by the views."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from accounts import api as accounts
from accounts import security_views as security_pages
from accounts import token_pages
from accounts import views as account_pages
from audit import api as audit
from office import limit_views as limit_pages
from smartbank import documentation, health, problems
from transfers import api as transfers
from transfers import bulk_api as bulk
from transfers import history_views as history_pages
from transfers import send_views as send_pages
from transfers import views as transfer_pages
from transfers import webhooks_api as webhooks

api = [
    path(
        "auth/token",
        accounts.TokenViewSet.as_view({"post": "create", "delete": "destroy"}),
    ),
    path("auth/token/rotation", accounts.RotationViewSet.as_view({"post": "create"})),
    path("me", accounts.MeViewSet.as_view({"get": "retrieve"})),
    path(
        "customers/<str:id>/accounts",
        accounts.CustomerViewSet.as_view({"get": "accounts"}),
    ),
    path("accounts/<str:id>", accounts.AccountViewSet.as_view({"get": "retrieve"})),
    path("accounts/<str:id>/limits", accounts.AccountViewSet.as_view({"get": "limits"})),
    path("accounts/<str:id>/entries", transfers.EntryViewSet.as_view({"get": "list"})),
    path("accounts/<str:id>/statement", transfers.StatementViewSet.as_view({"get": "retrieve"})),
    path(
        "transfers",
        transfers.TransferViewSet.as_view({"get": "list", "post": "create"}),
    ),
    path("transfers/bulk", bulk.BulkViewSet.as_view({"post": "create"})),
    path("transfers/quote", transfers.TransferViewSet.as_view({"post": "quote"})),
    path("transfers/<str:id>", transfers.TransferViewSet.as_view({"get": "retrieve"})),
    path(
        "transfers/<str:id>/receipt",
        transfers.TransferViewSet.as_view({"post": "receipt"}),
    ),
    path("webhooks", webhooks.WebhookViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "webhooks/<str:id>",
        webhooks.WebhookViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
    ),
    path("webhooks/<str:id>/secret", webhooks.WebhookViewSet.as_view({"post": "secret"})),
    path("webhooks/<str:id>/replay", webhooks.WebhookViewSet.as_view({"post": "replay"})),
    path("webhooks/<str:id>/deliveries", webhooks.DeliveryViewSet.as_view({"get": "list"})),
    path(
        "transfers/<str:id>/proof",
        transfers.TransferViewSet.as_view({"get": "proof"}),
        name="proof",
    ),
    path("audit/key", audit.KeyViewSet.as_view({"get": "retrieve"})),
    path("schema", documentation.schema),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]

pages = [
    path("", transfer_pages.home, name="home"),
    path("login", account_pages.SignInView.as_view(), name="login"),
    path("logout", account_pages.SignOutView.as_view(), name="logout"),
    path("session", account_pages.session, name="session"),
    path("limits", limit_pages.limits, name="limits"),
    path("limits/<uuid:id>", limit_pages.change_limit, name="limit"),
    path("security", security_pages.security, name="security"),
    path("security/password", security_pages.change_password, name="password"),
    path("security/sessions/end", security_pages.end_other_sessions, name="end-other-sessions"),
    path("security/sessions/<uuid:id>/end", security_pages.end_session, name="end-session"),
    path("security/tokens/<uuid:id>/revoke", security_pages.revoke_token, name="revoke-token"),
    path("forgotten", security_pages.forgotten, name="forgotten"),
    path("new-password", security_pages.new_password, name="new-password"),
    path("language", account_pages.choose_language, name="language"),
    path("send", send_pages.send, name="send"),
    path("send/check", send_pages.check, name="check"),
    path("history/<uuid:id>", history_pages.history, name="history"),
    path("history/<uuid:id>/statement", history_pages.choose_statement, name="choose-statement"),
    path("history/<uuid:id>/statement.csv", history_pages.statement, {"kind": "csv"}, "csv"),
    path("history/<uuid:id>/statement.pdf", history_pages.statement, {"kind": "pdf"}, "pdf"),
    path("payees", send_pages.payee_list, name="payees"),
    path("payees/<uuid:id>/forget", send_pages.forget_payee, name="forget-payee"),
    path("payments/<uuid:id>", transfer_pages.payment, name="payment"),
    path("payments/<uuid:id>/receipt.pdf", transfer_pages.receipt_pdf, name="receipt-pdf"),
    path("payments/<uuid:id>/receipt", transfer_pages.receipt, name="receipt"),
    path("tokens/new", token_pages.new_token, name="new_token"),
    path("docs", documentation.docs, name="docs"),
    path("problems", documentation.problems, name="problems"),
    path("problems/<str:code>", documentation.problem, name="problem"),
]

urlpatterns = [
    *api,
    path("", include((pages, "pages"))),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    re_path(r"", problems.nowhere, name="nowhere"),
]

handler400 = problems.bad_request
handler403 = problems.forbidden
handler404 = problems.not_found
handler500 = problems.server_error
