"""What the documents promise is so: the commands, the curl session, the names, the links."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smartbank.bootstrap import ROOT
from smartbank.openapi.operations import OPERATIONS
from smartbank.settings import VERSION

README = ROOT / "README.md"
WHOLE_API = ROOT / "docs" / "curl.md"
CALLED = re.compile(r'curl .*?"\$BASE(/[^"?]*)')
CURL_BLOCK = re.compile(r"^```sh curl\n(.*?)^```$", re.M | re.S)
PROMISE = re.compile(r"^# (\d{3}) ?(.*)$", re.M)
ANSWER = re.compile(r"HTTP/1\.1 (?=\d{3} )")
NAME_IN_SETTINGS = re.compile(r'\benv(?:\.\w+)?\(\s*"([A-Z_]+)"')
NAME_IN_DOTENV = re.compile(r"^(?:# ?)?([A-Z][A-Z_]+)=", re.M)
PATH_UPWARDS = re.compile(r"(?<![\w/.])\.\./[\w./-]*")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def files_in_git() -> list[Path]:
    """Return every file that is in git, or would be with the next commit."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("there is no git here: which files are the project's is not known")
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def test_the_readme_names_the_two_commands():
    readme = README.read_text()
    assert "python3 manage.py demo" in readme
    assert "python3 manage.py test" in readme


@pytest.mark.parametrize("document", [README, WHOLE_API], ids=["README", "the whole API"])
def test_a_documents_curl_session_works_from_top_to_bottom(document, demo_server, curl, tmp_path):
    """Every block marked `sh curl` is one part of the session. In it, `curl -i` shows an answer,
    and a comment such as `# 402 "insufficient_funds"` above it says its status and what is in it.
    """
    session = "".join(CURL_BLOCK.findall(document.read_text()))
    promises = PROMISE.findall(session)
    assert {"200", "201", "402"} <= {status for status, _ in promises}

    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{session}"],
        cwd=tmp_path,
        env={**os.environ, "BASE": demo_server.base},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = ANSWER.split(done.stdout)[1:]
    assert [answer[:3] for answer in answers] == [status for status, _ in promises]
    for answer, (_, words) in zip(answers, promises, strict=True):
        assert words.lower() in answer.lower()  # names of headers have no case


def test_the_session_of_the_whole_api_calls_every_operation():
    session = "".join(CURL_BLOCK.findall(WHOLE_API.read_text())).replace("\\\n", "")
    called = set()
    for line in session.splitlines():
        if path := CALLED.search(line):
            method = re.search(r"-X (\w+)", line)
            usual = "POST" if " -d " in line else "GET"
            called.add((method[1] if method else usual, re.sub(r"\$\w+", "{id}", path[1])))
    assert set(OPERATIONS) - called == set()


def test_every_name_in_the_environment_is_explained_and_every_explained_name_is_read():
    read = set(NAME_IN_SETTINGS.findall((ROOT / "smartbank" / "settings.py").read_text()))
    explained = set(NAME_IN_DOTENV.findall((ROOT / ".env.example").read_text()))
    assert {"DEBUG", "SECRET_KEY", "DATABASE_URL"} <= read
    assert read - explained == set()
    assert explained - read == set()


def our_commands() -> list[str]:
    """Return the names of all commands of this project's own."""
    return [
        "test",
        "torture",
        "bench",
        *sorted(path.stem for path in ROOT.glob("*/management/commands/[a-z]*.py")),
    ]


@pytest.mark.parametrize("command", our_commands())
def test_every_command_explains_itself(command):
    done = subprocess.run(
        [sys.executable, "manage.py", command, "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    usage, explanation, *_ = done.stdout.split("\n\n")
    assert usage.startswith(f"usage: manage.py {command} ")
    assert len(explanation) > 40


def test_the_changelog_tells_what_is_new_in_this_version():
    headings = re.findall(r"^## .*$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert any(re.search(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])", line) for line in headings)


def test_every_path_in_a_file_stays_within_the_project():
    lost = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in files_in_git()
        for found in PATH_UPWARDS.findall(path.read_text(errors="ignore"))
        if not (path.parent / found).resolve().is_relative_to(ROOT)
        or not (path.parent / found).exists()
    ]
    assert lost == []


def test_every_link_between_documents_leads_somewhere():
    lost = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in files_in_git()
        if path.suffix == ".md"
        for target in LINK.findall(path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert lost == []
