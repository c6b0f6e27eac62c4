"""The audit log: what happened, written once and never changed."""

import json

from django.db import models


class Action(models.TextChoices):
    """Everything that leaves a row. Names are stable: reports and filters refer to them."""

    TRANSFER_COMPLETED = "transfer.completed", "Transfer completed"
    TRANSFER_REFUSED = "transfer.refused", "Transfer refused"
    TRANSFER_NOT_ACCEPTED = "transfer.not_accepted", "Transfer not accepted"
    RECEIPT_CONFIRMED = "receipt.confirmed", "Receipt confirmed"
    RECEIPT_DISPUTED = "receipt.disputed", "Receipt disputed"
    SIGNED_IN = "sign_in.succeeded", "Signed in"
    SIGN_IN_FAILED = "sign_in.failed", "Sign-in failed"
    SESSION_ENDED = "session.ended", "Session ended"
    PASSWORD_CHANGED = "password.changed", "Password changed by its owner"
    TOKEN_CREATED = "token.created", "API token made"
    WEBHOOK_CHANGED = "webhook.changed", "Webhook changed"
    TOKEN_REVOKED = "token.revoked", "API token revoked"
    CUSTOMER_OPENED = "customer.opened", "Customer opened"
    ACCOUNT_OPENED = "account.opened", "Account opened"
    LIMIT_CHANGED = "account.limit_changed", "Daily limit changed"
    ACCOUNT_FROZEN = "account.frozen", "Account frozen"
    ACCOUNT_UNFROZEN = "account.unfrozen", "Account unfrozen"
    USER_CHANGED = "user.changed", "Staff user changed"
    AUDIT_VERIFIED = "audit.verified", "Audit verified"
    AUDIT_FOUND_WRONG = "audit.found_wrong", "Audit found wrong"
    AUDIT_EXPORTED = "audit.exported", "Audit rows exported"
    LIST_EXPORTED = "list.exported", "List exported"
    BOOKS_RIGHT = "books.right", "Books reconciled"
    BOOKS_FOUND_WRONG = "books.found_wrong", "Books found wrong"
    CUSTOMER_CHANGED = "customer.changed", "Customer changed"
    CUSTOMER_ERASED = "customer.erased", "Customer erased"
    CUSTOMER_CLOSED = "customer.closed", "Customer closed"
    ACCOUNT_CLOSED = "account.closed", "Account closed"
    REQUEST_MADE = "request.made", "Approval requested"
    REQUEST_APPROVED = "request.approved", "Request approved and done"
    REQUEST_FAILED = "request.failed", "Request approved, but not possible"
    REQUEST_REFUSED = "request.refused", "Request refused"
    REQUEST_WITHDRAWN = "request.withdrawn", "Request withdrawn"
    REQUEST_EXPIRED = "request.expired", "Request expired"
    DISPUTE_NOTED = "dispute.noted", "Note on a dispute"
    DISPUTE_RESOLVED = "dispute.resolved", "Dispute resolved"
    DATA_REVEALED = "customer.revealed", "Personal data revealed"
    SECOND_FACTOR_SET = "second_factor.set", "Second factor set up"
    SECOND_FACTOR_FAILED = "second_factor.failed", "Second factor failed"
    SECOND_FACTOR_REMOVED = "second_factor.removed", "Second factor removed"


class AppendOnly(Exception):
    """Somebody tried to change or delete what is written once."""


class AppendOnlyQuerySet(models.QuerySet):
    """A queryset that adds rows and reads them; triggers in the database say the same."""

    def update(self, **kwargs):
        raise AppendOnly(f"Rows of {self.model._meta.db_table} are never changed.")

    def delete(self):
        raise AppendOnly(f"Rows of {self.model._meta.db_table} are never deleted.")

    def bulk_update(self, *args, **kwargs):
        self.update()

    def update_or_create(self, *args, **kwargs):
        self.update()


class AppendOnlyModel(models.Model):
    """A row that can be inserted and nothing else. Raises AppendOnly on change and deletion."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, **kwargs):
        if not self._state.adding:
            raise AppendOnly(f"Rows of {self._meta.db_table} are never changed.")
        super().save(**{**kwargs, "force_insert": True})

    def delete(self, **kwargs):
        raise AppendOnly(f"Rows of {self._meta.db_table} are never deleted.")


FIRST_LINK = "0" * 64  # what the first row of a chain is linked to


class Chained(models.Model):
    """What has a chain of audit rows of its own, and knows where it ends."""

    audit_sequence = models.BigIntegerField(default=0, help_text="Sequence of the last audit row.")
    audit_head = models.CharField(
        max_length=64, default=FIRST_LINK, help_text="Link of the last audit row."
    )

    CHAIN_END = ("audit_sequence", "audit_head")

    class Meta:
        abstract = True

    @property
    def chain_end(self) -> dict[str, object]:
        """The columns that say where the chain ends, with what they hold in memory."""
        return {name: getattr(self, name) for name in self.CHAIN_END}


class Canonical(json.JSONEncoder):
    """JSON in the one form that is tagged: members sorted, no spaces, ASCII."""

    def __init__(self, **options):
        form = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
        super().__init__(**options | form)


class Details(dict):
    """The details of a row to be written, with the text in which they are tagged and stored."""

    encode = Canonical().encode

    def __init__(self, facts: dict):
        super().__init__(facts)
        self.text = Details.encode(self)

    def __eq__(self, other: object) -> bool:
        """Go by the text where both have one: 1 and True are equal, but tagged differently."""
        return self.text == other.text if isinstance(other, Details) else super().__eq__(other)

    __hash__ = None


class AuditLog(AppendOnlyModel):
    """One fact about one account or, where none is concerned, about one object.

    It holds ids and never names, so that erasing a person elsewhere erases them here too. Ids are
    plain columns and not foreign keys: a log must outlive what it speaks of, and inserting into it
    must not lock anything.
    """

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField()
    action = models.CharField(max_length=40, choices=Action.choices)
    actor_id = models.BigIntegerField("actor", null=True, help_text="The user who did it.")
    account_id = models.BigIntegerField("account", null=True)
    object_type = models.CharField(max_length=20)
    object_id = models.CharField(max_length=64, help_text="Its public id.")
    request_id = models.CharField(max_length=64)
    ip = models.GenericIPAddressField("IP address", null=True)
    details = models.JSONField(default=dict, encoder=Canonical)

    # The proof, made and explained in audit.chain. Rows older than the chains have none of it.
    sequence = models.BigIntegerField(null=True, help_text="Its place in the account's chain.")
    epoch = models.IntegerField(null=True, help_text="Which key it is tagged with.")
    tag = models.CharField(max_length=64, default="")
    link = models.CharField(max_length=64, default="")

    class Meta:
        db_table = "audit_logs"
        verbose_name = verbose_name_plural = "audit log"
        permissions = [("export_lists", "Can export lists as CSV")]
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "sequence"], name="one_audit_row_per_account_and_sequence"
            ),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="audit_by_time"),
            models.Index(fields=["action", "created_at"], name="audit_by_action"),
            models.Index(fields=["account_id", "created_at"], name="audit_by_account"),
            models.Index(fields=["object_id", "created_at"], name="audit_by_object"),
            models.Index(fields=["request_id"], name="audit_by_request"),
            models.Index(fields=["actor_id", "created_at"], name="audit_by_actor"),
        ]

    def __str__(self):
        return f"{self.get_action_display()} {self.object_type} {self.object_id}"


class Seal(AppendOnlyModel):
    """The ends of many chains at one moment, under one signature. Made and explained in
    audit.seals; the numbers count 1, 2, 3, … without a gap."""

    number = models.BigIntegerField(primary_key=True)
    sealed_at = models.DateTimeField()
    count = models.IntegerField(help_text="Chains that had grown since their last seal.")
    root = models.CharField(max_length=64, help_text="Root of the Merkle tree over their ends.")
    previous = models.CharField(max_length=64, help_text="Hash of the seal before.")
    key_id = models.CharField(max_length=16)
    signature = models.CharField(max_length=128)

    class Meta:
        db_table = "audit_seals"

    def __str__(self):
        return f"Seal {self.number}"


class SealedHead(AppendOnlyModel):
    """Where one account's chain ended at the moment of a seal: a leaf of its tree."""

    id = models.BigAutoField(primary_key=True)
    seal = models.ForeignKey(Seal, on_delete=models.PROTECT, related_name="heads")
    account_id = models.BigIntegerField()
    public_id = models.CharField(max_length=36, help_text="The account's.")
    sequence = models.BigIntegerField()
    link = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_sealed_heads"
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "sequence"], name="one_sealed_head_per_account_and_sequence"
            ),
        ]

    def __str__(self):
        return f"{self.public_id} #{self.sequence}"
