"""What the transfers API reads and writes."""

import re
from collections.abc import Iterable

from rest_framework import serializers

from accounts import money, numbers
from accounts.models import Account, Customer
from accounts.serializers import (
    PublicIdField,
    StrictSerializer,
    TextField,
    utc,
    validated,
)
from transfers import bulk, receipts
from transfers.models import LedgerEntry, Transfer
from transfers.payments import Payment

REFERENCE_LENGTH = 140
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")
KEY_FORM = "This must be 1 to 255 printable ASCII characters."
NAME_LENGTH = 140


class AmountField(serializers.Field):
    """An amount as a JSON string or number, kept as the text that was sent."""

    default_error_messages = {"type": "This must be a string or a number."}

    def __init__(self, *, zero_allowed: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.zero_allowed = zero_allowed

    def to_internal_value(self, data):
        """Return the text, to be parsed once the currency is known. Raises ValidationError for what
        is an amount in none."""
        if not isinstance(data, str):
            self.fail("type")
        try:
            money.parts(data, zero_allowed=self.zero_allowed)
        except money.InvalidAmount as error:
            raise serializers.ValidationError(str(error)) from None
        return data


class AccountNumberField(TextField):
    """An account number whose check digits agree."""

    default_error_messages = {
        "invalid": "This is no account number: twelve digits, the last two being check digits."
    }

    def to_internal_value(self, data):
        """Return the number. Raises ValidationError."""
        number = super().to_internal_value(data)
        if not numbers.is_valid(number):
            self.fail("invalid")
        return number


class CurrencyField(TextField):
    """An ISO 4217 code in capitals."""

    default_error_messages = {"unknown": "This is not a currency that we know."}

    def to_internal_value(self, data):
        """Return the code. Raises ValidationError."""
        super().to_internal_value(data)
        if data not in money.EXPONENTS:  # as sent: normal form C makes a K of the Kelvin sign
            self.fail("unknown")
        return data


class PaymentSerializer(StrictSerializer):
    """`POST /transfers`."""

    from_account_id = PublicIdField()
    to_account_id = PublicIdField(required=False)
    to_account_number = AccountNumberField(max_length=12, required=False)
    amount = AmountField()
    currency = CurrencyField(max_length=3, required=False)
    reference = TextField(max_length=REFERENCE_LENGTH, allow_blank=True, required=False)

    def wrong_together(self, data):
        """Hold that the receiver is named exactly once."""
        if ("to_account_id" in data) == ("to_account_number" in data):
            return {"to_account_id": "Give either to_account_id or to_account_number."}
        return {}

    @staticmethod
    def payment(members: dict, key: str | None) -> Payment:
        """Return the validated members as a Payment."""
        return Payment(**members, key=key)


class QuoteSerializer(PaymentSerializer):
    """`POST /transfers/quote`."""

    payee_name = TextField(max_length=NAME_LENGTH, allow_blank=True, required=False)


class KeyField(TextField):
    """An idempotency key as a member."""

    default_error_messages = {"invalid": KEY_FORM}

    def to_internal_value(self, data):
        """Return the key. Raises ValidationError."""
        if type(data) is not str or not IDEMPOTENCY_KEY.fullmatch(data):
            self.fail("invalid")
        return data


class BulkPaymentSerializer(PaymentSerializer):
    """One of the payments of `POST /transfers/bulk`."""

    idempotency_key = KeyField(max_length=255)


class PaymentsField(serializers.Field):
    """A JSON array of payments, each judged later and by itself."""

    default_error_messages = {
        "type": "This must be an array of transfers.",
        "length": "This must have 1 to {most} transfers.",
    }

    def to_internal_value(self, data):
        """Return the array as it is. Raises ValidationError."""
        if not isinstance(data, list):
            self.fail("type")
        if not 1 <= len(data) <= bulk.MOST:
            self.fail("length", most=bulk.MOST)
        return data


class TruthField(serializers.Field):
    """`true` or `false` and nothing like it."""

    default_error_messages = {"type": "This must be true or false."}

    def to_internal_value(self, data):
        """Return the truth value. Raises ValidationError."""
        if not isinstance(data, bool):
            self.fail("type")
        return data


class BulkSerializer(StrictSerializer):
    """`POST /transfers/bulk`."""

    transfers = PaymentsField()
    atomic = TruthField(default=False)

    def validate(self, members):
        """Return the members unless too many are to be done at once. Raises ValidationError."""
        if members["atomic"] and len(members["transfers"]) > bulk.MOST_AT_ONCE:
            raise serializers.ValidationError(
                {"transfers": f"With atomic, this may have {bulk.MOST_AT_ONCE} transfers."}
            )
        return members

    @staticmethod
    def payment(item: object) -> Payment | serializers.ValidationError:
        """Return one of the transfers as a Payment, or what is wrong with it."""
        if not isinstance(item, dict):
            return serializers.ValidationError({"transfers": "Each must be an object."})
        try:
            members = validated(BulkPaymentSerializer, item)
        except serializers.ValidationError as error:
            return error
        return PaymentSerializer.payment(members, members.pop("idempotency_key"))


class ReceiptSerializer(StrictSerializer):
    """`POST /transfers/{id}/receipt`."""

    received_amount = AmountField(zero_allowed=True)


def check_amount(name: str, text: str, currency: str, **rules) -> int:
    """Return the minor units of an amount. Raises ValidationError for the member `name`."""
    try:
        return money.parse(text, currency, **rules)
    except money.InvalidAmount as error:
        raise serializers.ValidationError({name: str(error)}) from None


# --- What goes out ----------------------------------------------------------------------------


def transfer_body(transfer: Transfer, user) -> dict:
    """Return the transfer as `user` may see it. Load it with its parties."""
    return {
        "id": transfer.public_id,
        "status": transfer.status,
        "from_account_id": transfer.from_account.public_id,
        "to_account_id": transfer.to_account.public_id,
        "amount": money.format(transfer.amount_minor, transfer.currency),
        "currency": transfer.currency,
        "reference": transfer.reference,
        "failure_code": transfer.failure_code,
        "created_at": utc(transfer.created_at),
        "completed_at": utc(transfer.completed_at),
        "receipt": {
            "status": transfer.receipt_status,
            "confirmed_at": utc(transfer.confirmed_at),
            **_receivers_view(transfer, user),
        },
        "reverses": transfer.reverses.public_id if transfer.reverses_id else None,
        "reversed_amount": money.format(transfer.reversed_minor, transfer.currency),
    }


def as_first_answered(transfer: Transfer) -> Transfer:
    """Return the transfer as it was when it was created, for answering its key again."""
    transfer.receipt_status = Transfer.Receipt.UNCONFIRMED
    transfer.confirmed_at = None
    transfer.reversed_minor = 0
    return transfer


def _receivers_view(transfer: Transfer, user) -> dict:
    """Return what only the receiver sees, read from the receiver's own entry."""
    if not _is_credited(transfer, user):
        return {}
    entry = receipts.credit_of(transfer)
    return {
        "credited_amount": money.format(entry.amount_minor, transfer.currency),
        "balance_after": money.format(entry.balance_after_minor, transfer.currency),
        "matches": entry.amount_minor == transfer.amount_minor,
    }


def load_receivers_view(transfers: Iterable[Transfer], user) -> None:
    """Load at once what `user` sees of transfers as their receiver."""
    receipts.load_credits([one for one in transfers if _is_credited(one, user)])


def _is_credited(transfer: Transfer, user) -> bool:
    return transfer.status == Transfer.Status.COMPLETED and is_owner(user, transfer.to_account)


def is_owner(user, account: Account) -> bool:
    """Return whether the account belongs to the customer who signs in as `user`."""
    customer = Customer.of(user)
    return customer is not None and account.customer_id == customer.id


def entry_body(entry: LedgerEntry, currency: str) -> dict:
    """Return one line of an account's history. Load it with its transfer and the parties."""
    transfer = entry.transfer
    other = (
        transfer.to_account
        if entry.account_id == transfer.from_account_id
        else transfer.from_account
    )
    return {
        "sequence": entry.sequence,
        "transfer_id": transfer.public_id,
        "amount": money.format(entry.amount_minor, currency),
        "balance_after": money.format(entry.balance_after_minor, currency),
        "counterparty_name": other.owner_name,
        "reference": transfer.reference,
        "created_at": utc(entry.created_at),
    }
