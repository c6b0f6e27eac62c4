"""`manage.py serve`: what the production server promises, on a real process."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, free_port, is_open, process, wait_until

BEGUN = (
    b"POST /auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
)


def environment(tmp_path, **others: str) -> dict[str, str]:
    """What the server sees: a bank that nobody set up, on a database that does not matter."""
    return {
        **os.environ,
        "DEBUG": "1",
        "SECRET_KEY": "served-by-the-tests",
        "DATABASE_URL": f"sqlite:///{tmp_path}/bank.sqlite3",
        "SMARTBANK_READ_DOTENV": "0",
        "LOG_LEVEL": "ERROR",
        **others,
    }


def command(port: int, *more: str) -> list[str]:
    """Return the command line."""
    return [sys.executable, str(ROOT / "manage.py"), "serve", "--bind", f"127.0.0.1:{port}", *more]


@contextmanager
def serving(tmp_path, *more: str, **others: str):
    """Serve while the block runs; yield the process and its port."""
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with process(command(port, *more), env=environment(tmp_path, **others), **quiet) as server:
        wait_until(lambda: is_open(port) or server.poll() is not None, "the server")
        assert server.poll() is None
        yield server, port


def get(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    """GET a path and return the answer, read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": "localhost", **headers})
    response = connection.getresponse()
    response.text = response.read().decode()
    connection.close()
    return response


def workers(server: subprocess.Popen) -> list[str]:
    """Return the process ids of the workers (Linux)."""
    return Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()


def cores_of(worker: str) -> list[int]:
    """Return the cores that the threads of a worker may run on (Linux)."""
    threads = Path(f"/proc/{worker}/task").iterdir()
    return sorted({core for one in threads for core in os.sched_getaffinity(int(one.name))})


def is_at_work(worker: str) -> bool:
    """Return whether a worker has come so far as to have threads (Linux)."""
    return len(list(Path(f"/proc/{worker}/task").iterdir())) > 1


def test_it_serves_the_api_the_pages_and_the_static_files(tmp_path):
    with serving(tmp_path) as (_, port):
        assert get(port, "/healthz").text == '{"status": "alive"}'
        page = get(port, "/login")
        assert page.status == 200
        (style,) = re.findall(r'href="(/static/smartbank/style[^"]*\.css)"', page.text)
        assert get(port, style).headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize(
    ("path", "length"), [("/transfers", 5_000_000), ("/transfers/bulk", 4 * 1024 * 1024 + 1)]
)
def test_who_sends_too_much_before_listening_still_gets_the_answer(tmp_path, path, length):
    with serving(tmp_path, "--workers", "1") as (_, port):
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", path, b"x" * length, {"Host": "localhost"})
            assert connection.getresponse().status == 413
            connection.close()


def test_on_sigterm_it_answers_what_is_running_takes_nothing_new_and_ends_well(tmp_path):
    with serving(tmp_path, "--workers", "1") as (server, port):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as running:
            running.sendall(BEGUN)
            assert running.recv(1000).startswith(b"HTTP/1.1 100 ")  # it waits for the body now
            server.terminate()
            wait_until(lambda: not is_open(port), "the port to close")
            running.sendall(b"{}")
            assert running.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert server.wait(30) == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="workers are found in /proc")
def test_a_worker_that_dies_is_replaced(tmp_path):
    with serving(tmp_path, "--workers", "1") as (server, port):
        (first,) = workers(server)
        os.kill(int(first), signal.SIGKILL)
        wait_until(lambda: workers(server) not in ([first], []), "another worker")
        wait_until(lambda: is_open(port), "its port")
        assert get(port, "/healthz").status == 200


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="workers are found in /proc")
def test_each_worker_keeps_to_a_core_of_its_own_and_so_does_the_one_after_it(tmp_path):
    with serving(tmp_path) as (server, port):
        assert get(port, "/healthz").status == 200
        cores = sorted(os.sched_getaffinity(0))
        wait_until(
            lambda: sorted(map(cores_of, workers(server))) == [[one] for one in cores], "them"
        )
        first, *others = workers(server)
        (core,) = cores_of(first)
        os.kill(int(first), signal.SIGKILL)
        wait_until(lambda: workers(server)[:-1] == others, "another worker")
        wait_until(lambda: cores_of(workers(server)[-1]) == [core], "it to take the core")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="workers are found in /proc")
def test_workers_for_whom_there_is_no_core_each_go_where_the_system_sends_them(tmp_path):
    cores = sorted(os.sched_getaffinity(0))
    with serving(tmp_path, "--workers", str(len(cores) + 1)) as (server, port):
        wait_until(
            lambda: list(map(is_at_work, workers(server))) == [True] * (len(cores) + 1), "all"
        )
        assert [cores_of(one) for one in workers(server)] == [cores] * (len(cores) + 1)


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"DEBUG": "0"}, "With DEBUG off, SmartBank runs on MariaDB or MySQL."),
        ({"DEBUG": "0", "SECRET_KEY": "demo-" + "x" * 60}, "SECRET_KEY is a demo's"),
    ],
)
def test_it_refuses_unsafe_settings_and_says_why(tmp_path, others, words):
    done = subprocess.run(
        command(free_port()),
        env=environment(tmp_path, **others),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--bind", "8000"]])
def test_it_refuses_a_command_line_that_makes_no_sense(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "serve", *arguments],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "Give --bind host:port" in done.stderr) == (1, True)


def test_only_a_trusted_proxy_can_say_that_the_client_came_by_tls(tmp_path):
    tls = {"SECURE_SSL_REDIRECT": "1"}
    with serving(tmp_path, TRUSTED_PROXIES="127.0.0.1", **tls) as (_, port):
        assert get(port, "/login", **{"X-Forwarded-Proto": "https"}).status == 200
        assert get(port, "/login", **{"X-Forwarded-Proto": "http"}).status == 301
        assert get(port, "/login").status == 301
    with serving(tmp_path, TRUSTED_PROXIES="", **tls) as (_, port):
        assert get(port, "/login", **{"X-Forwarded-Proto": "https"}).status == 301
