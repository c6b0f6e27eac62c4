"""What tests read of a page: its title, its text, its form, what it complains about."""

from html.parser import HTMLParser

VOID = {"input", "meta", "link", "br"}


class Page(HTMLParser):
    """An HTML response as a person sees it: `text` is what is visible, with single spaces."""

    def __init__(self, response):
        super().__init__()
        self.status = response.status_code
        self.title = ""
        self.words: list[str] = []
        self.problems: list[str] = []
        self.fields: dict[str, str] = {}
        self.links: list[str] = []
        self._open: list[tuple[str, dict]] = []
        assert response["Content-Type"] == "text/html; charset=utf-8"
        self.feed(response.content.decode())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in VOID:
            self._open.append((tag, attributes))
        if tag == "input":
            self.fields.setdefault(attributes["name"], attributes.get("value") or "")
        if tag == "option" and (self._select not in self.fields or "selected" in attributes):
            self.fields[self._select] = attributes["value"]
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "li" and self._inside_problems:
            self.problems.append("")

    def handle_endtag(self, tag):
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data):
        if any(tag == "title" for tag, _ in self._open):
            self.title += data
        elif any(tag == "body" for tag, _ in self._open):
            self.words.append(data)
        if self._inside_problems and self.problems:
            self.problems[-1] = (self.problems[-1] + data).strip()

    @property
    def _select(self) -> str:
        return next(attributes["name"] for tag, attributes in self._open if tag == "select")

    @property
    def _inside_problems(self) -> bool:
        return any(attributes.get("role") == "alert" for _, attributes in self._open)


def visit(browser, path: str) -> Page:
    """GET a path and read the page."""
    return Page(browser.get(path))


def submit(browser, path: str, page: Page, **typed):
    """POST the page's form with what was typed into it, and return the response."""
    return browser.post(path, {**page.fields, **typed})
