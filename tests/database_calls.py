"""The database calls of a connection: short names for them, and a place to stand between them."""

import re
from collections.abc import Callable
from contextlib import contextmanager

import pytest

from smartbank.mysql import BETWEEN

COMMIT = "COMMIT"
ROLLBACK = "ROLLBACK"

_TABLE = re.compile(r"(SELECT\b.*?\bFROM|INSERT INTO|UPDATE|DELETE FROM) (\w+)", re.DOTALL)


def name_of(sql: str) -> str:
    """Return verb and table of a statement, such as "SELECT accounts FOR UPDATE".

    What has no table is named by how it begins, "ROLLBACK", and a packet by all that is in it.
    """
    return " + ".join(map(_name_of_one, re.sub(r'[`"]', "", sql).strip().split(BETWEEN)))


def _name_of_one(plain: str) -> str:
    found = _TABLE.match(plain)
    if not found:
        return plain[:40]
    lock = " FOR UPDATE" if "FOR UPDATE" in plain else ""
    return f"{plain.split()[0]} {found[2]}{lock}"


@contextmanager
def each_call(wrapper, make: Callable[[str, Callable], object]):
    """Have `make(name, call)` make every call of a Django connection, while the block runs.

    Statements, COMMIT and ROLLBACK pass through it, and what switches autocommit. Each statement
    goes alone, so that there is a place between those that otherwise share a packet.
    """

    def statement(execute, sql, params, many, context):
        return make(name_of(sql), lambda: execute(sql, params, many, context))

    def gated(method: str, name: str):
        original = getattr(wrapper, method)
        return lambda *values: make(name.format(*values), lambda: original(*values))

    with wrapper.execute_wrapper(statement), pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrapper, "takes_packets", False, raising=False)
        patch.setattr(wrapper, "_commit", gated("_commit", COMMIT))
        patch.setattr(wrapper, "_rollback", gated("_rollback", ROLLBACK))
        patch.setattr(wrapper, "_set_autocommit", gated("_set_autocommit", "autocommit {}"))
        yield
