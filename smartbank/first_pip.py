"""The first pip of an environment whose Python brings none.

It comes from where the person's own pip settings say that packages come from. Standard library
only; like `bootstrap`, the file has to parse on Python 3.6.
"""

import base64
import configparser
import contextlib
import hashlib
import os
import ssl
import sys
import urllib.error
import urllib.request
from html.parser import HTMLParser
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

# Debian's python3 lacks ensurepip, so the first pip is fetched by hand. With its hash known here,
# an index can give us this pip or none. The hash is the one on https://pypi.org/simple/pip/.
PIP_WHEEL = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"

NO_TRUST = (
    "The package index's TLS certificate cannot be verified. On Debian: apt-get install "
    "ca-certificates. Behind a company proxy: set PIP_CERT to its certificate file."
)


class Problem(Exception):
    """Something a person has to solve; the message is a sentence for them, without traceback."""


def no_network(what):
    """The sentence for when `what` cannot be reached."""
    return (
        f"Cannot reach {what}: check the network, or set PIP_INDEX_URL (and HTTPS_PROXY) "
        "to what your network uses."
    )


def fetch_pip():
    """Return the pip wheel, from where the person's pip settings say packages come from."""
    settings = pip_settings()
    content = pip_from_links(settings) or pip_from_indexes(settings)
    if hashlib.sha256(content).hexdigest() != PIP_SHA256:
        raise Problem(f"The index's {PIP_WHEEL} is not the one we know: its SHA-256 differs.")
    return content


def pip_from_links(settings):
    """The pip wheel from a local directory of `find-links`, or None."""
    for place in settings.get("find-links", "").split():
        wheel = Path(unquote(urlsplit(place).path), PIP_WHEEL)
        if urlsplit(place).scheme in ("", "file") and wheel.exists():
            return wheel.read_bytes()
    return None


def pip_from_indexes(settings):
    """The pip wheel from the first index that lists it."""
    indexes = [settings.get("index-url", "https://pypi.org/simple")]
    indexes += settings.get("extra-index-url", "").split()
    if settings.get("no-index", "0").lower() in ("1", "true", "yes", "on"):
        indexes = []
    problems = []
    for index in indexes:
        page_url = index.rstrip("/") + "/pip/"
        if page_url.startswith("file:"):
            page_url += "index.html"
        page = LinkParser()
        try:
            page.feed(fetch(page_url, settings).decode("utf-8", "replace"))
            if PIP_WHEEL in page.links:
                return fetch(urljoin(page_url, page.links[PIP_WHEEL]), settings)
        except Problem as problem:  # another index may do
            problems.append(problem)
    if problems:
        raise problems[0]
    raise Problem(
        f"{PIP_WHEEL} is in no package index or find-links directory that pip is configured to "
        "use. On Debian `apt-get install python3-venv` makes it unnecessary."
    )


class LinkParser(HTMLParser):
    """The links of an index page: `links` maps file names to addresses."""

    def __init__(self):
        super().__init__()
        self.links = {}

    def handle_starttag(self, tag, attrs):
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.links[unquote(urlsplit(href).path).split("/")[-1]] = href


def pip_settings():
    """Return pip's settings as pip would see them, without the dashes in front of the names."""
    settings = {}
    parsers = [parser_of(path) for path in pip_config_files()]
    for section in ("global", "install"):
        for parser in parsers:
            if parser.has_section(section):
                settings.update(parser.items(section))
    for name, value in os.environ.items():
        if name.startswith("PIP_"):
            settings[name[len("PIP_") :].lower()] = value
    return {name.replace("_", "-"): value.strip() for name, value in settings.items()}


def pip_config_files():
    """The configuration files that pip reads, the weakest first."""
    special = os.environ.get("PIP_CONFIG_FILE")
    if special == os.devnull:  # pip's own way to say: no files at all
        return []
    home = Path(os.path.expanduser("~"))
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    config_dirs = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    mac = Path("Library/Application Support/pip/pip.conf")
    return [
        *(Path(directory, "pip/pip.conf") for directory in config_dirs),
        *([Path("/", mac)] if sys.platform == "darwin" else []),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        config_home / "pip/pip.conf",
        *([home / mac] if sys.platform == "darwin" else []),
        Path(sys.prefix, "pip.conf"),
        *([Path(special)] if special else []),
    ]


def parser_of(path):
    """Read one configuration file; a missing or unreadable one is empty."""
    parser = configparser.RawConfigParser()
    with contextlib.suppress(OSError, configparser.Error):
        parser.read(str(path), encoding="utf-8")
    return parser


def fetch(url, settings):
    """Return what is at `url`, by pip's settings for proxy, certificates and trusted hosts."""
    parts = urlsplit(url)
    request = urllib.request.Request(
        urlunsplit(parts._replace(netloc=parts.netloc.split("@")[-1])),
        headers={"Accept": "text/html, */*;q=0.1"},
    )
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        encoded = base64.b64encode(login.encode()).decode()
        request.add_header("Authorization", "Basic " + encoded)
    handlers = [urllib.request.HTTPSHandler(context=tls_context(parts, settings))]
    if settings.get("proxy"):
        proxies = {"http": settings["proxy"], "https": settings["proxy"]}
        handlers.append(urllib.request.ProxyHandler(proxies))
    try:
        opener = urllib.request.build_opener(*handlers)
        with opener.open(request, timeout=float(settings.get("timeout", 30))) as response:
            return response.read()
    except (OSError, ValueError, HTTPException) as error:
        if isinstance(getattr(error, "reason", None), ssl.SSLError):
            raise Problem(NO_TRUST) from None
        raise Problem(no_network(f"{parts.hostname or url} ({error})")) from None


def tls_context(parts, settings):
    """Trust whom pip would trust."""
    host_names = {parts.hostname, parts.netloc.split("@")[-1]}
    if host_names & set(settings.get("trusted-host", "").split()):
        return ssl._create_unverified_context()
    bundle = settings.get("cert")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        bundle = bundle or os.environ.get(name)
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise Problem(f"There are no certificates in {bundle}: {error}.") from None
