"""Lists in pages, newest first, that stay stable while rows are added."""

import re

from django.core import signing
from django.db.models import QuerySet
from rest_framework import pagination
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from accounts.rows import by_key
from accounts.serializers import query

_NUMBER = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class KeysetPagination(pagination.BasePagination):
    """Pages by where the last one ended (keyset), so that no page costs more than the first.

    A cursor names a row by what clients know of it (`name`: its public id or sequence), is signed,
    and counts only for the path that it was given for. Rows are ordered by `key`, descending.
    """

    key = "id"
    name = "public_id"

    def paginate_queryset(self, queryset: QuerySet | list, request, view=None) -> list:
        """Return the rows of the page asked for. Raises ValidationError for a bad parameter.

        A list by ids is given in parts if each of them, but not all together, can be read from an
        index in the order of the page. A row may be in several.
        """
        self.request = request
        limit = self._limit()
        direction, at = self._cursor()
        backwards = direction == "previous"
        if isinstance(queryset, QuerySet):
            rows = list(self._from(at, queryset, backwards)[: limit + 1])
        else:
            parts = [self._from(at, part, backwards)[: limit + 1] for part in queryset]
            rows = _merged(parts, limit + 1, backwards)
        more = len(rows) > limit
        rows = rows[:limit]
        if backwards:
            rows.reverse()
        self.next = rows and (more or backwards) and self._link("next", rows[-1])
        self.previous = rows and (at if not backwards else more) and self._link("previous", rows[0])
        return rows

    def _from(self, at: str | int | None, rows: QuerySet, backwards: bool) -> QuerySet:
        """Return the rows in the order of the page from where the last one ended."""
        if at is not None:
            edge = at if self.name == self.key else self.edge(rows, at)
            rows = rows.filter(**{f"{self.key}__{'gt' if backwards else 'lt'}": edge})
        return rows.order_by(self.key if backwards else f"-{self.key}")

    def edge(self, queryset: QuerySet, at: str) -> QuerySet:
        """Return the key of the row that the cursor names, whether or not it is in the list now."""
        return queryset.model.objects.filter(**{self.name: at}).values(self.key)[:1]

    def get_paginated_response(self, data: list) -> Response:
        """Return the page with links to its neighbours, in the body and in a header (RFC 8288)."""
        links = {"next": self.next or None, "previous": self.previous or None}
        told = {"next": "next", "previous": "prev"}
        header = ", ".join(f'<{url}>; rel="{told[name]}"' for name, url in links.items() if url)
        headers = {"Link": header} if header else {}
        return Response({**links, "results": data}, headers=headers)

    def _limit(self) -> int:
        text = query(self.request, "limit")
        if text is None:
            return DEFAULT_LIMIT
        if _NUMBER.fullmatch(text) and int(text) <= MAX_LIMIT:
            return int(text)
        raise ValidationError({"limit": f"This must be a number from 1 to {MAX_LIMIT}."})

    def _cursor(self) -> tuple[str, str | int | None]:
        text = query(self.request, "cursor")
        if text is None:
            return "next", None
        try:
            return signing.loads(text, salt=self._salt())
        except signing.BadSignature:
            raise ValidationError({"cursor": "This is not a cursor of this list."}) from None

    def _link(self, direction: str, row) -> str:
        cursor = signing.dumps((direction, getattr(row, self.name)), salt=self._salt())
        return replace_query_param(self.request.build_absolute_uri(), "cursor", cursor)

    def _salt(self) -> str:
        return f"cursor:{self.request.path}"


def _merged(parts: list[QuerySet], length: int, backwards: bool) -> list:
    """Return the first rows of all parts together. Ids are read from the index first, because most
    of the rows are on later pages."""
    ids = {id for part in parts for id in part.values_list("id", flat=True)}
    chosen = sorted(ids, reverse=not backwards)[:length]
    found = by_key(parts[0].model, chosen) if chosen else {}
    return [found[id] for id in chosen]
