"""What a customer has filled in and not sent yet, kept in the session under the form's key."""

DRAFTS = "drafts"
KEPT = 5
FIELDS = [
    *("from_account_id", "to_account_number", "payee_name", "amount", "reference"),
    *("remember", "idempotency_key"),
]


def keep(session, fields: dict) -> None:
    """Remember the fields of a form, and forget the oldest draft if there are many."""
    drafts = session.get(DRAFTS, {})
    drafts.pop(fields["idempotency_key"], None)
    drafts[fields["idempotency_key"]] = {name: fields.get(name, "") for name in FIELDS}
    session[DRAFTS] = dict(list(drafts.items())[-KEPT:])


def find(session, key: str) -> dict | None:
    """Return the fields that were kept under the key, or None."""
    return session.get(DRAFTS, {}).get(key)
