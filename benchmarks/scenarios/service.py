"""An HTTP service that fails by plan, in a process of its own: `python -m benchmarks.scenarios.service`.

Prints its port. `POST /plan` takes `[[at, mode], …]` (CLOCK_MONOTONIC, which all processes of a machine share), `GET
/log` gives every call as `[began, ended, id, what came of it]`; `GET /call/ID` is the service itself. Modes: "ok",
"503", "hang" (never answers), "429" (with Retry-After).
"""

import asyncio
import json
import os
import sys
import time

#: Seconds that one call takes, and that a 429 asks to wait.
SERVICE, RETRY_AFTER = 0.2, 2

Call = tuple[float, float, str, str]


class Service:
    def __init__(self) -> None:
        self.plan: list[tuple[float, str]] = [(0.0, "ok")]
        self.log: list[Call] = []

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        asyncio.get_running_loop().add_reader(sys.stdin, lambda: os._exit(0))  # whoever started it is gone
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                _, path, _ = line.decode().split()
                length = 0
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = await reader.readexactly(length)
                writer.write(await self._answer(path, body, reader))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, body: bytes, reader: asyncio.StreamReader) -> bytes:
        if path == "/plan":
            self.plan = [(float(at), str(mode)) for at, mode in json.loads(body)]
            return _http("200 OK", b"")
        if path == "/log":
            return _http("200 OK", json.dumps(self.log).encode())
        began, mode = time.monotonic(), self._mode()
        try:
            return await self._called(mode, reader)
        finally:
            self.log.append((began, time.monotonic(), path.rpartition("/")[2], mode))

    async def _called(self, mode: str, reader: asyncio.StreamReader) -> bytes:
        if mode == "hang":
            await reader.read(1)  # until the client gives up
            raise ConnectionError
        if mode == "ok":
            await asyncio.sleep(SERVICE)
            return _http("200 OK", b"")
        if mode == "429":
            return _http("429 Too Many Requests", b"", f"Retry-After: {RETRY_AFTER}")
        return _http("503 Service Unavailable", b"")

    def _mode(self) -> str:
        now = time.monotonic()
        return next(mode for at, mode in reversed(self.plan) if at <= now)


def _http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


if __name__ == "__main__":
    asyncio.run(Service().serve())
