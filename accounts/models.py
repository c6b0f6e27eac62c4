"""Customers, what they own and what they may do."""

import datetime as dt
import hashlib
import ipaddress
import secrets
from collections.abc import Iterable

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts import numbers, public_ids, rows
from audit.models import Chained


def public_id_field() -> models.CharField:
    """Return the column by which the world names a row: text, to be the same on every engine."""
    return models.CharField(
        max_length=36,
        unique=True,
        default=public_ids.new,
        editable=False,
        verbose_name="id",
    )


class CustomerQuerySet(models.QuerySet):
    """Customers, and who may see them."""

    def visible_to(self, user) -> "CustomerQuerySet":
        """Return the customers whose accounts `user` may see: staff all, customers themselves."""
        if user.is_staff and user.has_perm("accounts.view_account"):
            return self
        return self.filter(user=user)


class Customer(models.Model):
    """A person or firm that owns accounts and signs in as `user`."""

    id = models.BigAutoField(primary_key=True)
    public_id = public_id_field()
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    name = models.CharField(max_length=140)
    language = models.CharField(
        max_length=5,
        default=settings.LANGUAGE_CODE,
        editable=False,
        help_text="In which the pages were read last; mails speak it.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        db_table = "customers"
        permissions = [
            ("open_customer", "Can open customers and their sign-in"),
            ("reveal_customer", "Can see personal data that is masked"),
        ]

    def __str__(self):
        return self.name

    @classmethod
    def of(cls, user) -> "Customer | None":
        """Return the customer who signs in as `user`, or None for staff and strangers."""
        try:
            return user.customer
        except (AttributeError, cls.DoesNotExist):
            return None


class AccountQuerySet(models.QuerySet):
    """Accounts, who may see them, and how they are locked."""

    def visible_to(self, user) -> "AccountQuerySet":
        """Return what `user` may see: staff with the permission everything, customers their own."""
        if sees_every_account(user):
            return self
        return self.filter(customer__user=user, kind=Account.Kind.CUSTOMER)

    def seen_by(self, user, public_id: str) -> "Account | None":
        """Return the account with this id if it is `visible_to` the user, else None."""
        condition, values = "public_id = %s", [public_id]
        if not sees_every_account(user):
            customer = Customer.of(user)
            condition += " AND kind = 'CUSTOMER' AND customer_id = %s"
            values.append(customer and customer.pk)
        found = rows.query(
            Account,
            f"SELECT {rows.columns(Account)} FROM accounts {rows.forced('public_id')} "
            f"WHERE {condition}",
            values,
        )
        return found[0] if found else None

    def locked(self, ids: Iterable[int], seconds: int | None = None) -> dict[int, "Account"]:
        """Lock these accounts until the transaction ends and return them by key.

        Evaluated here, because a lazy lock locks nothing. Otherwise as `lock` says.
        """
        [accounts] = rows.run(self.lock(ids, seconds))
        return accounts

    def lock(self, ids: Iterable[int], seconds: int | None = None) -> rows.Statement:
        """Return the statement that locks these accounts; its answer are the accounts by key.

        Everybody locks in ascending key order, so no two transactions can wait for each other in
        a circle. Fewer than 1,000 ids: beyond that MariaDB reads an IN list through a temporary
        table and locks in another order. Waits for `seconds` where the database can be told so
        (MariaDB), else as the settings say.
        """
        listed, values = rows.among(ids)
        if len(values) >= 1000:
            raise ValueError("Chunk the work: MariaDB locks long IN lists out of order.")
        database = connections[DEFAULT_DB_ALIAS]
        lock = "FOR UPDATE" if database.features.has_select_for_update else ""
        if seconds and database.vendor == "mysql" and database.mysql_is_mariadb:
            lock += f" WAIT {seconds:d}"
        read = rows.reading(Account)
        return rows.Statement(
            f"SELECT {rows.columns(Account)} FROM accounts {rows.forced('PRIMARY')} "
            f"WHERE id IN {listed} ORDER BY id {lock}",
            values,
            lambda cursor: {account.id: account for account in read(cursor)},
        )


def sees_every_account(user) -> bool:
    """Return whether no account is hidden from `user`."""
    return user.is_staff and user.has_perm("accounts.view_account")


class Account(Chained):
    """Money in one currency: a customer's, or one of the bank's own (kind HOUSE).

    Only transfers.operations changes the balance, only accounts.operations status and limit; both
    name the columns they write, and keep where the chain of audit rows ends. Saving a whole Account
    would put back the balance that was read before, so `save` refuses it.
    """

    class Kind(models.TextChoices):
        CUSTOMER = "CUSTOMER"
        HOUSE = "HOUSE"

    class Status(models.TextChoices):
        ACTIVE = "ACTIVE"
        FROZEN = "FROZEN"
        CLOSED = "CLOSED"

    id = models.BigAutoField(primary_key=True)
    public_id = public_id_field()
    number = models.CharField(max_length=12, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.CUSTOMER)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, related_name="accounts"
    )
    # "cash:INR" on the bank's cash account of that currency, so that there is exactly one.
    house_role = models.CharField(max_length=20, unique=True, null=True, editable=False)
    name = models.CharField(max_length=140)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.ACTIVE)
    balance_minor = models.BigIntegerField(default=0)
    held_minor = models.BigIntegerField(default=0, help_text="What pending transfers hold.")
    daily_limit_minor = models.BigIntegerField(default=0)
    entry_sequence = models.BigIntegerField(default=0, help_text="Sequence of the last entry.")
    has_webhooks = models.BooleanField(
        default=False, help_text="Somebody wants to be told what happens to it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta:
        db_table = "accounts"
        permissions = [
            ("open_account", "Can open accounts"),
            ("change_limit", "Can change daily limits"),
            ("freeze_account", "Can freeze and unfreeze accounts"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="HOUSE") | Q(balance_minor__gte=F("held_minor")),
                name="customer_balance_covers_holds",
            ),
            models.CheckConstraint(
                condition=Q(kind="HOUSE") | Q(balance_minor__gte=0),
                name="customer_balance_never_negative",
            ),
            models.CheckConstraint(condition=Q(held_minor__gte=0), name="held_never_negative"),
            models.CheckConstraint(
                condition=Q(daily_limit_minor__gte=0), name="daily_limit_never_negative"
            ),
            models.CheckConstraint(
                condition=Q(kind="CUSTOMER", customer__isnull=False, house_role__isnull=True)
                | Q(kind="HOUSE", customer__isnull=True, house_role__isnull=False),
                name="account_is_a_customers_or_the_banks",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["ACTIVE", "FROZEN", "CLOSED"]),
                name="account_status_is_known",
            ),
        ]

    def __str__(self):
        return f"{self.masked_number} {self.name}"

    def save(self, **kwargs):
        """Insert the account. Raises TypeError for a change: that is for the operations."""
        if not self._state.adding:
            raise TypeError("An account is changed through operations, column by column.")
        super().save(**kwargs)

    @property
    def masked_number(self) -> str:
        """The number as the back office shows it; the bank's own are nobody's personal data."""
        return numbers.masked(self.number) if self.customer_id else self.number

    def bears(self, name: str | None) -> bool:
        """Return whether the account has this public id or number; None asks for nothing."""
        return name in (None, self.public_id, self.number)

    @property
    def available_minor(self) -> int:
        """What can be spent: the balance less what pending transfers hold."""
        return self.balance_minor - self.held_minor

    @property
    def owner_name(self) -> str:
        """The name that the other side of a transfer sees. Load `customer` with the account."""
        return self.customer.name if self.customer_id else self.name


class AccountDailyUsage(models.Model):
    """How much a customer has sent out of an account on one bank day, against its daily limit."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    bank_date = models.DateField()
    used_minor = models.BigIntegerField()

    class Meta:
        db_table = "account_daily_usage"
        verbose_name = "daily usage"
        verbose_name_plural = "daily usage"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "bank_date"], name="one_usage_per_account_and_day"
            ),
            models.CheckConstraint(condition=Q(used_minor__gte=0), name="used_never_negative"),
        ]
        indexes = [models.Index(fields=["bank_date"], name="usage_by_bank_date")]

    def __str__(self):
        return f"{self.account_id} on {self.bank_date}"

    @classmethod
    def used_on(cls, account: Account, day: dt.date) -> int:
        """Return the minor units sent from the account on that bank day."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT used_minor FROM account_daily_usage "
                "WHERE account_id = %s AND bank_date = %s",  # a unique key, whatever the statistics
                [account.pk, day],
            )
            found = cursor.fetchone()
        return found[0] if found else 0


class ApiTokenQuerySet(models.QuerySet):
    """API tokens, and which of them count."""

    def valid(self) -> "ApiTokenQuerySet":
        """Return the tokens that still open something."""
        users = {"user__is_active": True, "user__is_superuser": False}
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), **users)


class Scope(models.TextChoices):
    """What a token may be for. A token may never do more than its user."""

    ACCOUNTS_READ = "accounts:read", gettext_lazy("See accounts, limits and entries")
    TRANSFERS_READ = "transfers:read", gettext_lazy("See transfers")
    TRANSFERS_WRITE = "transfers:write", gettext_lazy("Send money, ask for quotes, give receipts")
    WEBHOOKS = "webhooks", gettext_lazy("Be told of events")


class ApiToken(models.Model):
    """A key that lets a program act for `user`. Only its SHA-256 is stored; it is shown once."""

    PREFIX = "sbk_"
    ALL_SCOPES = " ".join(Scope.values)

    id = models.BigAutoField(primary_key=True)
    public_id = public_id_field()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_tokens"
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, help_text="How the token begins.")
    name = models.CharField(max_length=60, blank=True, default="")
    scopes = models.CharField(max_length=200, default=ALL_SCOPES)  # with spaces between
    allowed_ips = models.CharField(
        "allowed addresses", max_length=400, blank=True, default="", help_text="Empty: from any."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")
    rotated_at = models.DateTimeField(null=True, help_text="When its successor was made.")
    second_factor = models.BooleanField(
        default=False, editable=False, help_text="Made behind the second factor of staff."
    )

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        db_table = "api_tokens"
        verbose_name = "API token"
        permissions = [("revoke_apitoken", "Can revoke API tokens")]

    def __str__(self):
        return f"{self.hint}… of {self.user}"

    def may(self, scope: str) -> bool:
        """Return whether the token is for that."""
        return scope in self.scopes.split()

    def works_from(self, ip: str | None) -> bool:
        """Return whether the token may be used from that address."""
        if not self.allowed_ips:
            return True
        networks = map(ipaddress.ip_network, self.allowed_ips.split())
        return ip is not None and any(ipaddress.ip_address(ip) in one for one in networks)

    @property
    def is_valid(self) -> bool:
        """Whether it still opens something, as `valid` says it in SQL. Load `user` with it."""
        may_sign_in = self.user.is_active and not self.user.is_superuser
        return self.revoked_at is None and self.expires_at > timezone.now() and may_sign_in

    @classmethod
    def new_secret(cls) -> str:
        """Return a token that nobody can guess: 256 random bits behind a recognisable prefix."""
        return cls.PREFIX + secrets.token_urlsafe(32)

    @staticmethod
    def digest(secret: str) -> str:
        """Return what is stored of a token: being random, it needs neither salt nor stretching."""
        return hashlib.sha256(secret.encode()).hexdigest()


class BrowserSession(AbstractBaseSession):
    """A browser in which somebody may be signed in. Only accounts.sessions writes it."""

    public_id = public_id_field()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)
    signed_in_at = models.BigIntegerField(null=True, help_text="Seconds since 1970.")
    seen_at = models.BigIntegerField(null=True, help_text="Seconds since 1970.")
    ip = models.GenericIPAddressField("IP address", null=True)
    agent = models.CharField(max_length=200, blank=True)

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        db_table = "browser_sessions"

    @classmethod
    def get_session_store_class(cls):
        """Return what reads and writes sessions."""
        from accounts.sessions import SessionStore  # which itself needs this model

        return SessionStore


class ThrottleWindowQuerySet(models.QuerySet):
    """Windows in which attempts are counted, and how they are locked."""

    def locked(self, keys: list[str]) -> list["ThrottleWindow"]:
        """Lock these windows, as far as there are such, and return them."""
        return list(self.select_for_update().filter(key__in=keys).order_by("key"))


class ThrottleWindow(models.Model):
    """How often something was tried in a window of time. Only accounts.throttles writes it."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=64, unique=True, help_text="Hash of what and who.")
    used = models.BigIntegerField(default=0)
    resets_at = models.DateTimeField()

    objects = ThrottleWindowQuerySet.as_manager()

    class Meta:
        db_table = "throttle_windows"
        indexes = [models.Index(fields=["resets_at"], name="throttle_windows_by_end")]

    def __str__(self):
        return f"{self.used} until {self.resets_at}"
