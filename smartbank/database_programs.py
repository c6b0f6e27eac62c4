"""Finding the programs of a MariaDB or MySQL server on this machine, or fetching them.

What the system has installed comes first, then what an earlier run unpacked into var/cache, and
at last the Debian archive, through apt-get. Standard library only.
"""

import contextlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from smartbank.bootstrap import VAR, locked

ENGINES = ("mariadb", "mysql")
CACHE = VAR / "cache"
OLDEST_MYSQL = (8, 4)

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

MARIADB_PACKAGES = ("mariadb-server-core", "mariadb-client-core")
MYSQL_PACKAGES = ("mysql-server-core",)
DEBIAN = "http://deb.debian.org/debian"
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DOWNLOAD_SECONDS = 600

# Socket paths may have about 104 bytes; $TMPDIR on macOS alone uses half of them.
SHORT_TMP = "/tmp" if os.path.isdir("/tmp") else None


class Unavailable(Exception):
    """There is no server to be had, or it died; the message tells a person why in plain words."""


@dataclass(frozen=True)
class Binaries:
    """Where a database server's programs are.

    `install_db` is None for MySQL, whose server initialises its data directory itself. `tree` is
    the directory that an unpacked server's packages share, and `libraries` are the places in it
    for its libraries; a server that the system installed has neither. `loader` is the dynamic
    loader in `tree` if the server must not meet the system's own C library.
    """

    server: Path
    install_db: Path | None
    tree: Path | None = None
    libraries: tuple[Path, ...] = ()
    loader: Path | None = None

    @property
    def is_mysql(self):
        """Whether this is a MySQL, not a MariaDB."""
        return self.install_db is None

    def command(self, program):
        """Return how to start one of the programs: the words, and the environment to add."""
        libraries = os.pathsep.join(map(str, self.libraries))
        if self.loader:
            # Without the cache, a library that is missing here is not taken from the system.
            search = ["--inhibit-cache", "--library-path", libraries]
            return [str(self.loader), *search, str(program)], {}
        return [str(program)], {"LD_LIBRARY_PATH": libraries} if libraries else {}

    def through(self, link):
        """Return the same programs under paths that lead through `link` to the tree."""

        def moved(path):
            return link / path.relative_to(self.tree) if path else None

        return Binaries(
            server=moved(self.server),
            install_db=moved(self.install_db),
            tree=link,
            libraries=tuple(map(moved, self.libraries)),
            loader=moved(self.loader),
        )


def find_server(engine=None) -> Binaries:
    """Return a usable server: installed, unpacked earlier, or else fetched now with apt-get.

    `engine` is "mariadb", "mysql" (8.4 or newer) or None: then any will do that is installed,
    and MariaDB is fetched. Raises Unavailable, saying what the person can do, if there is none
    and none can be fetched.
    """
    if engine not in (None, *ENGINES):
        raise ValueError(f"There is no engine {engine!r}.")
    return present(engine) or _fetch(engine)


def present(engine=None) -> Binaries | None:
    """Return the server that `find_server` would without fetching one, or None."""
    return _installed(engine) or (_unpacked_mysql() if engine == "mysql" else _unpacked_mariadb())


# --- On this machine --------------------------------------------------------------------------


def _installed(engine):
    """A server found on PATH or in the usual places, or None."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *USUAL_PLACES])
    for name in ("mariadbd", "mysqld"):
        for directory in dict.fromkeys(path.split(os.pathsep)):
            server = shutil.which(name, path=directory) if directory else None
            found = _recognised(Path(server), path) if server else None
            if found and _is_wanted(found, engine):
                return found
    return None


def _recognised(server, path):
    """The programs of an installed server, or None if it does not run or is incomplete."""
    banner = _banner(Binaries(server, None))
    if "MariaDB" not in banner:
        return Binaries(server, None) if banner else None
    # The server's own directory first: two installations must not be mixed.
    own_first = os.pathsep.join([str(server.parent), path])
    install_db = shutil.which("mariadb-install-db", path=own_first)
    if install_db and shutil.which("my_print_defaults", path=own_first):
        return Binaries(server, Path(install_db))
    return None


def _is_wanted(found, engine):
    if engine == "mysql":
        return found.is_mysql and _version(found) >= OLDEST_MYSQL
    return engine is None or not found.is_mysql


def _version(binaries):
    """The first two numbers of the version in the banner."""
    version = re.search(r"\bVer (\d+)\.(\d+)", _banner(binaries))
    return tuple(map(int, version.groups())) if version else (0, 0)


def _banner(binaries):
    """What `server --version` prints; empty if it does not run, say for want of a library."""
    command, environment = binaries.command(binaries.server)
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [*command, "--version"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout
    return ""


def _unpacked_mariadb():
    """The server that an earlier run unpacked into var/cache/mariadb, or None."""
    tree = CACHE / "mariadb"
    libraries = (*tree.glob("usr/lib/*-linux-*"), *tree.glob("lib/*-linux-*"))
    install_db = tree / "usr/bin/mariadb-install-db"
    found = Binaries(tree / "usr/sbin/mariadbd", install_db, tree, libraries)
    return found if _banner(found) else None


def _unpacked_mysql():
    """The server that an earlier run unpacked into var/cache/mysql, or None."""
    tree = CACHE / "mysql"
    libraries = tuple(tree.glob("usr/lib/*-linux-*"))
    loader = next(tree.glob("usr/lib/*-linux-*/ld-linux*.so.*"), None)
    found = Binaries(tree / "usr/sbin/mysqld", None, tree, libraries, loader)
    return found if _banner(found) else None


# --- From the Debian archive ------------------------------------------------------------------


def _fetch(engine):
    """Get a server with apt-get, while no other run of this project folder does."""
    brand = "MySQL" if engine == "mysql" else "MariaDB"
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Unavailable(_nothing_here(engine))
    with locked("database server"):
        found = present(engine)  # the run we waited for may have fetched it
        if found is None:
            if engine == "mysql":
                _unpack_mysql()
            elif os.geteuid() == 0:
                _install_mariadb()
            else:
                _unpack_mariadb()
            found = present(engine)
    if found is None:
        raise Unavailable(f"apt-get brought a {brand} that does not run on this machine.")
    return found


def _nothing_here(engine):
    """The sentence for a machine that has no server and no apt-get."""
    if engine == "mysql":
        return (
            "No MySQL 8.4 or newer found on this machine: install one (macOS: brew install mysql), "
            "or test on a server of your own: DATABASE_URL=mysql://... python3 manage.py test"
        )
    return (
        "No MariaDB or MySQL server found on this machine: install one "
        "(macOS: brew install mariadb), or set DATABASE_URL=mysql://..., "
        "or run only the SQLite part with: python3 manage.py test --sqlite"
    )


def _install_mariadb():
    """Install the two packages without a service; the commands are printed before they run."""
    _apt("update", "-q", show=True)
    _apt("install", "-q", "-y", "--no-install-recommends", *MARIADB_PACKAGES, show=True)


def _unpack_mariadb():
    """Unpack MariaDB from the system's own archive; needs no root."""
    print("   Fetching MariaDB (10 MB) into var/cache/mariadb; nothing is installed.", flush=True)
    with _private_apt() as (options, scratch):
        here = _options("Dir::State::status=/var/lib/dpkg/status")  # what need not be downloaded
        _download((*options, *here), MARIADB_PACKAGES)
        _unpack(scratch, CACHE / "mariadb")


def _unpack_mysql():
    """Unpack MySQL from Debian unstable, the only suite of Debian that has it; needs no root.

    It comes with all that it needs, down to the C library, and shares nothing with the system.
    Its signature is always checked: whoever changed a package on its way would run programs of
    theirs as us. Debian signs unstable with the keys of its stable releases, so the keyring of
    Debian 12 or newer will do; where it does not, nothing is fetched.
    """
    if not DEBIAN_KEYRING.exists():
        raise Unavailable(
            "There is no MySQL 8.4 or newer here, and without Debian's keys none can be fetched: "
            "install one, or the package debian-archive-keyring, or test on a server of your own: "
            "DATABASE_URL=mysql://... python3 manage.py test"
        )
    print("   Fetching MySQL (70 MB) into var/cache/mysql; nothing is installed.", flush=True)
    failures = []
    for mirror in _mirrors():
        try:
            with _private_apt() as (options, scratch):
                _download((*options, *_unstable(mirror, scratch)), MYSQL_PACKAGES)
                _unpack(scratch, CACHE / "mysql")
                return
        except Unavailable as unavailable:
            failures.append(unavailable)
    raise failures[-1]


def _unstable(mirror, scratch):
    """apt-get options by which Debian unstable is all there is, and nothing is installed yet."""
    (scratch / "status").touch()
    sources = scratch / "sources.list"
    sources.touch(0o600)  # a mirror's address may hold a password
    sources.write_text(f"deb [signed-by={DEBIAN_KEYRING} target=Packages] {mirror} sid main\n")
    return _options(
        f"Dir::State::status={scratch}/status",
        f"Dir::Etc::sourcelist={sources}",
        "Dir::Etc::sourceparts=-",
        "Acquire::AllowInsecureRepositories=false",
        "APT::Get::AllowUnauthenticated=false",
        # What the machine's owner prefers is about the machine, and may forbid unstable.
        "Dir::Etc::preferences=/dev/null",
        "Dir::Etc::preferencesparts=/dev/null",
        "APT::Default-Release=",
    )


def _options(*settings):
    return tuple(word for setting in settings for word in ("-o", setting))


def _mirrors():
    """The mirrors that the system gets its own Debian from, and then Debian's own."""
    mirrors = []
    with contextlib.suppress(OSError, Unavailable), _private_apt() as (options, _):
        release = platform.freedesktop_os_release().get("VERSION_CODENAME")
        for address in _apt(*options, "update", "--print-uris").split("'"):
            mirror, dists, rest = address.partition("/dists/")
            if dists and rest == f"{release}/InRelease":
                mirrors.append(mirror)
    return dict.fromkeys([*mirrors, DEBIAN])


@contextlib.contextmanager
def _private_apt():
    """Yield apt-get options that keep all its state in a scratch directory, and that directory."""
    with tempfile.TemporaryDirectory(prefix="smartbank-apt-", dir=SHORT_TMP) as name:
        scratch = Path(name)
        scratch.chmod(0o711)  # run by root, apt-get downloads as the user _apt
        for directory in ("state/lists/partial", "cache/archives/partial"):
            (scratch / directory).mkdir(parents=True)
        options = (f"Dir::State={scratch}/state", f"Dir::Cache={scratch}/cache")
        yield _options(*options, "Debug::NoLocking=1"), scratch


def _download(options, packages):
    """Download packages, and those that they need, into a private apt state."""
    _apt(*options, "update", "-q")
    install = ("install", "-q", "-y", "--download-only", "--no-install-recommends")
    _apt(*options, *install, *packages)


def _unpack(scratch, destination):
    """Unpack all that was downloaded into one directory.

    It is renamed into place when complete, so that a half-unpacked tree is never used.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    tree = Path(tempfile.mkdtemp(prefix=f"{destination.name}-", dir=destination.parent))
    try:
        for package in scratch.glob("cache/archives/*.deb"):
            _run_quietly(["dpkg", "-x", str(package), str(tree)])
        shutil.rmtree(destination, ignore_errors=True)
        tree.rename(destination)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _apt(*arguments, show=False):
    command = ["apt-get", *arguments]
    if show:
        print("   Running:", " ".join(command), flush=True)
    return _run_quietly(command)


def _run_quietly(command):
    """Return what a packaging command printed; if it fails, raise Unavailable with its end."""
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
            "database server to test on: check the network, or set DATABASE_URL=mysql://..."
        ) from None
    if done.returncode != 0:
        last_words = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise Unavailable(
            f"{command[0]} failed, so there is no database server to test on: check the network, "
            f"or set DATABASE_URL=mysql://... Its last words:\n{last_words}"
        )
    return done.stdout
