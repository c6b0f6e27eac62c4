"""What the back office decides: requests that a second person must approve."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Account, public_id_field


class ApprovalRequest(models.Model):
    """Something that one person wants and that only another may let happen.

    What is asked for is done in the very transaction that approves it, so an approved request is a
    done one. Everything about a request is written by a holder of its account's lock.
    """

    class Kind(models.TextChoices):
        RAISE_LIMIT = "RAISE_LIMIT", "Raise daily limit"

    class Status(models.TextChoices):
        PENDING = "PENDING", "Waiting"
        APPROVED = "APPROVED", "Approved and done"
        FAILED = "FAILED", "Approved, but not possible"
        REFUSED = "REFUSED", "Refused"
        WITHDRAWN = "WITHDRAWN", "Withdrawn"
        EXPIRED = "EXPIRED", "Expired"

    id = models.BigAutoField(primary_key=True)
    public_id = public_id_field()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="requests")
    amount_minor = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=200)
    maker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # Held while the request waits, so that no second one of its sort can wait beside it.
    slot = models.CharField(max_length=80, unique=True, null=True, editable=False)

    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    checker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=200, blank=True, help_text="Why it was decided so.")

    class Meta:
        db_table = "approval_requests"
        permissions = [("decide_approvalrequest", "Can approve and refuse what others request")]
        constraints = [
            models.CheckConstraint(
                condition=Q(checker__isnull=True) | ~Q(checker=F("maker")),
                name="checker_is_not_the_maker",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["APPROVED", "FAILED", "REFUSED"], checker__isnull=False)
                | Q(status__in=["PENDING", "WITHDRAWN", "EXPIRED"], checker__isnull=True),
                name="decided_request_has_its_checker",
            ),
            models.CheckConstraint(
                condition=Q(status="PENDING", decided_at__isnull=True)
                | ~Q(status="PENDING") & Q(decided_at__isnull=False),
                name="request_waits_until_decided",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__isnull=True) | Q(amount_minor__gt=0),
                name="requested_amount_above_zero",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "made_at"], name="requests_by_status"),
            models.Index(fields=["account", "status"], name="requests_by_account"),
        ]

    def __str__(self):
        return f"{self.get_kind_display()} {self.public_id}"
