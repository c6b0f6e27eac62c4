"""How fast the bank is: `manage.py bench`.

It starts a private database and `manage.py serve`, makes a bank, and measures everything in short
rounds that take turns, so that a noisy machine disturbs all rows alike. The yardstick is the same
work done by the C driver alone, without HTTP, Python objects or a single check.

    data.py      the bank that is measured, and the requests that are sent to it
    database.py  where that bank is
    bank.py      how it is opened and served
    load.py      the load generator: one thread, many connections
    c_driver.py  the yardstick
    rows.py      what is measured
    run.py       one run: the rounds, the table, the JSON
"""
