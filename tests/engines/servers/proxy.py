"""A way to a server that can be cut: what goes through may be held up, its answers swallowed, or its ends torn off."""

import contextlib
import select
import socket
import threading


class Proxy:
    """Passes on what comes to `port`. `mode`: "pass", "hang" (nothing gets through), "mute" (no answer does), "refuse".

    With `change` set, that is done to each answer.
    With `tear` set, the next answer that holds these bytes is swallowed, and the connection is torn instead.
    """

    def __init__(self, host, port):
        self._target = (host, port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.mode, self.tear, self.change = "pass", None, bytes
        self._pairs = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._closed:
            try:
                client, _ = self._server.accept()
                if self.mode == "refuse":
                    client.close()
                    continue
                server = socket.create_connection(self._target)
            except OSError:
                continue
            self._pairs.add((client, server))
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client, server):
        with contextlib.suppress(OSError, ValueError):
            while True:
                ready, _, _ = select.select([client, server], [], [], 0.05)
                if self.mode == "hang":
                    continue
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return self._end(client, server)
                    if end is client:
                        server.sendall(data)
                    elif self.tear is not None and self.tear in data:
                        self.tear = None
                        return self._end(client, server)
                    elif self.mode != "mute":
                        client.sendall(self.change(data))
        return self._end(client, server)

    def _end(self, *ends):
        self._pairs.discard(ends)
        for end in ends:
            with contextlib.suppress(OSError):
                end.close()

    def cut(self):
        """Tear all connections."""
        for client, server in list(self._pairs):
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Let go of everything."""
        self._closed = True
        self._server.close()
        self.cut()
