"""SmartBank's project package.

Django asks for MySQLdb. Where its C driver could not be built, PyMySQL answers in its name;
with neither of them the package still imports, because the bootstrap runs before both exist.
"""

import contextlib

try:
    import MySQLdb  # noqa: F401
except ImportError:
    with contextlib.suppress(ImportError):
        import pymysql

        pymysql.install_as_MySQLdb()
