"""Which database server is taken, and how one is fetched, on machines made of shell scripts."""

import contextlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from smartbank import database_programs as programs
from smartbank.database_programs import Binaries, Unavailable

MARIADB = "mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)"
MYSQL = "mysqld  Ver 8.4.6 for Linux on x86_64 (MySQL Community Server - GPL)"

# It notes down how it was called, lists the system's sources, and fails for mirrors that are down.
APT_GET = """
import json, pathlib, sys
words = sys.argv[1:]
settings = dict(word.split("=", 1) for word in words if "=" in word)
sources = settings.get("Dir::Etc::sourcelist")
sources = pathlib.Path(sources).read_text() if sources else ""
with open({calls!r}, "a") as calls:
    print(json.dumps([words, sources]), file=calls)
if "--print-uris" in words:
    for suite in ("bookworm", "bookworm-updates", "nodistro"):
        print(f"'http://{{suite}}.example/debian/dists/{{suite}}/InRelease' lists_{{suite}} 0")
    print("'http://bookworm.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0")
elif any(mirror in sources for mirror in {down!r}):
    sys.exit("E: The repository 'sid InRelease' is not signed.")
elif "install" in words:
    pathlib.Path(settings["Dir::Cache"], "archives", "server.deb").touch()
"""

DPKG = """
import pathlib, sys
server = pathlib.Path(sys.argv[3], "usr/sbin/mysqld")
loader = pathlib.Path(sys.argv[3], "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
for path, script in [(server, "echo 'Ver 9.7.4-2'"), (loader, 'shift 3; exec "$@"')]:
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\\n" + script)
    path.chmod(0o755)
sys.exit({exit!r})
"""


class Machine:
    """A machine on which nothing is installed but what a test puts there."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.cache = directory / "cache"
        self._calls = directory / "calls"

    def install(self, name: str, banner: str, place: str = "bin") -> Path:
        """Put a program on the PATH that prints `banner`, whatever it is asked."""
        return self._script(self.directory / place / name, f"#!/bin/sh\necho '{banner}'\n")

    def install_mariadb(self) -> Path:
        """Put MariaDB there as Debian does, which calls it mysqld as well."""
        for name in ("mariadb-install-db", "my_print_defaults"):
            self.install(name, "")
        self.install("mysqld", MARIADB)
        return self.install("mariadbd", MARIADB)

    def install_apt(self, *, down: tuple = (), dpkg_fails: bool = False) -> None:
        """Put apt-get there, for which some mirrors are down, and dpkg."""
        apt_get = APT_GET.format(calls=str(self._calls), down=down)
        dpkg = DPKG.format(exit="dpkg: no space left" if dpkg_fails else 0)
        for name, source in (("apt-get", apt_get), ("dpkg", dpkg)):
            self._script(self.directory / "bin" / name, f"#!{sys.executable}\n{source}")

    def calls(self) -> list:
        """Return how apt-get was called: its words, and its private sources."""
        if not self._calls.exists():
            return []
        return [json.loads(line) for line in self._calls.read_text().splitlines()]

    def _script(self, path: Path, text: str) -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    keyring = tmp_path / "keyring.gpg"
    keyring.touch()
    release = {"VERSION_CODENAME": "bookworm"}
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{tmp_path}/later")
    monkeypatch.setattr(programs, "USUAL_PLACES", ())
    monkeypatch.setattr(programs, "CACHE", machine.cache)
    monkeypatch.setattr(programs, "DEBIAN_KEYRING", keyring)
    monkeypatch.setattr(programs, "locked", lambda name: contextlib.nullcontext())
    platform = SimpleNamespace(freedesktop_os_release=lambda: release)
    monkeypatch.setattr(programs, "platform", platform)
    return machine


# --- What is installed ------------------------------------------------------------------------


def test_mariadb_comes_first_when_any_server_will_do(machine):
    mysqld = machine.install("mysqld", MYSQL)
    assert programs.find_server() == Binaries(mysqld, None)
    mariadbd = machine.install_mariadb()
    assert programs.find_server().server == mariadbd


def test_a_mysql_of_any_age_will_do_when_any_server_will(machine):
    mysqld = machine.install("mysqld", "mysqld  Ver 8.0.36 for Linux on x86_64")
    assert programs.find_server() == Binaries(mysqld, None)


def test_mysql_is_never_a_mariadb_that_is_called_mysqld(machine):
    machine.install_mariadb()
    assert programs.present("mysql") is None
    mysqld = machine.install("mysqld", MYSQL, place="later")
    assert programs.find_server("mysql") == Binaries(mysqld, None)


def test_mariadb_is_never_a_mysql(machine):
    machine.install("mysqld", MYSQL)
    assert programs.present("mariadb") is None
    mariadbd = machine.install_mariadb()
    assert programs.find_server("mariadb").server == mariadbd


@pytest.mark.parametrize(
    "version, is_taken", [("8.0.36", False), ("8.4.0", True), ("9.0.1", True), ("10.0.0", True)]
)
def test_mysql_is_taken_from_8_4_on(machine, version, is_taken):
    machine.install("mysqld", f"/usr/sbin/mysqld  Ver {version}-2 for Linux on x86_64 ((Debian))")
    assert (programs.present("mysql") is not None) == is_taken


def test_a_mariadb_without_its_scripts_is_no_server(machine):
    machine.install("mariadbd", MARIADB)
    assert programs.present() is None


def test_there_is_no_third_engine(machine):
    with pytest.raises(ValueError, match="oracle"):
        programs.find_server("oracle")


@pytest.mark.parametrize(
    "engine, advice",
    [
        (None, "brew install mariadb"),
        ("mariadb", "brew install mariadb"),
        ("mysql", "No MySQL 8.4 or newer found on this machine: install one"),
    ],
)
def test_a_machine_without_server_and_apt_says_what_to_do(machine, engine, advice):
    with pytest.raises(Unavailable) as unavailable:
        programs.find_server(engine)
    assert advice in str(unavailable.value)
    assert "DATABASE_URL=mysql://..." in str(unavailable.value)


# --- MySQL from the archive -------------------------------------------------------------------


def test_mysql_is_fetched_signed_and_never_installed(machine):
    machine.install_mariadb()  # is no MySQL
    machine.install_apt()

    found = programs.find_server("mysql")

    tree = machine.cache / "mysql"
    library = tree / "usr/lib/x86_64-linux-gnu"
    loader = library / "ld-linux-x86-64.so.2"
    assert found == Binaries(tree / "usr/sbin/mysqld", None, tree, (library,), loader)
    asked, update, install = machine.calls()
    assert asked[0][-2:] == ["update", "--print-uris"]
    keyring = machine.directory / "keyring.gpg"
    signed = f"deb [signed-by={keyring} target=Packages] http://bookworm.example/debian sid main\n"
    assert [update[1], install[1]] == [signed, signed]
    assert update[0][-2:] == ["update", "-q"]
    assert install[0][-4:-1] == ["-y", "--download-only", "--no-install-recommends"]
    assert install[0][-1] == "mysql-server-core"
    for words, _ in (update, install):
        scratch = next(word for word in words if word.startswith("Dir::State="))[11:-6]
        assert f"Dir::State::status={scratch}/status" in words
        assert f"Dir::Cache={scratch}/cache" in words
        assert "Dir::Etc::sourceparts=-" in words
        assert "Acquire::AllowInsecureRepositories=false" in words
        assert "APT::Get::AllowUnauthenticated=false" in words
        assert not Path(scratch).exists()


def test_what_was_fetched_once_is_there_the_next_time(machine):
    machine.install_apt()
    first = programs.find_server("mysql")
    calls = machine.calls()
    assert programs.find_server("mysql") == first
    assert machine.calls() == calls


def test_a_fetched_mysql_does_not_stand_in_for_mariadb(machine):
    machine.install_apt()
    programs.find_server("mysql")
    assert programs.present() is None
    assert programs.present("mariadb") is None


def test_where_the_systems_own_mirror_fails_debians_is_asked(machine):
    machine.install_apt(down=("bookworm.example",))
    assert programs.find_server("mysql").loader
    mirrors = [sources.split()[-3] for _, sources in machine.calls() if sources]
    assert mirrors == ["http://bookworm.example/debian", *["http://deb.debian.org/debian"] * 2]


def test_a_signature_that_cannot_be_checked_ends_it(machine):
    machine.install_apt(down=("bookworm.example", "deb.debian.org"))
    with pytest.raises(Unavailable, match="not signed"):
        programs.find_server("mysql")
    assert not machine.cache.exists()


def test_without_debians_keys_nothing_is_asked_for(machine):
    machine.install_apt()
    (machine.directory / "keyring.gpg").unlink()
    with pytest.raises(Unavailable, match="the package debian-archive-keyring"):
        programs.find_server("mysql")
    assert machine.calls() == []


def test_a_half_unpacked_tree_is_never_left(machine):
    machine.install_apt(dpkg_fails=True)
    with pytest.raises(Unavailable, match="no space left"):
        programs.find_server("mysql")
    assert list(machine.cache.iterdir()) == []


def test_an_unpacked_mysql_meets_no_library_of_the_system(tmp_path):
    tree = Path("/tree")
    library = tree / "lib"
    server = Binaries(tree / "mysqld", None, tree, (library, tree / "more"), library / "ld.so")
    through = ["--inhibit-cache", "--library-path"]

    command = ["/tree/lib/ld.so", *through, "/tree/lib:/tree/more", "/tree/mysqld"]
    assert server.command(server.server) == (command, {})
    moved = server.through(Path("/t"))
    command = ["/t/lib/ld.so", *through, "/t/lib:/t/more", "/t/mysqld"]
    assert moved.command(moved.server) == (command, {})


def test_an_unpacked_mariadb_finds_its_libraries_by_the_environment():
    tree = Path("/tree")
    server = Binaries(tree / "mariadbd", tree / "install", tree, (tree / "lib",))
    assert server.command(server.server) == (["/tree/mariadbd"], {"LD_LIBRARY_PATH": "/tree/lib"})
    assert server.through(Path("/t")).install_db == Path("/t/install")
