"""Django's backend for MariaDB and MySQL with packets of several statements; see `base`."""

BETWEEN = ";\n"  # two statements; in a text that is sent a new line is spelt otherwise
