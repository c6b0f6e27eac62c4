"""A real browser on a live bank: Chromium of this machine, driven by Playwright.

Every test in this folder is marked `browser`. Without a Chromium, or without Playwright, they are
skipped by name; in CI that is a failure. axe-core, which looks for barriers, lies in `axe/`.
"""

import os
import shutil
from pathlib import Path

import pytest
from django.conf import settings

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

HERE = Path(__file__).parent
AXE = (HERE / "axe" / "axe.min.js").read_text()
CHROMIUMS = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"]
QUIET = [
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-gpu"),
]
SECONDS = 10
DESKTOP, PHONE, NARROWEST = (1280, 900), (390, 844), (320, 640)


def pytest_collection_modifyitems(items):
    """Mark what is in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


def _missing(what: str) -> None:
    """Skip for want of `what`; in CI, where it is a defect, fail."""
    sentence = f"{what}: the pages were not tried in a browser"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def chromium():
    """The one browser of the run; each test opens contexts of its own in it."""
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if sync_playwright is None:
        _missing("Playwright is not installed")
    if program is None:
        _missing("there is no Chromium (apt-get install chromium)")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for an async view.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_browser(chromium, live_server):
    """Return a function that opens a browser window on the bank, signed in as a person if given.

    Paths are enough for `goto`. Whatever a page writes to the console as an error, or throws,
    fails the test at its end: a blocked script or style is one of these.
    """
    contexts, complaints = [], []

    def open_window(person=None, size=DESKTOP, **options):
        width, height = size
        context = chromium.new_context(
            base_url=live_server.url, viewport={"width": width, "height": height}, **options
        )
        contexts.append(context)
        context.set_default_timeout(SECONDS * 1000)
        if person:
            sign_in(context, person, live_server.url)
        page = context.new_page()
        page.on("console", lambda one: complaints.append(one.text) if is_defect(one) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert complaints == []


def is_defect(message) -> bool:
    """Return whether a console message is a defect of the page. Chromium also writes there that an
    answer had a status of 400 or above, which is what a refusal should have."""
    return message.type == "error" and "the server responded with a status of" not in message.text


def sign_in(context, person, url: str) -> None:
    """Give the browser the session of somebody who has signed in."""
    session = person.browser.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}])


def barriers(page) -> list[str]:
    """Return what axe-core finds wrong with the page as it is now: rule and place of each."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run().then(results => results.violations)")
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


def sideways(page) -> int:
    """Return by how many pixels the page is wider than its window."""
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
