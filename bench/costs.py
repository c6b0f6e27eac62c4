"""What a round costs besides time: processor seconds and statements."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Costs:
    """Counters that only grow; the difference of two is what happened in between."""

    server: float  # processor seconds of the web server's processes
    database: float
    statements: int

    def __sub__(self, earlier: "Costs") -> "Costs":
        return Costs(
            self.server - earlier.server,
            self.database - earlier.database,
            self.statements - earlier.statements,
        )

    def __add__(self, other: "Costs") -> "Costs":
        return Costs(
            self.server + other.server,
            self.database + other.database,
            self.statements + other.statements,
        )


NOTHING = Costs(0, 0, 0)


def count(cursor, server_pid: int | None, database_pid: int | None) -> Costs:
    """Return the counters now. Processes that are not ours count nothing, nor does a database that
    nobody showed us (no cursor)."""
    if cursor is None:
        return NOTHING
    cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
    ((_, statements),) = cursor.fetchall()
    return Costs(_processor(server_pid), _processor(database_pid), int(statements))


def _processor(pid: int | None) -> float:
    """Return the processor seconds of a process and its children (Linux), as far as they live."""
    if pid is None:
        return 0.0
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(map(_processor, map(int, children)))
