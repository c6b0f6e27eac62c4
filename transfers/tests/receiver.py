"""A program that receives webhooks: it keeps what it got, and answers as it is told to."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What arrived, in order, and how the next message will be answered."""

    url: str = ""
    messages: list[tuple[dict, str]] = field(default_factory=list)  # headers, body
    answer: Callable[[], int] = lambda: 204

    @property
    def events(self) -> list[str]:
        """The types of what arrived."""
        return [json.loads(body)["type"] for _, body in self.messages]

    @property
    def ids(self) -> list[str]:
        """The ids of what arrived."""
        return [headers["webhook-id"] for headers, _ in self.messages]


def is_signed(headers: dict, body: str, secret: str) -> bool:
    """Check a message as https://www.standardwebhooks.com tells receivers to, independently."""
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = ".".join([headers["webhook-id"], headers["webhook-timestamp"], body])
    wanted = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
    given = [one.split(",", 1) for one in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(one, wanted) for version, one in given)


@contextmanager
def listening():
    """Receive on a free port of this machine; yield the Receiver."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length).decode()
            if len(body.encode()) < length:
                return  # whoever sent it died
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.answer()
            receiver.messages.append((headers, body))
            if status:
                self.send_response(status)
                self.send_header("Location", receiver.url)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.close_connection = True  # hangs up without a word

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://localhost:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
