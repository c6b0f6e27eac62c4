"""The API of the audit log: what everybody needs to check what the bank signed."""

from rest_framework import permissions, viewsets
from rest_framework.response import Response

from audit import signatures


class KeyViewSet(viewsets.ViewSet):
    """`GET /audit/key`."""

    authentication_classes = []  # whoever comes, with whatever credentials
    permission_classes = [permissions.AllowAny]

    def retrieve(self, request):
        """Answer the public keys that check seals and receipts, the one in use first."""
        return Response({"keys": signatures.public_keys()})
