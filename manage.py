#!/usr/bin/env python3
"""Django's command line, plus a bootstrap: `demo` and `test` need nothing but Python 3.11."""

import os
import sys

from smartbank import bootstrap


def main():
    """Run administrative tasks."""
    bootstrap.before_django(sys.argv)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartbank.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
