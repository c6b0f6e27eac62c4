"""The house rules that a tool can check."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = [
    "audit",
    "accounts",
    "transfers",
    "office",
    "smartbank",
    "torture",
    "bench",
]  # each may import the former
FORBIDDEN_NAMES = {"utils", "helpers", "common", "core", "services", "signals"}


def sources() -> list[Path]:
    """Return the project's own Python files, without tests and migrations."""
    files = [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]
    return [path for path in files if not {"tests", "migrations"} & set(path.parts)]


def imports(path: Path) -> set[str]:
    """Return the first part of every module that the file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
    return names


def test_imports_run_one_way():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources()
        for name in imports(path) & set(LAYERS)
        if LAYERS.index(name) > LAYERS.index(path.relative_to(ROOT).parts[0])
    ]
    assert wrong == []


def test_no_module_has_a_name_that_says_nothing():
    assert [path for path in sources() if path.stem in FORBIDDEN_NAMES] == []


def test_only_operations_writes_balances_entries_and_completed_transfers():
    writers = [
        path.relative_to(ROOT).as_posix()
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword)
        and node.arg in {"balance_minor", "entry_sequence", "balance_after_minor"}
        and path.name != "models.py"
    ]
    assert set(writers) == {"transfers/operations.py"}


def test_no_database_error_is_caught_inside_a_transaction():
    """Catching one there goes on in a new transaction and commits half: only `run` may, outside."""
    catching = [
        path.relative_to(ROOT).as_posix()
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and node.type
        and {"OperationalError", "IntegrityError", "DatabaseError", "InterfaceError", "Exception"}
        & {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
    ]
    assert sorted(set(catching)) == [
        "accounts/operations.py",  # opening the bank's cash account, outside any transaction
        "accounts/tokens.py",  # noting when a token was used, which is worth no refusal
        "accounts/transactions.py",
        "smartbank/checks.py",  # asking whether the database is there
        "smartbank/health.py",
        "smartbank/management/commands/demo.py",
        "smartbank/middleware.py",  # looking at the session, before any view
        "transfers/bulk.py",  # between the transactions of two chunks
        "transfers/delivery.py",  # calling a receiver, between two transactions
        "transfers/group_commit.py",  # whoever is to blame learns of it alone, outside of the batch
        "transfers/notices.py",  # sending a mail, between two transactions
        "transfers/send_views.py",  # the page that keeps what was typed while the database is away
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_public_says_what_it_promises(path):
    tree = ast.parse(path.read_text())
    silent = [
        getattr(node, "name", path.name)
        for node in [tree, *tree.body]
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and not getattr(node, "name", "").startswith("_")
        and not (isinstance(node, ast.Module) and not node.body)
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_float_comes_near_the_money():
    calls = [
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if path.parts[-2] in {"accounts", "transfers", "audit"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in {"float", "round"}
        or isinstance(node, ast.Constant)
        and isinstance(node.value, float)
    ]
    # seconds to wait before a retry, and points on a sheet of paper
    assert set(calls) <= {"accounts/transactions.py", "transfers/paper.py"}
