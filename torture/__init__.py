"""A harness that tries to make the bank lose money, and proves from outside that it did not.

`manage.py torture` starts a private database and a real server, lets many clients move money over
plain HTTP, breaks what can break under them, and then holds what the clients were told against what
the database holds. Nothing here is part of the running bank.

    bank      opens the bank under test and writes down who its clients are
    app       the server under test, with workers that can be killed
    proxy     stands between the server and its database and loses messages
    clients   the load: every intent is repeated under its key until it has a verdict
    nemesis   the faults
    checker   the invariants, over the clients' history and the database
    run       one run from start to verdict
"""
