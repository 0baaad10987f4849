"""What real clients raise when a real server on this machine answers, hangs, breaks off or is not there."""

import asyncio
import http.client
import smtplib
import socket
import socketserver
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import aiohttp
import httpx
import pytest
import requests
import urllib3

from forebay.model.verdict import Kind
from forebay.provider.classify import classify

NOW = 1_777_636_800.0  # 2026-05-01T12:00:00Z
OUTAGE, THROTTLE, REJECTED, BUG = Kind.OUTAGE, Kind.THROTTLE, Kind.REJECTED, Kind.BUG
PATIENT, HASTY = 30.0, 0.3  # seconds that clients wait for an answer that comes, and for one that does not


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.over = threading.Event()


@contextmanager
def serving(handler):
    with Server(handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield server.server_address[1]
        finally:
            server.over.set()
            server.shutdown()


class Http(socketserver.StreamRequestHandler):
    """Answers /STATUS, with the headers of the query as they stand; /hang, /cut and /reset do what they say."""

    def handle(self):
        path, _, query = self.rfile.readline().decode().split()[1][1:].partition("?")
        while self.rfile.readline().strip():
            pass
        if path == "hang":
            self.server.over.wait(PATIENT)
        elif path == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")
        elif path == "reset":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        else:
            headers = urllib.request.unquote(query)
            head = f"HTTP/1.1 {path} Said\r\ncontent-length: 0\r\nconnection: close\r\n{headers}\r\n"
            self.wfile.write((head + ("\r\n" if headers else "")).encode())


@pytest.fixture(scope="module")
def server():
    with serving(Http) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def closed():
    """The address of nobody."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/200"


def by_httpx(url, wait=PATIENT):
    with httpx.Client(timeout=wait, trust_env=False) as client:
        client.get(url).raise_for_status()


def by_httpx_async(url, wait=PATIENT):
    async def get():
        async with httpx.AsyncClient(timeout=wait, trust_env=False) as client:
            (await client.get(url)).raise_for_status()

    asyncio.run(get())


def by_requests(url, wait=PATIENT):
    with requests.Session() as session:
        session.trust_env = False
        session.get(url, timeout=wait).raise_for_status()


def by_aiohttp(url, wait=PATIENT):
    async def get():
        timeout = aiohttp.ClientTimeout(total=wait)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, raise_for_status=True) as response,
        ):
            await response.read()

    asyncio.run(get())


def by_urllib3(url, wait=PATIENT):
    with urllib3.PoolManager(retries=urllib3.Retry(1, status_forcelist=range(400, 600)), timeout=wait) as pool:
        pool.request("GET", url)


def by_urllib(url, wait=PATIENT):
    try:
        with urllib.request.urlopen(url, timeout=wait) as response:
            response.read()
    except urllib.error.HTTPError as answer:
        answer.close()  # it is the response, too, and holds a socket
        raise


def by_http_client(url, wait=PATIENT):
    address, path = url.removeprefix("http://").split("/")
    connection = http.client.HTTPConnection(address, timeout=wait)
    try:
        connection.request("GET", f"/{path}")
        connection.getresponse().read()
    finally:
        connection.close()


def by_streams(url, wait=PATIENT):
    async def get():
        host, port = url.removeprefix("http://").split("/")[0].split(":")
        async with asyncio.timeout(wait):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET /{url.rpartition('/')[2]} HTTP/1.1\r\n\r\n".encode())
            try:
                await reader.readexactly(1)
            finally:
                writer.close()

    asyncio.run(get())


CLIENTS = [by_httpx, by_httpx_async, by_requests, by_aiohttp, by_urllib3, by_urllib]
WITH_STATUS = [pytest.param(client, id=client.__name__) for client in CLIENTS]
ALL = [*WITH_STATUS, *(pytest.param(client, id=client.__name__) for client in (by_http_client, by_streams))]


def verdict(client, url, **options):
    with pytest.raises(Exception) as raised:
        client(url, **options)
    return classify(raised.value, NOW)


@pytest.mark.parametrize("client", WITH_STATUS)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [("503", OUTAGE), ("500", OUTAGE), ("429", THROTTLE), ("401", REJECTED), ("403", REJECTED), ("404", REJECTED)],
)
def test_a_status_is_told(client, answer, kind, server):
    assert verdict(client, f"{server}/{answer}").kind is kind


@pytest.mark.parametrize("client", [one for one in WITH_STATUS if one.id != "by_urllib3"])
@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("Retry-After: 30", 30),
        ("RETRY-AFTER: Fri, 01 May 2026 12:00:45 GMT", 45),
        ("Retry-After-Ms: 250", 0.25),
        ("X-RateLimit-Reset-Tokens: 6m0s", 360),
        ("Retry-After: 30\r\nRetry-After: 30", 30),
    ],
)
def test_a_wait_is_told(client, header, wait, server):
    found = verdict(client, f"{server}/429?{urllib.request.quote(header)}")
    assert (found.kind, found.retry_after) == (THROTTLE, pytest.approx(wait))


@pytest.mark.parametrize("client", ALL)
def test_a_refused_connection_is_an_outage(client, closed):
    found = verdict(client, closed)
    assert (found.kind, found.reason.partition(":")[0]) == (OUTAGE, "no connection")


@pytest.mark.parametrize("client", ALL)
def test_no_answer_in_time_is_an_outage(client, server):
    assert verdict(client, f"{server}/hang", wait=HASTY).kind is OUTAGE


@pytest.mark.parametrize("client", ALL)
def test_a_reset_connection_is_an_outage(client, server):
    assert verdict(client, f"{server}/reset").kind is OUTAGE


@pytest.mark.parametrize("client", [one for one in ALL if one.id != "by_streams"])
def test_an_answer_that_breaks_off_is_an_outage(client, server):
    assert verdict(client, f"{server}/cut").kind is OUTAGE


@pytest.mark.parametrize("client", WITH_STATUS)
def test_a_name_that_cannot_be_resolved_is_an_outage(client, monkeypatch):
    def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert verdict(client, "http://provider.invalid/200").kind is OUTAGE


@pytest.mark.parametrize("client", [by_httpx, by_requests, by_urllib3, by_urllib])
def test_a_server_that_speaks_no_tls_is_an_outage(client, server):
    assert verdict(client, server.replace("http:", "https:") + "/200", wait=HASTY).kind is OUTAGE


@pytest.mark.parametrize("client", [by_httpx, by_requests, by_aiohttp, by_urllib3, by_urllib])
def test_an_address_that_is_none_is_a_bug(client):
    assert verdict(client, "gopher://127.0.0.1/").kind is BUG


def test_a_bare_socket_and_a_bare_tls_handshake_are_told(server):
    port = int(server.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=HASTY) as plain:
        plain.sendall(b"GET /hang HTTP/1.1\r\n\r\n")
        with pytest.raises(TimeoutError) as late:
            plain.recv(1)
    assert classify(late.value, NOW).kind is OUTAGE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=HASTY) as plain,
        pytest.raises(OSError) as broken,  # an SSLError, or a reset
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="x")
    assert classify(broken.value, NOW).kind is OUTAGE


def test_a_task_group_that_called_several_is_told_by_the_worst(server):
    async def both():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(by_httpx, f"{server}/404"))
            group.create_task(asyncio.to_thread(by_requests, f"{server}/503?Retry-After:%207"))

    found = verdict(lambda _: asyncio.run(both()), "")
    assert found.kind in {OUTAGE, REJECTED}  # whichever came first may have ended the other


class Mail(socketserver.StreamRequestHandler):
    """A mail server that answers RCPT with the code that the local part of the address is, and DATA too."""

    def handle(self):
        self.say("220 mail")
        while line := self.rfile.readline().decode().strip():
            word, _, rest = line.partition(" ")
            word = word.upper()
            if word == "QUIT":
                return self.say("221 bye")
            if word == "AUTH":
                self.say("535 5.7.8 no")
            elif word == "EHLO":
                self.say("250-mail\r\n250 AUTH PLAIN")
            elif word == "RCPT" and "gone@" in rest:
                return None
            else:
                self.say(f"{rest[4:7]} said" if word == "RCPT" else "250 ok")
        return None

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture(scope="module")
def mail():
    with serving(Mail) as port:
        yield port


@pytest.mark.parametrize(
    ("recipients", "kind"),
    [
        (["450@x.y"], OUTAGE),
        (["421@x.y"], OUTAGE),
        (["550@x.y"], REJECTED),
        (["550@x.y", "451@x.y"], OUTAGE),
        (["gone@x.y"], OUTAGE),
    ],
)
def test_smtplib_is_told(recipients, kind, mail):
    def send(_):
        with smtplib.SMTP("127.0.0.1", mail, timeout=PATIENT) as client:
            client.sendmail("a@b.c", recipients, "Subject: x\r\n\r\n")

    assert verdict(send, "").kind is kind


def test_smtplib_with_wrong_credentials_is_refused(mail):
    def send(_):
        with smtplib.SMTP("127.0.0.1", mail, timeout=PATIENT) as client:
            client.login("user", "wrong")

    assert verdict(send, "").kind is REJECTED


def test_smtplib_without_a_server_is_an_outage(closed):
    host, port = closed.removeprefix("http://").removesuffix("/200").split(":")
    assert verdict(lambda _: smtplib.SMTP(host, int(port)), "").kind is OUTAGE
