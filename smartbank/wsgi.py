"""The entry point for a WSGI server: `gunicorn smartbank.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartbank.settings")

_django = get_wsgi_application()


def application(environ, start_response):
    """Serve one request (PEP 3333).

    Django's request breaks, before any of our code, on a Content-Type whose RFC 2231 parameter
    names an unknown charset. No JSON needs such a parameter, so it counts as another type: 415.
    """
    if "*=" in environ.get("CONTENT_TYPE", ""):
        environ["CONTENT_TYPE"] = "application/octet-stream"
    return _django(environ, start_response)


from smartbank import checks  # noqa: E402  (needs the apps that the line above has loaded)

checks.refuse_to_serve_unsafely()
