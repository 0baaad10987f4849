"""A web request that answers at once: it enqueues, a worker does the rest. Only the standard library.

    forebay worker -A 13_web
    python 13_web.py

Prints:

    202 accepted
    done: welcome, Ada
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

from forebay import Forebay

app = Forebay("sqlite:///examples.db")


@app.task
def welcome(user: str) -> str:
    return f"welcome, {user}"


class Web(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        handle = welcome.enqueue(self.path.strip("/"))
        self.send_response(202)
        self.end_headers()
        self.wfile.write(handle.id.encode())

    def log_message(self, *args: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with urlopen(Request(f"http://127.0.0.1:{server.server_port}/Ada", method="POST")) as answer:
        print(answer.status, "accepted")
        print("done:", app.handle(answer.read().decode()).result(timeout=60))
    server.shutdown()
    server.server_close()
