"""Log lines as JSON: one line each, whatever a client puts into a path or header."""

import datetime as dt
import json
import logging


class JSONFormatter(logging.Formatter):
    """Formats a record with time (UTC), level, logger, message, and the request's id if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of ASCII JSON. Bodies, tokens and cookies are never part of it."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := getattr(record, "request", None):
            line["request_id"] = getattr(request, "request_id", None)
            line["ip"] = getattr(request, "client_ip", None)
        for name in ("status", "ms"):
            if hasattr(record, name):
                line[name] = getattr(record, name)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
