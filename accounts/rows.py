"""Reading and inserting rows by statements that are written once, several of them in one packet.

The ORM composes its SQL anew for every call, which costs several times what the database needs to
answer it. Where every request passes, the statement is written by hand and the rows are turned into
the same model instances here, by the converters of their fields.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.utils import CursorWrapper

from audit import instances
from audit.models import Details

Row = TypeVar("Row", bound=models.Model)

MANY = 5  # rows from which on it pays to make text of a value only once


class Statement(NamedTuple):
    """A statement to `run`, its values, and what takes its answer from the cursor."""

    sql: str
    values: Sequence[object]
    answer: Callable[[CursorWrapper], object]


def run(*statements: Statement) -> list:
    """Carry out the statements in turn, and return the answer of each.

    MariaDB and MySQL get all of them in one packet: the way to the server and back costs more than
    most statements. One that fails ends it; what those before it did is the transaction's matter.
    """
    database = connections[DEFAULT_DB_ALIAS]
    with database.cursor() as cursor:
        if len(statements) < 2 or not getattr(database, "takes_packets", False):
            return [_alone(cursor, statement) for statement in statements]
        text = database.BETWEEN.join([one.sql for one in statements])
        cursor.execute(text, [value for one in statements for value in one.values])
        first, *others = statements
        answers = [first.answer(cursor)]
        for statement in others:
            cursor.nextset()
            answers.append(statement.answer(cursor))
        return answers


def _alone(cursor: CursorWrapper, statement: Statement) -> object:
    cursor.execute(statement.sql, statement.values)
    return statement.answer(cursor)


def query(model: type[Row], sql: str, values: Sequence[object]) -> list[Row]:
    """Return what the SQL asks for as model instances; it selects `columns(model)`."""
    [found] = run(Statement(sql, values, reading(model)))
    return found


def reading(model: type[Row]) -> Callable[[CursorWrapper], list[Row]]:
    """Return what makes model instances of an answer with `columns(model)`."""
    return lambda cursor: list(map(_maker(model), cursor.fetchall()))


def by_key(model: type[Row], keys: Iterable[int | None]) -> dict[int, Row]:
    """Return the rows with these keys."""
    keys = sorted(set(keys) - {None})
    if not keys:
        return {}
    table = model._meta.db_table
    sql = f"SELECT {columns(model)} FROM {table} {forced('PRIMARY')} WHERE id IN "
    return {row.pk: row for row in query(model, sql + places(len(keys)), keys)}


def joined(tables: dict[str, type[Row]], source: str, values: Sequence[object]) -> list[tuple]:
    """Return the rows of several tables, by their aliases: for each an instance, or None where an
    outer join found nothing. `source` is the SQL from FROM on."""
    wanted = ", ".join(columns(model, alias) for alias, model in tables.items())
    makers = [(_maker(model), len(model._meta.concrete_fields)) for model in tables.values()]
    found = []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {wanted} {source}", values)
        for row in cursor.fetchall():
            instances, start = [], 0
            for make, length in makers:
                end = start + length
                instances.append(make(row[start:end]) if row[start] else None)
                start = end
            found.append(tuple(instances))
    return found


def _maker(model: type[Row]) -> Callable[[Sequence[object]], Row]:
    """Return what makes the instance that a row, with all columns in the model's order, stands
    for."""
    database = connections[DEFAULT_DB_ALIAS]  # itself: its proxy is looked up at every access
    names, converters = _reading(model, database.vendor)

    def make(row: Sequence[object]) -> Row:
        values = list(row)
        for position, expression, converter in converters:
            values[position] = converter(values[position], expression, database)
        return instances.stored(model, database.alias, names, values)

    return make


def insert(rows: Sequence[models.Model]) -> None:
    """Insert the rows, all of one model, with one statement; `pk` is known afterwards if the
    server returns it (MySQL does not)."""
    run(*insertion(rows, keys=True))


def insertion(rows: Sequence[models.Model], *, keys: bool = False) -> list[Statement]:
    """Return the statement that inserts these rows, or none if there are none; with `keys`, the
    server is asked for those that it gives them. What MANY rows have in common is made text once.
    """
    if not rows:
        return []
    model, database = type(rows[0]), connections[DEFAULT_DB_ALIAS]
    literal = getattr(database, "literal", None) if len(rows) >= MANY else None
    cells, columns = [], []
    for name, adapt in _writing(model, database.vendor):
        column = [row.__dict__[name] for row in rows]
        is_common = column.count(column[0]) == len(rows)
        if adapt and is_common:
            column = [adapt(column[0], database)] * len(rows)
        elif adapt:
            column = [adapt(value, database) for value in column]
        if literal and is_common:
            cells.append(literal(column[0]).replace("%", "%%"))
        else:
            cells.append("%s")
            columns.append(column)
    returns_keys = keys and database.features.can_return_rows_from_bulk_insert

    def stored(cursor: CursorWrapper) -> None:
        if returns_keys:
            for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
                row.pk = key
        for row in rows:
            row._state.adding, row._state.db = False, database.alias

    row = f"({', '.join(cells)})"
    sql = f"{_insert(model)} {', '.join([row] * len(rows))}"
    values = [value for row in zip(*columns, strict=True) for value in row]
    return [Statement(f"{sql} RETURNING id" if returns_keys else sql, values, stored)]


def places(number: int) -> str:
    """Return "(%s, %s)" for two values."""
    return f"({', '.join(['%s'] * number)})"


def among(keys: Iterable[int]) -> tuple[str, list[int | None]]:
    """Return the list of an IN and its values, in ascending order. No keys make one that finds
    nothing."""
    values = sorted(set(keys)) or [None]
    return places(len(values)), values


@cache
def forced(index: str) -> str:
    """Return the words that make MariaDB and MySQL use this index. Left alone they go by table
    statistics, and after a crash those may say that a table is empty: then the whole of it would be
    read, and by a locking statement locked."""
    return f"FORCE INDEX ({index})" if connection.vendor == "mysql" else ""


@cache
def columns(model: type[models.Model], alias: str = "") -> str:
    """Return the names of all columns, in the order in which `instance` wants them."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(f"{prefix}{field.column}" for field in model._meta.concrete_fields)


@cache
def _insert(model: type[models.Model]) -> str:
    names = ", ".join(field.column for field in model._meta.concrete_fields if field.name != "id")
    return f"INSERT INTO {model._meta.db_table} ({names}) VALUES"


@cache
def _writing(model: type[models.Model], vendor: str) -> list[tuple]:
    """Return the attributes to insert, each with what turns it into what the driver takes: nothing
    for text and whole numbers, as the driver takes those as they are."""
    plain = models.BigIntegerField | models.IntegerField | models.CharField | models.ForeignKey
    return [
        (field.attname, None if isinstance(field, plain) else _adapter(field))
        for field in model._meta.concrete_fields
        if not field.primary_key
    ]


def _adapter(field: models.Field) -> Callable:
    """Return what makes a value of the field one that the driver takes."""
    if not isinstance(field, models.JSONField):
        return field.get_db_prep_save
    return lambda value, database: (
        value.text if isinstance(value, Details) else field.get_db_prep_save(value, database)
    )


@cache
def _reading(model: type[models.Model], vendor: str) -> tuple[list[str], list[tuple]]:
    """Return the attributes' names, and (position, expression, converter) of what the driver
    delivers otherwise than the model wants it."""
    fields = model._meta.concrete_fields
    converters = []
    for position, field in enumerate(fields):
        expression = field.get_col(model._meta.db_table)
        for converter in (
            *connection.ops.get_db_converters(expression),
            *expression.get_db_converters(connection),
        ):
            converters.append((position, expression, converter))
    return [field.attname for field in fields], converters
