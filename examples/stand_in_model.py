"""Stands for a language model that knows one tool: a small HTTP service on this machine, for `17_agent_loop.py`."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class _Model(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        final = said[-1].startswith("result: ")
        answer = {"text": f"the answer is {said[-1][8:]}"} if final else {"tool": "multiply", "args": [6, 7]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({**answer, "tokens": 90}).encode())

    def log_message(self, *args: object) -> None:
        """Quiet."""


def start() -> str:
    """Start it; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
