"""What the back office decides: requests that a second person must approve."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Account, public_id_field
from transfers.models import Transfer

MOVES_MONEY = ["DEPOSIT", "WITHDRAW", "REVERSE"]


class ApprovalRequest(models.Model):
    """Something that one person wants and that only another may let happen.

    What is asked for is done in the very transaction that approves it, so an approved request is a
    done one. Everything about a request is written by a holder of its account's lock.
    """

    class Kind(models.TextChoices):
        RAISE_LIMIT = "RAISE_LIMIT", "Raise daily limit"
        UNFREEZE = "UNFREEZE", "Unfreeze account"
        CLOSE = "CLOSE", "Close account"
        DEPOSIT = "DEPOSIT", "Deposit much cash"
        WITHDRAW = "WITHDRAW", "Pay out much cash"
        REVERSE = "REVERSE", "Reverse transfer"

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
    reference = models.CharField(max_length=140, blank=True, help_text="Of the cash asked for.")
    reverses = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, null=True, related_name="reversal_requests"
    )
    reason = models.CharField(max_length=200)
    maker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # What there may be only once: a request of its sort that waits about this account, or, where
    # money is moved, whatever comes from one form page, for good.
    slot = models.CharField(max_length=80, unique=True, null=True, editable=False)

    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    checker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=200, blank=True, help_text="Why it was decided so.")
    result = models.OneToOneField(
        Transfer,
        on_delete=models.PROTECT,
        null=True,
        related_name="approval",
        help_text="The transfer that was made, or refused, when it was approved.",
    )

    class Meta:
        db_table = "approval_requests"
        permissions = [
            ("decide_approvalrequest", "Can approve and refuse what others request"),
            ("request_closing", "Can ask to close accounts"),
            ("request_reversal", "Can ask to reverse transfers"),
        ]
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
                condition=Q(status="APPROVED", kind__in=MOVES_MONEY, result__isnull=False)
                | ~Q(status="APPROVED", kind__in=MOVES_MONEY),
                name="approved_money_has_its_transfer",
            ),
            models.CheckConstraint(
                condition=Q(kind="REVERSE", reverses__isnull=False)
                | ~Q(kind="REVERSE") & Q(reverses__isnull=True),
                name="requested_reversal_has_its_transfer",
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

    @property
    def moves_money(self) -> bool:
        """Whether a transfer is made when it is approved."""
        return self.kind in MOVES_MONEY

    def __str__(self):
        return f"{self.get_kind_display()} {self.public_id}"
