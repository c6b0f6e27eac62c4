"""Every word that a customer reads is there in every language, compiled as it was written.

The sources are searched with Python alone: nobody needs GNU gettext to run this.
"""

import ast
import gettext
import re

import pytest
from django.conf import settings
from django.utils.translation.template import templatize

from accounts.tests.browsing import Page, submit, visit
from smartbank.bootstrap import ROOT

MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "npgettext", "pgettext"}
IN_TEMPLATE = re.compile(r"""\b_?gettext\(u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
APPS = ["accounts", "audit", "transfers", "office", "smartbank"]
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
PLACE = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+[^>]*>")


def messages() -> set[str]:
    """Return every message that is marked for translation."""
    found = set()
    for path in (path for app in APPS for path in (ROOT / app).rglob("*.py")):
        if {"tests", "migrations"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MARKS and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    for path in (ROOT / "templates").glob("*.*"):
        source = templatize(path.read_text(), origin=str(path))
        found |= {ast.literal_eval(text) for text in IN_TEMPLATE.findall(source)}
    return found


def compiled(language: str) -> dict[str, str]:
    """Return the compiled catalogue of a language."""
    path = ROOT / "locale" / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)._catalog


def written(language: str) -> dict[str, str]:
    """Return the catalogue as translators write it, without plurals."""
    text = (ROOT / "locale" / language / "LC_MESSAGES" / "django.po").read_text()
    entries = re.findall(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n)+)', text, re.M)
    joined = (
        "".join(map(ast.literal_eval, part.splitlines())) for pair in entries for part in pair
    )
    return dict(zip(joined, joined, strict=True))


def test_there_is_something_to_translate():
    assert len(messages()) > 250


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_with_all_its_places(language):
    catalogue = compiled(language)
    wrong = [
        message
        for message in messages()
        if sorted(PLACE.findall(str(catalogue.get(message) or catalogue.get((message, 0), ""))))
        != sorted(PLACE.findall(message))
        or not (catalogue.get(message) or catalogue.get((message, 0)))
    ]
    assert wrong == [], "run makemessages, translate, run compilemessages"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language):
    catalogue = compiled(language)
    assert {key: catalogue.get(key) for key in written(language) if key} == {
        key: text for key, text in written(language).items() if key
    }


def test_a_customer_reads_the_language_that_the_browser_asks_for(reena, rahul):
    reena.send(rahul, "1250.50")
    browser = reena.browser

    hindi = browser.get("/", headers={"Accept-Language": "hi-IN,hi;q=0.9,en;q=0.5"})

    assert '<html lang="hi">' in hindi.text
    assert "आपके खाते" in hindi.text and "₹3,749.50" in hindi.text
    assert hindi["Content-Language"] == "hi"
    assert '<html lang="en">' in browser.get("/", headers={"Accept-Language": "fr"}).text


def test_a_language_that_was_chosen_stays(reena):
    browser = reena.browser
    token = visit(browser, "/").fields["csrfmiddlewaretoken"]

    browser.post("/language", {"language": "hi", "csrfmiddlewaretoken": token})

    assert "आपके खाते" in visit(browser, "/").text


DJANGOS = {
    "/login": {"username": "reena", "password": "wrong"},
    "/security/password": {"old_password": "x", "new_password1": "reena", "new_password2": "y"},
    "/forgotten": {"email": "no address"},
    "/tokens/new": {"name": "x" * 61, "days": "9", "scopes": "none", "password": ""},
}


@pytest.mark.parametrize("path", DJANGOS)
def test_what_django_says_is_said_in_hindi_too(path, reena):
    """Its own Hindi lacks much of what forms say; the browser's and the bank's names are Latin."""
    browser = reena.browser
    browser.cookies[settings.LANGUAGE_COOKIE_NAME] = "hi"
    page = Page(submit(browser, path, visit(browser, path), **DJANGOS[path]))

    assert page.problems
    words = re.findall(r"[A-Za-z]{2,}", page.text)
    assert set(words) <= {"SmartBank", "Reena", "English", "IST", "API", "IP", "none", "reena"}


def test_api_and_back_office_speak_english_whatever_is_asked_for(reena, manager):
    hindi = {"Accept-Language": "hi"}
    answer = reena.api.get("/transfers/nonsense", **hindi)
    assert answer.json()["detail"].isascii()
    assert "Accept-Language" not in answer.get("Vary", "")
    assert '<html lang="en' in manager.browser.get("/admin/", headers=hindi).text
