"""TLS to a server: verified unless the URL says otherwise; what is wrong with it is said at once, in one error."""

import os
import pwd
import shutil

import pytest

from engines.servers import own_redis
from engines.servers.certificates import Authority
from forebay import Forebay
from forebay.engine.redis.errors import unreachable
from forebay.model.errors import ConfigError, EngineRefused, EngineUnreachable
from forebay.testing.faults.ground import NotHere
from forebay.testing.faults.servers import Postgres
from forebay.testing.ports import free_port

HOST = "localhost"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "ours"), Authority(folder, "theirs")


@pytest.fixture(scope="module")
def redis(authorities, tmp_path_factory):
    """The port at which a Redis speaks TLS."""
    certificate, key = authorities[0].certificate(HOST)
    port = free_port()
    options = {"tls_port": port, "tls_cert_file": certificate, "tls_key_file": key, "tls_auth_clients": "no"}
    with own_redis.running(tmp_path_factory.mktemp("redis"), **options):
        yield port


@pytest.fixture(scope="module")
def postgres(authorities, tmp_path_factory):
    """The port of a PostgreSQL that takes TLS."""
    server = WithTls(tmp_path_factory.mktemp("postgres"), *authorities[0].certificate(HOST))
    try:
        server.start()
    except NotHere as missing:
        server.close()
        pytest.fail(str(missing)) if os.environ.get("CI") == "true" else pytest.skip(str(missing))
    yield server.port
    server.close()


class WithTls(Postgres):
    """One that has a certificate."""

    def __init__(self, folder, *files):
        super().__init__(folder)
        self._files = files

    def command(self):
        words, how = super().command()
        place = self._above
        for name, file in zip(("server.crt", "server.key"), self._files, strict=True):
            shutil.copy(file, place / name)
            (place / name).chmod(0o600)
            if user := how.get("user"):
                os.chown(place / name, pwd.getpwnam(user).pw_uid, -1)
        tls = {"ssl": "on", "ssl_cert_file": place / "server.crt", "ssl_key_file": place / "server.key"}
        return [*words, *(word for name, value in tls.items() for word in ("-c", f"{name}={value}"))], how


def goes_through(url):
    """Whether a message is accepted there."""
    app = Forebay(url, namespace="tls")

    @app.task
    def noted() -> None: ...

    return noted.enqueue().status() == "ready"


def refusal(url):
    with pytest.raises(EngineRefused) as caught:
        goes_through(url)
    assert str(caught.value).endswith(caught.value.advice)
    return caught.value.advice


def test_redis_with_the_right_authority_and_name(redis, authorities):
    assert goes_through(f"rediss://{HOST}:{redis}/0?ssl_ca_certs={authorities[0].file}")


@pytest.mark.parametrize(
    ("host", "signed_by", "advice"),
    [(HOST, 1, "?ssl_ca_certs=FILE"), (HOST, None, "?ssl_ca_certs=FILE"), ("127.0.0.1", 0, "as the certificate names")],
)
def test_redis_with_a_certificate_that_proves_nothing(redis, authorities, host, signed_by, advice):
    trusted = "" if signed_by is None else f"?ssl_ca_certs={authorities[signed_by].file}"
    assert advice in refusal(f"rediss://{host}:{redis}/0{trusted}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("ssl_ca_certs=/no/such.pem", "there is no /no/such.pem"),
        ("ssl_certfile=/no/such.crt", "there is no /no/such.crt"),
        ("ssl_cert_reqs=perhaps", "none of required, optional, none"),
    ],
)
def test_redis_with_options_that_cannot_work(options, said):
    with pytest.raises(ConfigError, match=said):
        Forebay(f"rediss://{HOST}/0?{options}").queues()


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("certificate verify failed: certificate has expired (_ssl.c:1016)", "renewed"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "redis://"),
        ("EOF occurred in violation of protocol (_ssl.c:2427)", "ssl_certfile=FILE"),
        ("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired (_ssl.c:2580)", "ssl_certfile=FILE"),
    ],
)
def test_what_goes_wrong_with_tls_has_advice_that_fits(said, advice):
    assert advice in unreachable("rediss://h/0", OSError(said)).advice


def test_redis_without_verification_is_what_the_url_says(redis):
    assert goes_through(f"rediss://127.0.0.1:{redis}/0?ssl_cert_reqs=none")


def test_redis_that_speaks_only_tls(redis):
    with pytest.raises(EngineUnreachable, match="write rediss://"):
        goes_through(f"redis://{HOST}:{redis}/0")


def test_postgresql_with_the_right_authority_and_name(postgres, authorities):
    trusted = f"sslmode=verify-full&sslrootcert={authorities[0].file}"
    assert goes_through(f"postgresql://forebay@{HOST}:{postgres}/postgres?{trusted}")


@pytest.mark.parametrize(
    ("host", "signed_by", "advice"),
    [
        (HOST, 1, "?sslrootcert=FILE"),
        ("db.invalid", None, "?sslrootcert=FILE"),  # beyond this machine the system's authorities count
        ("db.invalid", 0, "as the certificate names"),
    ],
)
def test_postgresql_with_a_certificate_that_proves_nothing(postgres, authorities, host, signed_by, advice):
    trusted = "" if signed_by is None else f"&sslrootcert={authorities[signed_by].file}"
    asked = "&sslmode=verify-full" if host == HOST else ""  # nothing is asked for on this machine
    where = f"postgresql://forebay@{host}:{postgres}/postgres?hostaddr=127.0.0.1{trusted}{asked}"
    assert advice in refusal(where)
