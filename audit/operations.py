"""Writing the audit log."""

from dataclasses import dataclass
from typing import Self

from django.http import HttpRequest
from django.utils import timezone

from audit import chain, instances
from audit.models import AuditLog, Chained, Details

WHOLE_LOG = "audit log"  # the object of what is done with all of it


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
    def command(cls, name: str, actor_id: int | None = None) -> Self:
        """Return the origin of work that a management command does. No client can send its id:
        there is no colon in an X-Request-ID that is kept."""
        return cls(actor_id, f"command:{name}")


def row(
    action: str,
    origin: Origin,
    *,
    account: Chained | None = None,
    object_type: str,
    object_id: str,
    created_at=None,
    **details,
) -> AuditLog:
    """Return an audit row that is not written yet. Amounts in `details` are in minor units.

    If it concerns an account, that must be locked: the row is the next of its chain, and whoever
    writes the row writes `account.chain_end` along.
    """
    written = instances.new(
        AuditLog,
        created_at=created_at or timezone.now(),
        action=action,
        actor_id=origin.actor_id,
        object_type=object_type,
        object_id=object_id,
        request_id=origin.request_id,
        ip=_IP.get_prep_value(origin.ip),  # as the column will spell it
        details=Details(details),
    )
    chain.append(written, account)
    return written


def record(action: str, origin: Origin, **facts) -> AuditLog:
    """Write one audit row that concerns no account, in the surrounding transaction if any."""
    written = row(action, origin, **facts)
    written.save()
    return written


_IP = AuditLog._meta.get_field("ip")
