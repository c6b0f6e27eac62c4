"""A private, throw-away MariaDB or MySQL server for tests, benchmarks and fault injection.

    with Server() as server:
        run_something(DATABASE_URL=server.url("smartbank"))

Needs the standard library only, no root and no service. The server's files live in a private
directory under /tmp. They and the server are gone when `stop()` returns, and also when the
process that started it ends in any other way, even by SIGKILL: a small guard process waits for
that and cleans up. This module installs no signal handlers.
"""

import atexit
import contextlib
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from smartbank.database_programs import SHORT_TMP, Unavailable, find_server

# Below every system's range for outgoing connections: such a connection could otherwise take the
# port while the server is down, and a client that retries could even connect to itself.
PORTS = range(20000, 32000)

INSTALL_SECONDS = 120
START_SECONDS = 60
STOP_SECONDS = 60


class Server:
    """One private server: `with Server() as server:`, or `start()` and `stop()`.

    `durable=True` flushes the log to disk at every commit, as a bank must: without it neither a
    durability test nor a benchmark means anything. `extra_options` go to the server as they are
    and win over ours. The databases named in `databases` exist once it has started. `engine` is
    "mariadb", "mysql", or None for what this machine has. `data` is a directory that `save_data()`
    of such a server left: this one begins with a copy of it instead of empty.

    Attributes, valid from `start()` to `stop()`: `socket` and `error_log` (paths), `port` (TCP on
    127.0.0.1), `version` (such as "10.11.14-MariaDB" or "9.7.4"), `pid`. Socket, port and data
    survive `kill()` and `restart()`. Not safe for use by several threads at once.
    """

    def __init__(
        self, durable=False, extra_options=(), databases=("smartbank",), engine=None, data=None
    ):
        self.engine = engine
        self.data = data
        self.durable = durable
        self.extra_options = tuple(extra_options)
        self.databases = tuple(databases)
        self.version = None
        self._directory = None
        self._process = None
        self._guard = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()

    @property
    def pid(self):
        """The server's process id, or None when it does not run."""
        return self._process.pid if self.alive else None

    @property
    def alive(self):
        """Whether the server process runs; False after `kill()` or a crash."""
        if self._process and self._process.poll() is not None:
            self._tell_guard(0)  # the number may belong to a stranger soon
            self._process = None
        return self._process is not None

    def start(self):
        """Make a fresh server and return when it answers: 1 second, with MySQL 4.

        Raises Unavailable, with the end of the server's log, if it does not get that far.
        """
        if self._directory:
            raise RuntimeError("This server is started already; restart() keeps its data.")
        self._binaries = find_server(self.engine)
        self._owner = os.getpid()
        self._directory = Path(tempfile.mkdtemp(prefix="smartbank-db-", dir=SHORT_TMP))
        self._guard = _start_guard(self._directory)
        atexit.register(self.stop)
        self.socket = self._directory / "s.sock"
        self.error_log = self._directory / "error.log"
        # Others on this machine can reach the TCP port, but not the socket in our directory.
        # None for MySQL: there PyMySQL could not send a password without a further package.
        self._password = "" if self._binaries.is_mysql else secrets.token_hex(16)
        try:
            self.port = _free_port()
            self._link_tree()
            self._write_init_file()
            self._initialise()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """End the server and remove its files. Does nothing if it is not started."""
        if not self._directory or os.getpid() != self._owner:  # a forked child owns nothing
            return
        atexit.unregister(self.stop)
        self.kill()
        self._guard.stdin.close()  # the guard's sign to remove the directory and end
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(STOP_SECONDS)
        self._directory = self._process = self._guard = None

    def kill(self):
        """End the server with SIGKILL, as a crash would; `restart()` brings it back.

        The operating system lives on, so this says nothing about the power failing.
        """
        self._end_process(signal.SIGKILL)

    def restart(self):
        """Start the server again on the same data; if it runs, it is shut down cleanly before.

        Returns when it answers; raises Unavailable as `start()` does.
        """
        if not self._directory:
            raise RuntimeError("This server is not started, so it cannot be restarted.")
        self._end_process(signal.SIGTERM)
        self._launch()

    def save_data(self, directory):
        """Shut the server down cleanly and copy its data to a new directory, for other servers."""
        self._end_process(signal.SIGTERM)
        shutil.copytree(self._directory / "data", directory)

    def url(self, database):
        """A DATABASE_URL over the unix socket."""
        return f"mysql://root@localhost/{database}?unix_socket={self.socket}"

    def tcp_url(self, database):
        """A DATABASE_URL over TCP on 127.0.0.1."""
        return f"mysql://root:{self._password}@127.0.0.1:{self.port}/{database}"

    def log_tail(self, lines=15):
        """The last lines of the server's error log, as one text."""
        try:
            text = self.error_log.read_text(errors="replace")
        except OSError:
            return "(it wrote no log)"
        return "\n".join(text.splitlines()[-lines:])

    def _link_tree(self):
        """Make a short path to an unpacked server: its scripts break on spaces in theirs."""
        if self._binaries.tree:
            link = self._directory / "tree"
            link.symlink_to(self._binaries.tree)
            self._binaries = self._binaries.through(link)

    def _common_options(self):
        """What the server needs both to initialise its data directory and to run."""
        # Its own tmpdir: MariaDB deletes other servers' temporary tables from /tmp when it starts.
        options = [f"--datadir={self._directory}/data", f"--tmpdir={self._directory}"]
        if self._binaries.tree:
            base = self._binaries.tree / "usr"
            options += [f"--basedir={base}", f"--lc-messages-dir={base}/share/mysql"]
        if self._binaries.is_mysql:
            # No certificate, so no TLS over TCP: PyMySQL would use it and mysqlclient would not.
            options.append("--auto-generate-certs=OFF")
        if os.geteuid() == 0:
            options.append("--user=root")  # as root it refuses to run unless told whom to run as
        return options

    def _write_init_file(self):
        """SQL that the server runs at every start, before it accepts connections."""
        account = "'root'@'127.0.0.1'"
        statements = [f"CREATE USER IF NOT EXISTS {account};"]
        if self._password:
            statements.append(f"SET PASSWORD FOR {account} = PASSWORD('{self._password}');")
        statements.append(f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION;")
        statements += [f"CREATE DATABASE IF NOT EXISTS `{name}`;" for name in self.databases]
        (self._directory / "init.sql").write_text("\n".join(statements) + "\n")

    def _initialise(self):
        """Make the data directory."""
        if self.data:
            shutil.copytree(self.data, self._directory / "data")
            return
        if self._binaries.is_mysql:
            program, how = self._binaries.server, ["--initialize-insecure"]
        else:
            program = self._binaries.install_db
            how = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        process = self._spawn(program, how)
        try:
            process.wait(INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        if process.returncode != 0:
            log = self.log_tail(60)  # MariaDB's script has 40 lines of advice after the reason
            raise Unavailable(f"The database server could not be set up:\n{log}")

    def _launch(self):
        """Start the server process and wait until it answers."""
        options = [
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self._directory}/server.pid",
            f"--init-file={self._directory}/init.sql",
            "--character-set-server=utf8mb4",
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 0}",
            "--innodb-buffer-pool-size=256M",
            "--max-connections=500",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--local-infile=0",
        ]
        if self._binaries.is_mysql:
            options += ["--mysqlx=OFF", "--secure-file-priv=NULL"]
        else:
            options.append(f"--secure-file-priv={self._directory}/data")
        self._spawn(self._binaries.server, [*options, *self.extra_options])
        self._wait_until_it_answers()

    def _spawn(self, program, options):
        """Start a process that Ctrl-C does not reach and that the guard knows about."""
        command, environment = self._binaries.command(program)
        # --no-defaults comes first, or the programs do not know it.
        command += ["--no-defaults", *self._common_options(), *options]
        with self.error_log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._tell_guard(self._process.pid)
        return self._process

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            greeting = _greeting(self.socket)
            if greeting:
                self.version = greeting
                return
            if not self.alive:
                raise Unavailable(f"The database server died at start:\n{self.log_tail()}")
            time.sleep(0.02)
        self.kill()
        raise Unavailable(
            f"The database server did not answer within {START_SECONDS} s:\n{self.log_tail()}"
        )

    def _end_process(self, first_signal):
        """Signal the process and its children, and wait; SIGKILL if that takes too long."""
        for sent in (first_signal, signal.SIGKILL):
            if self.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, sent)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_SECONDS)

    def _tell_guard(self, pid):
        with contextlib.suppress(OSError):
            self._guard.stdin.write(b"%d\n" % pid)


def _free_port():
    """A TCP port that nobody listens on now."""
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Unavailable("No free TCP port between 20000 and 32000 for the database server.")


def _greeting(path):
    """The version in the server's greeting, or "" while nobody answers at the socket."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(path))
            packet = client.recv(256)
    except OSError:
        return ""
    # 4 bytes of header, the protocol's number, then the version; MariaDB puts a "5.5.5-" before
    # its own, for clients that cannot read two digits.
    text = packet[5:].split(b"\0")[0].decode("ascii", "replace").removeprefix("5.5.5-")
    version = re.match(r"\d+\.\d+\.\d+(-MariaDB)?", text)
    return version.group() if version else ""


def _start_guard(directory):
    """Start the guard of `directory`; it learns process ids through its standard input."""
    return subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("throwaway_guard.py")), str(directory)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
