"""Transfers between accounts, and the ledger entries they leave."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts import rows
from accounts.models import Account, Customer, public_id_field
from audit.instances import relate
from audit.models import AppendOnlyModel


class TransferQuerySet(models.QuerySet):
    """Transfers, and who may see them."""

    def visible_to(self, user) -> "TransferQuerySet":
        """Return what `user` may see.

        Staff with the permission see everything; customers what one of their accounts sent, and
        what it received unless the transfer was refused: to the receiver that never existed.
        """
        if sees_every_transfer(user):
            return self
        return self.filter(
            Q(from_account__customer__user=user)
            | Q(to_account__customer__user=user) & ~Q(status=Transfer.Status.REJECTED)
        )

    def with_parties(self) -> "TransferQuerySet":
        """Return the transfers with all that a body names, loaded in the same query."""
        return self.select_related("from_account__customer", "to_account__customer", "reverses")

    def seen_by(self, user, public_id: str) -> "Transfer | None":
        """Return the transfer with this id if it is `visible_to` the user, else None; with its
        parties."""
        condition, values = "transfer.public_id = %s", [public_id]
        if not sees_every_transfer(user):
            customer = Customer.of(user)
            condition += (
                " AND (sender.customer_id = %s"
                " OR receiver.customer_id = %s AND transfer.status <> 'REJECTED')"
            )
            values += [customer and customer.pk] * 2
        found = rows.joined(
            {
                "transfer": Transfer,
                "sender": Account,
                "receiver": Account,
                "payer": Customer,
                "payee": Customer,
                "original": Transfer,
            },
            f"FROM transfers transfer {rows.forced('public_id')} "
            "JOIN accounts sender ON sender.id = transfer.from_account_id "
            "JOIN accounts receiver ON receiver.id = transfer.to_account_id "
            "LEFT JOIN customers payer ON payer.id = sender.customer_id "
            "LEFT JOIN customers payee ON payee.id = receiver.customer_id "
            "LEFT JOIN transfers original ON original.id = transfer.reverses_id "
            f"WHERE {condition}",
            values,
        )
        for transfer, sender, receiver, payer, payee, original in found:
            relate(sender, customer=payer)
            relate(receiver, customer=payee)
            relate(transfer, from_account=sender, to_account=receiver, reverses=original)
            return transfer
        return None


def sees_every_transfer(user) -> bool:
    """Return whether no transfer is hidden from `user`."""
    return user.is_staff and user.has_perm("transfers.view_transfer")


class Transfer(models.Model):
    """One order to move money and its outcome, completed or refused.

    The row is also the memory of its idempotency key: the key and the payload's fingerprint stand
    in it, so "already done" and "done" are one fact, and never expire.
    """

    class Kind(models.TextChoices):
        PAYMENT = "PAYMENT"  # ordered by a customer; counts against the daily limit
        CASH = "CASH"  # over the counter, by staff
        REVERSAL = "REVERSAL"

    class Status(models.TextChoices):
        PENDING = "PENDING"
        COMPLETED = "COMPLETED"
        REJECTED = "REJECTED"
        CANCELLED = "CANCELLED"

    class Receipt(models.TextChoices):
        UNCONFIRMED = "UNCONFIRMED"
        CONFIRMED = "CONFIRMED"
        DISPUTED = "DISPUTED"

    id = models.BigAutoField(primary_key=True)
    public_id = public_id_field()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    from_account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="sent")
    to_account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="received")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reference = models.CharField(max_length=140, blank=True)
    status = models.CharField(max_length=9, choices=Status.choices)
    failure_code = models.CharField(max_length=32, null=True)
    failure_details = models.JSONField(
        default=dict, help_text="The numbers that decided a refusal, in minor units."
    )

    caller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    key_hash = models.CharField(max_length=64, help_text="SHA-256 of the idempotency key.")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of what was ordered.")
    request_id = models.CharField(max_length=64)
    bank_date = models.DateField()
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)

    receipt_status = models.CharField(
        max_length=11, choices=Receipt.choices, default=Receipt.UNCONFIRMED
    )
    received_minor = models.BigIntegerField(null=True, help_text="What the receiver says came.")
    confirmed_at = models.DateTimeField(null=True)

    reverses = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="reversals"
    )
    reversed_minor = models.BigIntegerField(default=0)

    objects = TransferQuerySet.as_manager()

    class Meta:
        db_table = "transfers"
        permissions = [("handle_cash", "Can take in and pay out cash")]
        constraints = [
            models.UniqueConstraint(
                fields=["caller", "key_hash"], name="one_transfer_per_caller_and_key"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="amount_above_zero"),
            models.CheckConstraint(
                condition=~Q(from_account=F("to_account")), name="from_and_to_differ"
            ),
            models.CheckConstraint(
                condition=Q(reversed_minor__gte=0, reversed_minor__lte=F("amount_minor")),
                name="reversed_at_most_the_amount",
            ),
            models.CheckConstraint(
                condition=Q(status="COMPLETED", completed_at__isnull=False)
                | ~Q(status="COMPLETED") & Q(completed_at__isnull=True),
                name="completed_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(status="REJECTED", failure_code__isnull=False)
                | ~Q(status="REJECTED") & Q(failure_code__isnull=True),
                name="rejected_has_its_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["bank_date"], name="transfers_by_bank_date"),
            models.Index(fields=["status", "bank_date"], name="transfers_by_status"),
            models.Index(fields=["kind", "bank_date"], name="transfers_by_kind"),
            models.Index(fields=["request_id"], name="transfers_by_request"),
        ]

    def __str__(self):
        return self.public_id


class Dispute(models.Model):
    """A completed transfer of which the receiver says that another amount came.

    It is there from the moment of that receipt, and open until staff resolve it (office).
    """

    class Resolution(models.TextChoices):
        EXPLAINED = "EXPLAINED", "Explained"
        REVERSED = "REVERSED", "Money sent back"

    id = models.BigAutoField(primary_key=True)
    transfer = models.OneToOneField(Transfer, on_delete=models.PROTECT)
    opened_at = models.DateTimeField()
    resolution = models.CharField(max_length=9, choices=Resolution.choices, null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        db_table = "disputes"
        permissions = [("resolve_dispute", "Can note on disputes and resolve them")]
        constraints = [
            models.CheckConstraint(
                condition=Q(resolution=None, resolved_at=None, resolved_by=None)
                | Q(resolution__isnull=False, resolved_at__isnull=False, resolved_by__isnull=False),
                name="dispute_is_open_or_resolved_by_somebody",
            )
        ]
        indexes = [models.Index(fields=["resolution", "opened_at"], name="disputes_by_resolution")]

    def __str__(self):
        return f"Dispute of {self.transfer}"


class DisputeNote(AppendOnlyModel):
    """What a member of staff found out about a dispute."""

    id = models.BigAutoField(primary_key=True)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    text = models.CharField(max_length=1000)

    class Meta:
        db_table = "dispute_notes"

    def __str__(self):
        return f"Note {self.id} on dispute {self.dispute_id}"


class LedgerEntry(AppendOnlyModel):
    """What one transfer did to one account: the signed amount and the balance it left.

    `sequence` counts 1, 2, 3, … per account without a gap, so a missing entry is visible.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries")
    sequence = models.BigIntegerField()
    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="entries")
    amount_minor = models.BigIntegerField()
    balance_after_minor = models.BigIntegerField()
    bank_date = models.DateField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_entries"
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "sequence"],
                name="one_entry_per_account_and_sequence",
            ),
            models.UniqueConstraint(
                fields=["transfer", "account"],
                name="one_entry_per_transfer_and_account",
            ),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="entry_moves_something"),
        ]
        indexes = [
            models.Index(fields=["account", "bank_date"], name="entries_by_bank_date"),
            models.Index(fields=["bank_date"], name="entries_by_day"),
        ]

    def __str__(self):
        return f"{self.account_id} #{self.sequence}"


class Payee(models.Model):
    """Somebody's account that a customer wants to find again when sending money."""

    id = models.BigAutoField(primary_key=True)
    public_id = public_id_field()
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="payees")
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "payees"
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "account"], name="one_payee_per_customer_and_account"
            )
        ]

    def __str__(self):
        return f"{self.account_id} for {self.customer_id}"


class WebhookEndpoint(models.Model):
    """Where a customer's program wants to be told what happens to the customer's accounts.

    Both sides sign with the secret, so it cannot be stored as a hash; it opens nothing.
    """

    MOST = 5  # of one customer

    id = models.BigAutoField(primary_key=True)
    public_id = public_id_field()
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=500)
    events = models.CharField(max_length=400)  # with spaces between
    secret = models.CharField(max_length=64, editable=False)
    old_secret = models.CharField(max_length=64, blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "webhook_endpoints"
        permissions = [("disable_webhook", "Can disable and replay webhooks")]

    def __str__(self):
        return self.url


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint, written in the transaction that it tells of.

    `message_id` names the event: it stays the same however often it is tried, and to whom.
    """

    class State(models.TextChoices):
        WAITING = "WAITING"
        DELIVERED = "DELIVERED"
        FAILED = "FAILED"  # tried for days in vain, or the endpoint was disabled

    id = models.BigAutoField(primary_key=True)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="deliveries"
    )
    account_id = models.BigIntegerField("account")
    message_id = models.CharField(max_length=36)
    event = models.CharField(max_length=40)
    body = models.TextField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    last_answer = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "webhook_deliveries"
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "message_id"], name="one_delivery_per_endpoint_and_message"
            )
        ]
        indexes = [
            models.Index(fields=["state", "next_attempt_at"], name="deliveries_that_are_due"),
            models.Index(fields=["endpoint", "account_id", "state"], name="deliveries_by_account"),
        ]

    def __str__(self):
        return f"{self.event} {self.message_id}"


class Notice(models.Model):
    """A mail that a customer is to get because money moved, until it is sent.

    It is written in the transaction that it tells of. Only transfers.notices writes it.
    """

    id = models.BigAutoField(primary_key=True)
    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField()

    class Meta:
        db_table = "notices"
        constraints = [
            models.UniqueConstraint(
                fields=["transfer", "account"], name="one_notice_per_transfer_and_account"
            )
        ]
        indexes = [models.Index(fields=["next_attempt_at"], name="notices_that_are_due")]

    def __str__(self):
        return f"{self.transfer_id} for {self.account_id}"
