"""The settings of a bank that a test serves: the product's, with assets that nobody collected."""

from smartbank.settings import *  # noqa: F403
from smartbank.settings import STORAGES

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
