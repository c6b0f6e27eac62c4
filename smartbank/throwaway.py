"""A private, throw-away MariaDB (or MySQL) server for tests, benchmarks and fault injection.

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
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = ROOT / "var" / "cache" / "mariadb"
DEBIAN_PACKAGES = ("mariadb-server-core", "mariadb-client-core")

# /usr/sbin is not on an ordinary Debian user's PATH; the others are where packagers put servers.
USUAL_PLACES = (
    "/usr/sbin",
    "/usr/bin",
    "/usr/libexec",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/opt/homebrew/opt/mariadb/bin",
    "/usr/local/opt/mariadb/bin",
    "/opt/homebrew/opt/mysql/bin",
    "/usr/local/opt/mysql/bin",
    "/usr/local/mysql/bin",
)

# Socket paths may have about 104 bytes; $TMPDIR on macOS alone uses half of them.
SHORT_TMP = "/tmp" if os.path.isdir("/tmp") else None

# Below every system's range for outgoing connections: such a connection could otherwise take the
# port while the server is down, and a client that retries could even connect to itself.
PORTS = range(20000, 32000)

INSTALL_SECONDS = 120
START_SECONDS = 60
STOP_SECONDS = 60
DOWNLOAD_SECONDS = 600


class Unavailable(Exception):
    """There is no server to be had, or it died; the message tells a person why in plain words."""


# --- Finding or fetching a server -------------------------------------------------------------


@dataclass(frozen=True)
class Binaries:
    """Where a database server's programs are.

    `install_db` is None for MySQL, whose server initialises its data directory itself. `tree` is
    the directory that an unpacked server's packages share, and `libraries` are the places in it
    for LD_LIBRARY_PATH; a server that the system installed has neither.
    """

    server: Path
    install_db: Path | None
    tree: Path | None = None
    libraries: tuple[Path, ...] = ()

    @property
    def is_mysql(self):
        """Whether this is a MySQL, not a MariaDB."""
        return self.install_db is None


def find_server() -> Binaries:
    """Return a usable server: installed, unpacked earlier, or else fetched now with apt-get.

    Raises Unavailable, saying what the person can do, if there is none and none can be fetched.
    """
    return _installed() or _unpacked() or _fetch()


def _installed():
    """A server found on PATH or in the usual places, or None."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *USUAL_PLACES])
    for name in ("mariadbd", "mysqld"):
        server = shutil.which(name, path=path)
        banner = _banner(server) if server else ""
        if "MariaDB" in banner:
            # The server's own directory first: two installations must not be mixed.
            own_first = os.pathsep.join([str(Path(server).parent), path])
            install_db = shutil.which("mariadb-install-db", path=own_first)
            if install_db and shutil.which("my_print_defaults", path=own_first):
                return Binaries(Path(server), Path(install_db))
        elif banner:
            return Binaries(Path(server), None)
    return None


def _banner(server, environment=None):
    """What `server --version` prints; empty if it does not run, say for want of a library."""
    command = [str(server), "--version"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode == 0:
            return done.stdout
    return ""


def _unpacked():
    """The server that an earlier run unpacked into var/cache/mariadb, or None."""
    server = UNPACKED / "usr/sbin/mariadbd"
    install_db = UNPACKED / "usr/bin/mariadb-install-db"
    libraries = (*UNPACKED.glob("usr/lib/*-linux-*"), *UNPACKED.glob("lib/*-linux-*"))
    if not _banner(server, {"LD_LIBRARY_PATH": _joined(libraries)}):
        return None
    return Binaries(server, install_db, UNPACKED, libraries)


def _joined(paths):
    return os.pathsep.join(map(str, paths))


def _fetch():
    """Get MariaDB from the Debian or Ubuntu archive: as root installed, else only unpacked."""
    from smartbank.bootstrap import locked  # here, because the guard runs this file by itself

    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Unavailable(
            "No MariaDB or MySQL server found on this machine: install one "
            "(macOS: brew install mariadb), or set DATABASE_URL=mysql://..., "
            "or run only the SQLite part with: python3 manage.py test --sqlite"
        )
    with locked("database server"):
        found = _installed() or _unpacked()  # the run we waited for may have fetched it
        if found is None:
            if os.geteuid() == 0:
                _apt_install()
            else:
                _apt_unpack()
            found = _installed() or _unpacked()
    if found is None:
        raise Unavailable("apt-get brought a MariaDB that does not run on this machine.")
    return found


def _apt_install():
    """Install the two packages without a service; the commands are printed before they run."""
    _apt("update", "-q", show=True)
    _apt("install", "-q", "-y", "--no-install-recommends", *DEBIAN_PACKAGES, show=True)


def _apt_unpack():
    """Download the packages with a private apt state and unpack them; needs no root."""
    print("   Fetching MariaDB (10 MB) into var/cache/mariadb; nothing is installed.", flush=True)
    with tempfile.TemporaryDirectory(prefix="smartbank-apt-", dir=SHORT_TMP) as scratch:
        options = _private_apt(Path(scratch))
        _apt(*options, "update", "-q")
        install = ("install", "-q", "-y", "--download-only", "--no-install-recommends")
        _apt(*options, *install, *DEBIAN_PACKAGES)

        # Renamed into place when complete, so that a half-unpacked tree is never used.
        UNPACKED.parent.mkdir(parents=True, exist_ok=True)
        tree = Path(tempfile.mkdtemp(prefix="mariadb-", dir=UNPACKED.parent))
        try:
            for package in Path(scratch, "cache/archives").glob("*.deb"):
                _run_quietly(["dpkg", "-x", str(package), str(tree)])
            shutil.rmtree(UNPACKED, ignore_errors=True)
            tree.rename(UNPACKED)
        finally:
            shutil.rmtree(tree, ignore_errors=True)


def _private_apt(scratch):
    """apt-get options that keep all its state in `scratch` but know what dpkg has installed."""
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (scratch / directory).mkdir(parents=True)
    return (
        *("-o", f"Dir::State={scratch}/state"),
        *("-o", f"Dir::Cache={scratch}/cache"),
        *("-o", "Dir::State::status=/var/lib/dpkg/status"),
        *("-o", "Debug::NoLocking=1"),
    )


def _apt(*arguments, show=False):
    command = ["apt-get", *arguments]
    if show:
        print("   Running:", " ".join(command), flush=True)
    _run_quietly(command)


def _run_quietly(command):
    """Run a packaging command; raise Unavailable with its last words if it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"{command[0]} did not finish within {DOWNLOAD_SECONDS} seconds, so there is no "
            "MariaDB to test on: check the network, or set DATABASE_URL=mysql://..."
        ) from None
    if done.returncode != 0:
        last_words = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise Unavailable(
            f"{command[0]} failed, so there is no MariaDB to test on: check the network, "
            f"or set DATABASE_URL=mysql://... Its last words:\n{last_words}"
        )


# --- Running it -------------------------------------------------------------------------------


class Server:
    """One private server: `with Server() as server:`, or `start()` and `stop()`.

    `durable=True` flushes the log to disk at every commit, as a bank must: without it neither a
    durability test nor a benchmark means anything. `extra_options` go to the server as they are
    and win over ours. The databases named in `databases` exist once it has started.

    Attributes, valid from `start()` to `stop()`: `socket` and `error_log` (paths), `port` (TCP on
    127.0.0.1), `version` (such as "10.11.14-MariaDB"), `pid`. Socket, port and data survive
    `kill()` and `restart()`. Not safe for use by several threads at once.
    """

    def __init__(self, durable=False, extra_options=(), databases=("smartbank",)):
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
        """Make a fresh, empty server and return when it answers (about 1 second).

        Raises Unavailable, with the end of the server's log, if it does not get that far.
        """
        if self._directory:
            raise RuntimeError("This server is started already; restart() keeps its data.")
        self._binaries = find_server()
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
        self._tree = None
        if self._binaries.tree:
            self._tree = self._directory / "tree"
            self._tree.symlink_to(self._binaries.tree)

    def _path(self, path):
        """`path`, seen through the short link if it is a part of an unpacked server."""
        return self._tree / path.relative_to(self._binaries.tree) if self._tree else path

    def _environment(self):
        environment = dict(os.environ)
        if self._binaries.libraries:
            environment["LD_LIBRARY_PATH"] = _joined(map(self._path, self._binaries.libraries))
        return environment

    def _common_options(self):
        """What the server needs both to initialise its data directory and to run."""
        options = [f"--datadir={self._directory}/data"]
        if self._tree:
            base = self._tree / "usr"
            options += [f"--basedir={base}", f"--lc-messages-dir={base}/share/mysql"]
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
        if self._binaries.is_mysql:
            command = [str(self._binaries.server), "--no-defaults", "--initialize-insecure"]
        else:
            command = [
                str(self._path(self._binaries.install_db)),
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ]
        process = self._spawn(command + self._common_options())
        try:
            process.wait(INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        if process.returncode != 0:
            raise Unavailable(f"The database server could not be set up:\n{self.log_tail()}")

    def _launch(self):
        """Start the server process and wait until it answers."""
        command = [
            str(self._path(self._binaries.server)),
            "--no-defaults",  # first, or the server does not know it
            *self._common_options(),
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self._directory}/server.pid",
            f"--tmpdir={self._directory}",
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
            command += ["--mysqlx=OFF", "--secure-file-priv=NULL"]
        else:
            command.append(f"--secure-file-priv={self._directory}/data")
        self._spawn([*command, *self.extra_options])
        self._wait_until_it_answers()

    def _spawn(self, command):
        """Start a process that Ctrl-C does not reach and that the guard knows about."""
        with self.error_log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=self._environment(),
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


# --- The guard: a process of its own that outlives ours by a moment ---------------------------


def _start_guard(directory):
    """Start the guard of `directory`; it learns process ids through its standard input."""
    return subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).resolve()), str(directory)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _stand_guard(directory):
    """Wait for the end of the process that started us; end its server, remove `directory`.

    That process writes the server's id, or 0 when there is none. Its end shows as end of input,
    or, if a forked child of it still holds our input open, as a change of our parent.
    """
    parent = os.getppid()
    pid = 0
    while os.getppid() == parent:
        if select.select([0], [], [], 1)[0]:
            told = os.read(0, 1024).split()
            if not told:
                break
            pid = int(told[-1])
    if pid:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    _remove(directory)


def _remove(directory):
    """Remove a directory in which a dying process may still write for a moment."""
    deadline = time.monotonic() + STOP_SECONDS
    while os.path.exists(directory) and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(0.02)


if __name__ == "__main__":
    _stand_guard(sys.argv[1])
