"""`manage.py demo`: what a newcomer sees, what is in the bank afterwards, and what it refuses."""

import re
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass

import environ
import pytest

from smartbank import demo_environment
from smartbank.bootstrap import ROOT
from smartbank.checks import DEMO_PASSWORD, DEMO_USERNAMES
from smartbank.demo_bank import Client
from smartbank.management.commands import demo as demo_command
from tests.conftest import Demo, free_port, is_alive, is_open, process, wait_until

# Balance, daily limit and what is used of it, once the demo has done its business.
PROMISED = {
    "reena": ("5000.00", "10000.00", "0.00"),
    "rahul": ("3000.00", "10000.00", "0.00"),
    "anita": ("7000.00", "15000.00", "0.00"),
    "meera": ("500.00", "100.00", "25.00"),
}


@dataclass(frozen=True)
class FirstRun:
    """What was seen of `demo --port N` on an empty database, from its start to its end."""

    printout: str
    refused_connections: int
    was_open_too_early: bool
    health: tuple[int, dict]
    exit_code: int
    left_processes: bool


@pytest.fixture(scope="module")
def bank(new_demo):
    """A bank that every test here leaves as its first run made it."""
    return new_demo()


@pytest.fixture(scope="module")
def first_run(bank, tmp_path_factory):
    """Run `demo --port N`, knock at the port all the while, ask it something, end it."""
    port = free_port()
    printout = tmp_path_factory.mktemp("first-run") / "printout"
    command = bank.command("--port", str(port))
    refused, too_early = 0, False
    with printout.open("w") as out, process(command, env=bank.environment, stdout=out) as demo:

        def is_serving() -> bool:
            nonlocal refused, too_early
            has_answered = is_open(port)
            is_announced = "\nServing " in printout.read_text()
            refused += not has_answered
            too_early |= has_answered and not is_announced
            return is_announced or demo.poll() is not None

        wait_until(is_serving, "the demo to serve")
        wait_until(lambda: is_open(port) or demo.poll() is not None, "the port to open")
        health = Client(f"http://localhost:{port}", "reena").call("GET", "/readyz")
        demo.send_signal(signal.SIGTERM)
        exit_code = demo.wait(timeout=60)
        left_processes = is_alive(demo)
    return FirstRun(printout.read_text(), refused, too_early, health, exit_code, left_processes)


def sign_in_everybody(base: str) -> dict[str, Client]:
    """Return a client of the server for each customer."""
    return {username: Client(base, username) for username in PROMISED}


def money(client: Client) -> tuple[str, str, str]:
    """Return the balance of the client's account, its daily limit and what is used of it."""
    _, account = client.call("GET", f"/accounts/{client.account['id']}")
    _, limits = client.call("GET", f"/accounts/{client.account['id']}/limits")
    return account["balance"], limits["daily_limit"], limits["used"]


def transfers(client: Client) -> list[dict]:
    """Return all transfers that the client can see."""
    return client.call("GET", "/transfers?limit=200")[1]["results"]


def refusal(done: subprocess.CompletedProcess) -> str:
    """Return the one sentence with which the command ended. Fails the test if it did not fail."""
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.strip().removeprefix("CommandError: ")


# --- What it prints ---------------------------------------------------------------------------


def test_the_demo_does_the_banks_main_job_and_tells_it(demo_server):
    story = demo_server.printout.partition("main job, over HTTP\n")[2].partition("\n==>")[0]
    transfer, too_little, too_much, receipt = story.splitlines()
    assert re.search(
        r"201  Meera sends ₹25\.00 to Rahul: COMPLETED, transfer [0-9a-f-]{36}", transfer
    )
    assert re.search(r"402  .*₹600\.00.*insufficient_funds", too_little)
    assert re.search(r"429  .*₹90\.00.*daily_limit_exceeded", too_much)
    assert re.search(r"200  Rahul got ₹25\.00 .*CONFIRMED", receipt)


def test_the_demo_proves_its_books(demo_server):
    assert "\nThe books are right" in demo_server.printout


def test_the_demo_prints_the_logins_and_their_password(demo_server):
    logins = re.findall(r"^ +http://localhost:8000/(?:admin/)? +(\w+) ", demo_server.printout, re.M)
    assert logins == DEMO_USERNAMES
    assert f"password {DEMO_PASSWORD}" in demo_server.printout


def test_the_printed_logins_open_the_bank(demo_server):
    for username, client in sign_in_everybody(demo_server.base).items():
        assert client.call("GET", "/me")[1]["username"] == username


def test_the_three_printed_curl_lines_work_as_they_stand(demo_server, curl):
    lines = re.findall(r"^curl .*$", demo_server.printout, re.M)
    assert len(lines) == 3
    accounts, transfer, limits = (
        subprocess.check_output(
            ["bash", "-c", line.replace("http://localhost:8000", demo_server.base)], text=True
        )
        for line in lines
    )
    assert '"balance":' in accounts
    assert '"status":"COMPLETED"' in transfer
    assert '"remaining":' in limits


# --- What it makes ----------------------------------------------------------------------------


def test_the_port_opens_only_after_the_main_job(first_run):
    assert not first_run.was_open_too_early
    assert first_run.refused_connections > 10
    assert first_run.printout.index("The books are right") < first_run.printout.index("\nServing ")
    assert first_run.health == (200, {"status": "ready"})


def test_a_signal_ends_the_demo_with_all_its_processes(first_run):
    assert first_run.exit_code == 0
    assert not first_run.left_processes


def test_the_bank_holds_exactly_what_is_promised(bank, first_run):
    with bank.serve() as base:
        everybody = sign_in_everybody(base)
        assert {username: money(client) for username, client in everybody.items()} == PROMISED


def test_a_second_run_moves_nothing(bank, first_run):
    with bank.serve() as base:
        everybody = sign_in_everybody(base).values()
        before = [(money(client), transfers(client)) for client in everybody]
        again = bank.run("--no-serve")
        assert again.returncode == 0, again.stderr
        assert [(money(client), transfers(client)) for client in everybody] == before


def test_reset_starts_over(bank, first_run):
    with bank.serve() as base:
        reena, rahul = Client(base, "reena"), Client(base, "rahul")
        reena.send("1.00", rahul.account["number"], "before-the-reset")
        assert money(reena) == ("4999.00", "10000.00", "1.00")
    reset = bank.run("--reset", "--no-serve")
    assert reset.returncode == 0, reset.stderr
    with bank.serve() as base:
        everybody = sign_in_everybody(base)
        assert {username: money(client) for username, client in everybody.items()} == PROMISED
        assert everybody["reena"].account["id"] != reena.account["id"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_main_job_leaves_no_process_behind(bank, first_run, number, tmp_path):
    printout = tmp_path / "printout"
    with (
        printout.open("w") as out,
        process(bank.command("--no-serve"), env=bank.environment, stdout=out, stderr=out) as demo,
    ):
        wait_until(lambda: "over HTTP" in printout.read_text() or demo.poll() is not None, "it")
        demo.send_signal(number)
        assert demo.wait(timeout=60) != 0
        assert not is_alive(demo)
    assert "Traceback" not in printout.read_text()


# --- What it refuses --------------------------------------------------------------------------


@pytest.fixture
def nowhere(tmp_path):
    """A demo whose database does not exist."""
    return Demo(f"sqlite:///{tmp_path}/demo.sqlite3")


def test_with_debug_off_there_is_no_demo(nowhere):
    done = nowhere.run("--no-serve", DEBUG="0")
    assert refusal(done) == "The demo has published passwords, so it runs only with DEBUG on."


def test_a_database_of_another_machine_is_refused_without_telling_its_password(nowhere):
    done = nowhere.run("--no-serve", DATABASE_URL="mysql://bank:hush@db.bank.example/smartbank")
    assert refusal(done) == (
        "The demo runs only on this machine's databases, not on db.bank.example."
    )


@pytest.mark.parametrize("arguments", [["--no-serve"], ["--no-serve", "--reset"]])
@pytest.mark.parametrize(
    "tables",
    [
        {"recipes": "name TEXT"},
        {"recipes": "name TEXT", "auth_user": "id INTEGER, email TEXT"},  # Django's, no users yet
    ],
    ids=["any", "of Django"],
)
def test_somebody_elses_database_is_refused_and_stays_as_it_is(
    nowhere, tmp_path, tables, arguments
):
    with closing(sqlite3.connect(tmp_path / "demo.sqlite3")) as database:
        for table, columns in tables.items():
            database.execute(f"CREATE TABLE {table} ({columns})")
        done = nowhere.run(*arguments)
        found = database.execute("SELECT name FROM sqlite_master").fetchall()
    assert found == [(table,) for table in tables]
    assert refusal(done) == (
        "This database is not empty and not a demo's. Give DATABASE_URL an empty one."
    )


def test_a_port_that_is_taken_is_refused(bank, first_run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = bank.run("--port", str(port))
    assert refusal(done) == f"Port {port} is taken. Choose another with --port."


def test_where_nobody_chose_the_port_the_next_free_one_is_taken(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(demo_command, "PORT", taken.getsockname()[1])
        assert demo_command._free_port(None) in range(demo_command.PORT + 1, demo_command.PORT + 20)


# --- Its settings -----------------------------------------------------------------------------


@pytest.fixture
def dotenv(tmp_path):
    """The path of a `.env` in a folder of its own, whose name has a space in it."""
    folder = tmp_path / "my bank"
    folder.mkdir()
    return folder / ".env"


def settings_in(dotenv) -> dict[str, str]:
    """Return what Django's settings will read from the file."""

    class OnlyTheFile(environ.Env):
        ENVIRON = {}

    OnlyTheFile.read_env(dotenv)
    return OnlyTheFile.ENVIRON


def test_the_first_demo_writes_its_settings_for_later_commands(dotenv):
    environment = {}
    demo_environment.prepare(environment, dotenv)
    assert environment["DEBUG"] == "1"
    assert re.fullmatch(r"demo-[\w-]{64}", environment["SECRET_KEY"])
    assert environment["DATABASE_URL"] == f"sqlite:///{dotenv.parent}/var/demo.sqlite3"
    assert settings_in(dotenv) == environment
    assert dotenv.stat().st_mode & 0o777 == 0o600
    assert (dotenv.parent / "var").is_dir()


def test_a_later_demo_keeps_the_settings_of_the_first(dotenv):
    first, later = {}, {}
    demo_environment.prepare(first, dotenv)
    demo_environment.prepare(later, dotenv)
    assert later == first


def test_the_environment_wins_over_the_file_and_is_kept_for_later_commands(dotenv):
    environment = {}
    demo_environment.prepare(environment, dotenv)
    demo_environment.prepare({"DATABASE_URL": "mysql://root@localhost/play"}, dotenv)
    assert settings_in(dotenv) == {**environment, "DATABASE_URL": "mysql://root@localhost/play"}


def test_somebody_elses_dotenv_is_read_and_left_alone(dotenv):
    theirs = "# mine\nexport SECRET_KEY='a key of my own'\n"
    dotenv.write_text(theirs)
    environment = {}
    demo_environment.prepare(environment, dotenv)
    assert environment["SECRET_KEY"] == "a key of my own"
    assert environment["DEBUG"] == "1"
    assert dotenv.read_text() == theirs


@pytest.mark.parametrize("off", ["0", "false", "False", "no", "off"])
def test_debug_off_in_the_environment_or_the_file_refuses_the_demo(dotenv, off):
    with pytest.raises(demo_environment.Refused, match="only with DEBUG on"):
        demo_environment.prepare({"DEBUG": off}, dotenv)
    assert not dotenv.exists()
    dotenv.write_text(f"DEBUG={off}\n")
    with pytest.raises(demo_environment.Refused, match="only with DEBUG on"):
        demo_environment.prepare({}, dotenv)


def test_without_dotenv_none_is_read_or_written(dotenv):
    dotenv.write_text("DEBUG=0\n")
    environment = {"SMARTBANK_READ_DOTENV": "0", "DATABASE_URL": "sqlite:///elsewhere.sqlite3"}
    demo_environment.prepare(environment, dotenv)
    assert environment["DEBUG"] == "1"
    assert dotenv.read_text() == "DEBUG=0\n"
    assert not (dotenv.parent / "var").exists()


def test_these_tests_leave_the_projects_own_dotenv_alone(demo_server, first_run):
    dotenv = ROOT / ".env"
    assert not dotenv.exists() or "demo-of-the-tests" not in dotenv.read_text()
