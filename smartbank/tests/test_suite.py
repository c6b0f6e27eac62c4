"""`manage.py test`: which runs there are, on which database, and what is said at the end."""

import pytest

from smartbank import suite
from smartbank.bootstrap import Problem
from smartbank.database_programs import Unavailable


class PrivateServer:
    """Stands in for throwaway.Server and remembers the engines that were asked for."""

    engines = []
    socket = "/tmp/s.sock"
    alive = True

    def __init__(self, engine=None):
        self.engines.append(engine)

    def start(self):
        """Nothing to start."""

    def stop(self):
        """Nothing to stop."""

    def url(self, database):
        """The address that the run must use."""
        return f"mysql://private/{database}"


@pytest.fixture
def run_suite(monkeypatch):
    """Return a function that runs `manage.py test` and returns the databases of its runs."""

    def main(*arguments):
        urls = []

        class Pytest(suite.Pytest):
            def __enter__(self):
                return self

            def __exit__(self, *error):
                pass

            def finish(self):
                urls.append(self.url)
                return suite.Run(self.database, passed=5, failed=0, skipped=0, seconds=1)

        with monkeypatch.context() as patch:
            patch.setattr(PrivateServer, "engines", [])
            patch.setattr(suite.throwaway, "Server", PrivateServer)
            patch.setattr(suite.signal, "signal", lambda number, handler: None)
            patch.setattr(suite, "prepare", lambda: "python")
            patch.setattr(suite, "run", lambda command, **environment: "9.7.4-2\n")
            patch.setattr(suite, "Pytest", Pytest)
            assert suite.main(arguments) == 0
            return urls, PrivateServer.engines

    for name in ("TEST_DATABASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return main


SQLITE = f"sqlite:///{suite.VAR}/suite.sqlite3"


@pytest.mark.parametrize(
    "arguments, urls, engines",
    [
        ([], ["mysql://private/smartbank", SQLITE], [None]),
        (["--mariadb"], ["mysql://private/smartbank"], [None]),
        (["--mysql"], ["mysql://private/smartbank"], ["mysql"]),
        (["--sqlite"], [SQLITE], []),
    ],
)
def test_each_way_to_call_it_has_its_runs(run_suite, arguments, urls, engines):
    assert run_suite(*arguments) == (urls, engines)


def test_a_database_from_the_environment_is_used_but_not_with_mysql(run_suite, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://me@db.example/bank")
    assert run_suite() == (["mysql://me@db.example/bank", SQLITE], [])
    assert run_suite("--mysql") == (["mysql://private/smartbank"], ["mysql"])


def test_the_last_lines_name_the_engine_and_count(run_suite, capsys):
    run_suite("--mysql")
    *_, run, total = capsys.readouterr().out.splitlines()
    assert run == "MySQL 9.7.4: 5 passed, 0 failed, 0 skipped in 1.0 s"
    assert total == "5 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize(
    "pair", [["--mysql", "--mariadb"], ["--mysql", "--sqlite"], ["--mariadb", "--sqlite"]]
)
def test_two_only_runs_contradict_each_other(pair, capsys):
    with pytest.raises(SystemExit) as ended:
        suite.parse(pair)
    assert ended.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_all_other_arguments_are_pytests():
    options, extra = suite.parse(["--mysql", "tests/test_demo.py", "-k", "rounding", "-m", "slow"])
    assert (options.mysql, options.mariadb, options.sqlite) == (True, False, False)
    assert (extra, options.m) == (["tests/test_demo.py", "-k", "rounding"], "slow")


def test_a_server_that_cannot_be_had_is_a_sentence_and_not_a_traceback(run_suite, monkeypatch):
    def start(self):
        raise Unavailable("Install one.")

    monkeypatch.setattr(PrivateServer, "start", start)
    with pytest.raises(Problem, match="Install one."):
        run_suite("--mysql")


@pytest.mark.parametrize(
    "version, name",
    [
        ("10.11.14-MariaDB-0+deb12u2", "MariaDB 10.11.14"),
        ("8.4.6", "MySQL 8.4.6"),
        ("9.7.4-2", "MySQL 9.7.4"),
    ],
)
def test_a_server_is_named_by_brand_and_version(monkeypatch, version, name):
    monkeypatch.setattr(suite, "run", lambda command, **environment: f"{version}\n")
    assert suite.server_name("python", "mysql://db") == name
