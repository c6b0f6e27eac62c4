"""The entry point for a WSGI server: `gunicorn smartbank.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartbank.settings")

application = get_wsgi_application()

from smartbank import checks  # noqa: E402  (needs the apps that the line above has loaded)

checks.refuse_to_serve_unsafely()
