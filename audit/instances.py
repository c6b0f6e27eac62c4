"""Model instances made without the model's constructor.

That looks at every field and sends two signals that nobody waits for: where rows are made or read
by the hundred, it costs more than all that is done with them. Here an instance gets its values as
they are.
"""

from collections.abc import Iterable
from functools import cache
from typing import TypeVar

from django.db import models
from django.db.models.base import ModelState

Row = TypeVar("Row", bound=models.Model)


def new(model: type[Row], related: dict[str, models.Model] | None = None, /, **values) -> Row:
    """Return what `model(**values)` would, not stored yet. `values` go by column (`account_id`)
    and hold every field whose default is made by a call; `related` are what foreign keys name."""
    return _with(model, related, True, _defaults(model) | values)


def stored(model: type[Row], database: str, names: Iterable[str], values: Iterable) -> Row:
    """Return the instance that a row of the database stands for."""
    row = _with(model, None, False, dict(zip(names, values, strict=True)))
    row._state.db = database
    return row


def relate(row: models.Model, **related: models.Model | None) -> None:
    """Let relations of the row lead to these instances, whose keys are stored already."""
    row._state.fields_cache.update(related)


def _with(model: type[Row], related, adding: bool, values: dict) -> Row:
    row = model.__new__(model)
    state = ModelState()
    state.adding = adding
    if related:
        state.fields_cache = related
    row.__dict__ = {"_state": state, **values}
    return row


@cache
def _defaults(model: type[models.Model]) -> dict[str, object]:
    """Return what the constructor gives to fields that are not named, but for those whose default
    is made by a call."""
    return {
        field.attname: field.get_default()
        for field in model._meta.concrete_fields
        if not (field.has_default() and callable(field.default))
    }
