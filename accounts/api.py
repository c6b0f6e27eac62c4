"""The API around accounts: who am I, what do I own, what may I still send today."""

import datetime as dt
import hashlib
import json

from django.shortcuts import get_object_or_404
from django.utils.http import parse_etags
from rest_framework import exceptions, permissions, viewsets
from rest_framework.response import Response

from accounts import sign_in, throttles, tokens
from accounts.models import Account, ApiToken, Customer, Scope
from accounts.pagination import KeysetPagination
from accounts.serializers import (
    NewTokenSerializer,
    RotationSerializer,
    account_body,
    limits_body,
    path_id,
    read_body,
    utc,
)
from audit.operations import Origin

ROTATION_OVERLAP_HOURS = 24


class CustomerViewSet(viewsets.GenericViewSet):
    """`GET /customers/{id}/accounts`."""

    scopes = {"accounts": Scope.ACCOUNTS_READ}

    pagination_class = KeysetPagination

    def accounts(self, request, id):
        """List the customer's accounts. 404 for anybody else's customer, as for none."""
        customers = Customer.objects.visible_to(request.user)
        customer = get_object_or_404(customers, public_id=path_id(id))
        page = self.paginate_queryset(customer.accounts.all())
        return self.get_paginated_response([account_body(account) for account in page])


class AccountViewSet(viewsets.ViewSet):
    """`GET /accounts/{id}` and what is left of its limit."""

    scopes = {"retrieve": Scope.ACCOUNTS_READ, "limits": Scope.ACCOUNTS_READ}

    def retrieve(self, request, id):
        """Return one account."""
        return unless_known(request, account_body(visible_account(request, id)))

    def limits(self, request, id):
        """Return the daily limit, what is used of it and when it resets."""
        return unless_known(request, limits_body(visible_account(request, id)))


def visible_account(request, id: str) -> Account:
    """Return the account that the caller may see. Raises 404 for everything else."""
    account = Account.objects.seen_by(request.user, path_id(id))
    if account is None:
        raise exceptions.NotFound()
    return account


def unless_known(request, body: dict) -> Response:
    """Return the body with its ETag, or 304 to a caller who has seen the very same before."""
    digest = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    headers = {"ETag": f'"{digest[:32]}"'}
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if headers["ETag"] in {one.removeprefix("W/") for one in known}:
        return Response(status=304, headers=headers)
    return Response(body, headers=headers)


class MeViewSet(viewsets.ViewSet):
    """`GET /me`."""

    scopes = {"retrieve": ""}

    def retrieve(self, request):
        """Return who the caller is."""
        user, customer = request.user, Customer.of(request.user)
        return Response(
            {
                "username": user.get_username(),
                "customer_id": customer.public_id if customer else None,
                "name": customer.name if customer else user.get_full_name() or user.username,
                "is_staff": user.is_staff,
            }
        )


class TokenViewSet(viewsets.ViewSet):
    """`/auth/token`: a token for a name and a password, and its end."""

    def get_authenticators(self):
        """Making a token needs no credentials but those in the body; ending one needs the token."""
        return [] if self.request.method == "POST" else [tokens.BearerAuthentication()]

    def get_permissions(self):
        """Return who may come in at all."""
        anybody = self.request.method == "POST"
        return [permissions.AllowAny() if anybody else permissions.IsAuthenticated()]

    def get_authenticate_header(self, request):
        """Return the challenge of a 401; without one REST framework would make it a 403."""
        return "Bearer"

    def create(self, request):
        """Return a new token. 401 for wrong credentials, 429 after too many of them."""
        wishes = read_body(request, NewTokenSerializer)
        user = sign_in.check(
            request, wishes.pop("username"), wishes.pop("password"), admits=sign_in.by_password
        )
        if user is None:
            raise exceptions.AuthenticationFailed("The username or the password is wrong.")
        throttles.take(request, throttles.of_tokens(user))
        origin = Origin(user.pk, request.request_id, request.client_ip)
        return _told(*tokens.create(user, used=True, origin=origin, **wishes))

    def destroy(self, request):
        """Revoke the token that was presented."""
        tokens.revoke(request.auth, origin=Origin.of(request))
        return Response(status=204)


class RotationViewSet(viewsets.ViewSet):
    """`POST /auth/token/rotation`: a successor for the token that is presented."""

    scopes = {"create": ""}

    def create(self, request):
        """Return the successor. Both tokens work until the overlap is over."""
        if request.auth is None:
            raise exceptions.NotAuthenticated("Only a token can be rotated.")
        hours = read_body(request, RotationSerializer).get("overlap_hours", ROTATION_OVERLAP_HOURS)
        throttles.take(request, throttles.of_tokens(request.user))
        overlap = dt.timedelta(hours=hours)
        return _told(*tokens.rotate(request.auth, overlap, origin=Origin.of(request)))


def _told(secret: str, token: ApiToken) -> Response:
    return Response({"token": secret, "expires_at": utc(token.expires_at)})
