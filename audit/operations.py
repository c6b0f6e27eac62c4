"""Writing the audit log."""

from dataclasses import dataclass
from typing import Self

from django.http import HttpRequest
from django.utils import timezone

from audit.models import AuditLog


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked, in which request, from where. It travels with the work, not in thread-locals."""

    actor_id: int | None = None
    request_id: str = ""
    ip: str | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """Return the origin of an HTTP request, as the middleware has found it out."""
        return cls(
            actor_id=request.user.pk,
            request_id=request.request_id,
            ip=request.client_ip,
        )

    @classmethod
    def command(cls, name: str) -> Self:
        """Return the origin of work that a management command does."""
        return cls(request_id=f"command-{name}")


def row(
    action: str,
    origin: Origin,
    *,
    object_type: str,
    object_id: str,
    account_id: int | None = None,
    created_at=None,
    **details,
) -> AuditLog:
    """Return an audit row that is not written yet. Amounts in `details` are in minor units."""
    return AuditLog(
        created_at=created_at or timezone.now(),
        action=action,
        actor_id=origin.actor_id,
        account_id=account_id,
        object_type=object_type,
        object_id=object_id,
        request_id=origin.request_id,
        ip=origin.ip,
        details=details,
    )


def record(action: str, origin: Origin, **facts) -> AuditLog:
    """Write one audit row at once, in the surrounding transaction if there is one."""
    written = row(action, origin, **facts)
    written.save()
    return written
