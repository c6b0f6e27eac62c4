"""From a bare Python to a running command: `manage.py demo`, `test`, `torture`, `bench`.

It finds an interpreter that has all of requirements.txt: the one that runs, if it has them already,
else the one of a virtual environment that it makes in `.venv`. Whatever it makes is below `.venv/`
or `var/`; nothing is ever installed into the system's Python. The suite itself runs in `suite`.

Standard library only. The file has to parse, though not to work, on Python 3.6: on an old Python
it says so in one sentence, or carries on with a newer one.
"""

import contextlib
import hashlib
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from smartbank.first_pip import NO_TRUST, PIP_WHEEL, Problem, fetch_pip, no_network

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "smartbank-stamp"
REQUIREMENTS = ROOT / "requirements.txt"

OLDEST_PYTHON = (3, 11)
NEWER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")

# mysqlclient has no wheels for Linux and needs a compiler. PyMySQL is by the same maintainers,
# pure Python, and can stand in for it; 1.2.4 passes Django 5.2's check of the driver's version.
C_DRIVER = "mysqlclient"
PURE_DRIVER = ("PyMySQL", "1.2.4")
C_DRIVER_NEEDS = "apt-get install --no-install-recommends gcc pkg-config libmariadb-dev python3-dev"

# What the project can do without, and what is missing then: not every kind of machine has packages
# of them, and nobody should need a compiler.
OPTIONAL = {
    "playwright": "no test will open a browser",
    "uharfbuzz": "Devanagari in PDFs will lack its ligatures",
}

PIP_SECONDS = 1800
UNFINISHED = "unfinished\n"


class CommandFailed(Problem):
    """A command ended with an error; `output` is all that it printed."""

    def __init__(self, command, output):
        last_words = "\n".join(output.strip().splitlines()[-5:])
        super().__init__(f"This failed: {' '.join(command)}\nIts last words:\n{last_words}")
        self.output = output


# --- The entries: manage.py and `python3 -m smartbank.bootstrap` -------------------------------


def before_django(argv):
    """Do what must precede Django for this command line; return if Django can run right here.

    `test`, `torture` and `bench` never return. `demo` first prepares the environment. Any other
    command runs in this interpreter if it has Django, else in the `.venv` made earlier.
    """
    command = argv[1] if len(argv) > 1 else ""
    with problems_as_sentences():
        if command in ("demo", "test", "torture", "bench"):
            require_python(argv)
        if command == "test":
            from smartbank import suite  # here, because old Pythons cannot read it

            sys.exit(suite.main(argv[2:]))
        if command in ("torture", "bench"):  # a bank of its own, so not on the settings of this one
            os.environ["PYTHONPATH"] = str(ROOT)
            python = sys.executable if has_requirements() else prepare()
            replace_process([python, "-m", command, *argv[2:]])
        if command == "serve":  # before the settings are read: a request must not wait for long
            os.environ.setdefault("DATABASE_READ_SECONDS", "15")
        if command == "demo":
            if not has_requirements():
                replace_process([prepare(), *argv])
            if not {"-h", "--help"} & set(argv):
                prepare_demo()
        elif importlib.util.find_spec("django") is None:
            if not VENV_PYTHON.exists() or sys.prefix == str(VENV):
                raise Problem(
                    "Django is not installed here: run `python3 manage.py demo` first, "
                    "or install requirements.txt into an environment of your own."
                )
            replace_process([str(VENV_PYTHON), *argv])


def prepare_demo():
    """Put the demo's settings into the environment. Raises Problem where there can be no demo."""
    from smartbank import demo_environment  # here, because old Pythons cannot load it

    try:
        demo_environment.prepare()
    except demo_environment.Refused as refused:
        raise Problem(str(refused)) from None


def main():
    """Prepare the environment and do nothing else."""
    with problems_as_sentences():
        require_python(["-m", "smartbank.bootstrap"])
        prepare()


@contextlib.contextmanager
def problems_as_sentences():
    """End the program with a sentence, not a traceback, where a person can do something."""
    try:
        yield
    except Problem as problem:
        sys.exit(f"\n{problem}")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"\nCannot use {error.filename}: {error.strerror}.")


def require_python(argv):
    """Return on a Python that is new enough; else run `argv` with a newer one, or give up."""
    if os.name != "posix":
        raise Problem("On Windows this works in WSL, the Windows Subsystem for Linux.")
    if sys.version_info >= OLDEST_PYTHON:
        return
    for name in NEWER_PYTHONS:
        candidate = shutil.which(name)
        # Tried, not trusted: a version manager's shim exists even for versions that do not.
        if candidate and subprocess.call([candidate, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            replace_process([candidate, *argv])
    raise Problem(
        "SmartBank needs Python 3.11 or newer. "
        f"This is Python {python_version()}, and no newer one is on PATH."
    )


def replace_process(command):
    """Run `command` in place of this process."""
    sys.stdout.flush()
    os.execv(command[0], command)


# --- The environment ---------------------------------------------------------------------------

_numbers = itertools.count(1)


def step(text):
    """Print one numbered line about what happens now."""
    print(f"{next(_numbers)}. {text}", flush=True)


def prepare():
    """Return the path of an interpreter that has all of requirements.txt.

    Makes `.venv`, or completes it, where needed. Raises Problem if that cannot be done.
    """
    if has_requirements():
        step(f"Python {python_version()} at {sys.executable} has everything already.")
        return sys.executable
    if not is_ready():
        step(f"Python {python_version()} at {sys.executable}")
        with locked("environment"):
            if not is_ready():  # the run we may have waited for has made it
                make_environment()
    step("Environment: .venv is ready.")
    return str(VENV_PYTHON)


def make_environment():
    """Bring `.venv` to what requirements.txt says. The stamp comes last, when all is well."""
    if is_usable():
        STAMP.write_text(UNFINISHED)
    else:
        shutil.rmtree(VENV, ignore_errors=True)
        VENV.mkdir()
        STAMP.write_text(UNFINISHED)
        make_venv()
    pins = read_pins()
    c_driver = pins.pop(C_DRIVER, None)
    optional = {name: pins.pop(name) for name in OPTIONAL if name in pins}
    step(f"Installing {len(pins)} packages and what they need (up to a minute)")
    pip_install(*(f"{name}=={version}" for name, version in pins.items()))
    for name, version in optional.items():
        install_optional(name, version)
    if c_driver:
        install_driver(c_driver)
    STAMP.write_text(wanted_stamp())


def make_venv():
    """Make `.venv` with pip in it."""
    make = [sys.executable, "-m", "venv", "--symlinks", str(VENV)]
    if importlib.util.find_spec("ensurepip"):
        step("Making the environment in .venv")
        run(make)
        return
    step("Making the environment in .venv, with pip from the package index")
    with tempfile.TemporaryDirectory() as directory:
        wheel = Path(directory, PIP_WHEEL)
        wheel.write_bytes(fetch_pip())
        run([*make, "--without-pip"])
        run_pip([str(wheel / "pip"), "install", "--no-index", "--no-deps", str(wheel)])


def install_driver(version):
    """Install the database driver: the one in C if it builds and loads, else the one in Python."""
    try:
        pip_install(f"{C_DRIVER}=={version}")
        run([str(VENV_PYTHON), "-c", "import MySQLdb"])
        step(f"MySQL driver: {C_DRIVER} {version}, written in C")
    except CommandFailed:
        run_pip(["-m", "pip", "uninstall", "--yes", C_DRIVER])
        pip_install("==".join(PURE_DRIVER))
        step(
            f"MySQL driver: {' '.join(PURE_DRIVER)} in place of {C_DRIVER}, which does not build "
            f"here; for the driver in C do `{C_DRIVER_NEEDS}`, delete .venv and start again."
        )


def install_optional(name, version):
    """Install what the project can do without, if there is a package of it for this machine."""
    try:
        run_pip(["-m", "pip", "install", "--only-binary", name, f"{name}=={version}"])
    except CommandFailed:
        step(f"{name} cannot be installed here: {OPTIONAL[name]}.")


def read_pins():
    """Return requirements.txt, whose lines are `name==version  # why`, as a dict."""
    pins = {}
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        pin = line.split("#")[0].strip()
        if pin:
            name, equals, version = pin.partition("==")
            if not equals:
                raise Problem(f"requirements.txt: `{pin}` is not of the form name==version.")
            pins[name] = version
    return pins


def has_requirements():
    """Whether the running interpreter has every requirement in the pinned version."""
    pins = read_pins()
    for name in OPTIONAL:
        pins.pop(name, None)
    c_driver = pins.pop(C_DRIVER, None)
    has_driver = c_driver is None or has_package(C_DRIVER, c_driver) or has_package(*PURE_DRIVER)
    return has_driver and all(has_package(*pin) for pin in pins.items())


def has_package(name, version):
    """Whether the running interpreter has this package in this version."""
    from importlib import metadata  # here, because old Pythons have no such module

    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def wanted_stamp():
    """What the stamp says when `.venv` is complete, in this place, with its Python unchanged."""
    requirements = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return f"{ROOT}\n{VENV_PYTHON.resolve()}\n{requirements}\n"


def is_ready():
    """Whether `.venv` is complete and up to date."""
    return VENV_PYTHON.exists() and STAMP.exists() and STAMP.read_text() == wanted_stamp()


def is_usable():
    """Whether `.venv` is sound, so that new requirements can be installed into it.

    It is not if its making was interrupted, the project moved, or the Python below it changed. A
    `.venv` without a stamp is somebody's own, and welcome.
    """
    if not VENV_PYTHON.exists():
        return False
    if STAMP.exists() and STAMP.read_text().splitlines()[:2] != wanted_stamp().splitlines()[:2]:
        return False
    return subprocess.call([str(VENV_PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL) == 0


def python_version():
    """The running Python's version, such as "3.11.2"."""
    return ".".join(map(str, sys.version_info[:3]))


@contextlib.contextmanager
def locked(name):
    """Hold the lock `name` of this project folder; it ends with the process at the latest."""
    import fcntl  # here, because Windows has none

    VAR.mkdir(exist_ok=True)
    with open(VAR / f"{name.replace(' ', '-')}.lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"   Another run is preparing the {name}; waiting for it.", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# --- Running pip -------------------------------------------------------------------------------


def run(command, **environment):
    """Run a command quietly and return its output. Raises CommandFailed, a Problem."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PIP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Problem(f"No end after {PIP_SECONDS} s: {' '.join(command)}") from None
    if done.returncode != 0:
        raise CommandFailed(command, done.stdout)
    return done.stdout


def run_pip(arguments):
    """Run pip in `.venv`; a person's own settings for the index, proxy and so on are in force."""
    # PIP_USER and PIP_REQUIRE_VIRTUALENV are common settings that have no meaning in our .venv.
    run(
        [str(VENV_PYTHON), *arguments],
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_NO_INPUT="1",
        PIP_USER="0",
        PIP_REQUIRE_VIRTUALENV="0",
    )


def pip_install(*packages):
    """Install packages into `.venv`. Raises CommandFailed, or Problem if the index is away."""
    try:
        run_pip(["-m", "pip", "install", *packages])
    except CommandFailed as failed:
        if "CERTIFICATE_VERIFY_FAILED" in failed.output or "SSLError" in failed.output:
            raise Problem(NO_TRUST) from None
        if "Retrying (" in failed.output and "Could not find a version" in failed.output:
            raise Problem(no_network("the package index")) from None
        raise


if __name__ == "__main__":
    main()
