"""How tests work in the back office: they open a page and send its form, like a person."""

from django.http import HttpResponse

REASON = "Asked for it at the counter"


def fill_in(person, url: str, **fields) -> HttpResponse:
    """Open the form at `url`, fill in `fields`, send it once and return the answer.

    Without a reason among them, REASON is given where the page asks for one.
    """
    browser = person.browser
    page = browser.get(url)
    assert page.status_code == 200
    hidden = {one.html_name: one.value() for one in page.context["form"].hidden_fields()}
    told = {"reason": REASON} if "reason" in page.context["form"].fields else {}
    token = str(page.context["csrf_token"])
    return browser.post(url, {**hidden, **told, "csrfmiddlewaretoken": token, **fields})


def forge(person, url: str, /, **fields) -> HttpResponse:
    """Send a form that no page offered, with a valid CSRF token."""
    browser = person.browser
    browser.cookies["csrftoken"] = token = "a" * 32
    return browser.post(url, {"csrfmiddlewaretoken": token, **fields})


def errors(page: HttpResponse) -> dict:
    """Return the errors that the page shows, by field; `__all__` is about the whole form."""
    return {name: list(lines) for name, lines in page.context["form"].errors.items()}
