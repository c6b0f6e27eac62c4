"""The demo's settings, made before Django reads any. Standard library only.

`manage.py demo` writes them to `.env`, so that later commands in this tree work on its bank.
"""

import os
import secrets
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOTENV = ROOT / ".env"
FIRST_LINE = "# Written by `manage.py demo`: settings of a demo bank on this machine only."
DEMO_KEY_PREFIX = "demo-"
OFF = {"0", "false", "no", "off"}


class Refused(Exception):
    """The demo does not run in this environment; the message says why."""


def prepare(environment: dict[str, str] = os.environ, dotenv: Path = DOTENV) -> None:
    """Put the demo's settings into `environment` and `dotenv`; what is already there wins.

    A `.env` that is not the demo's own is left as it is, and with SMARTBANK_READ_DOTENV=0 none is
    read or written. Raises Refused if DEBUG is off.
    """
    uses_dotenv = environment.get("SMARTBANK_READ_DOTENV", "1").lower() not in OFF
    found = _read(dotenv) if uses_dotenv else {}
    is_ours = not dotenv.exists() or dotenv.read_text().startswith(FIRST_LINE)
    var = dotenv.parent / "var"
    wanted = {
        "DEBUG": "1",
        "SECRET_KEY": DEMO_KEY_PREFIX + secrets.token_urlsafe(48),
        "DATABASE_URL": f"sqlite:///{var}/demo.sqlite3",
    }
    for name in wanted:
        wanted[name] = environment.get(name) or found.get(name) or wanted[name]
    if wanted["DEBUG"].lower() in OFF:
        raise Refused("The demo has published passwords, so it runs only with DEBUG on.")
    if wanted["DATABASE_URL"].startswith(f"sqlite:///{var}/"):
        var.mkdir(exist_ok=True)
    environment.update(wanted)
    if uses_dotenv and is_ours:
        dotenv.touch(mode=0o600)
        dotenv.write_text(
            FIRST_LINE + "\n" + "".join(f"{name}={text}\n" for name, text in wanted.items())
        )


def _read(dotenv: Path) -> dict[str, str]:
    if not dotenv.exists():
        return {}
    lines = [line.strip() for line in dotenv.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return {name.removeprefix("export ").strip(): text.strip(" \"'") for name, _, text in pairs}
