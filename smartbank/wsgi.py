"""The entry point for a WSGI server: `manage.py serve`."""

import gc
import os
from io import BytesIO

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartbank.settings")
# A request waits this long for an answer of the database; commands may take their time.
os.environ.setdefault("DATABASE_READ_SECONDS", "15")

CODING = "HTTP_TRANSFER_ENCODING"

_django = get_wsgi_application()
gc.freeze()  # what is loaded stays: the garbage collector need not look at it again and again


def application(environ, start_response):
    """Serve one request (PEP 3333), after three repairs that Django needs before it looks.

    A chunked body has no length, and Django would take it for empty; so it is read here, up to one
    byte over the bound. A Content-Type whose RFC 2231 parameter names an unknown charset breaks
    Django's request; no JSON needs such a parameter, so it counts as another type: 415. And where a
    trusted proxy ended TLS, its X-Forwarded-Proto says so.
    """
    if environ.get("wsgi.input_terminated") and "chunked" in environ.get(CODING, ""):
        most = settings.BODY_BYTES.get(environ["PATH_INFO"], settings.MAX_BODY_BYTES)
        body = environ["wsgi.input"].read(most + 1)
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
    if "*=" in environ.get("CONTENT_TYPE", ""):
        environ["CONTENT_TYPE"] = "application/octet-stream"
    if environ.get("REMOTE_ADDR") in settings.TRUSTED_PROXIES:
        tls = environ.get("HTTP_X_FORWARDED_PROTO") == "https"
        environ["wsgi.url_scheme"] = "https" if tls else "http"
    return _django(environ, start_response)


from smartbank import checks  # noqa: E402  (needs the apps that the line above has loaded)

checks.refuse_to_serve_unsafely()
