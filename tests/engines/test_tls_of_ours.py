"""A server that wants a certificate of ours: what is wrong with that one is said at once, and not of the server's."""

import os
import pwd
import shutil

import pytest
from cryptography.hazmat.primitives import serialization as form

from engines.servers import own_redis
from engines.servers.certificates import Authority
from forebay import Forebay
from forebay.model.errors import ConfigError, EngineRefused, EngineUnreachable
from forebay.testing.faults.ground import NotHere
from forebay.testing.faults.servers import Postgres
from forebay.testing.ports import free_port

HOST, USER = "localhost", "forebay"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def redis(authority, tmp_path_factory):
    certificate, key = authority.certificate(HOST)
    port = free_port()
    tls = {"tls_port": port, "tls_cert_file": certificate, "tls_key_file": key, "tls_ca_cert_file": authority.file}
    with own_redis.running(tmp_path_factory.mktemp("redis"), **tls):
        yield f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority.file}"


@pytest.fixture(scope="module")
def postgres(authority, tmp_path_factory):
    server = Asking(tmp_path_factory.mktemp("postgres"), authority)
    try:
        server.start()
    except NotHere as missing:
        server.close()
        pytest.fail(str(missing)) if os.environ.get("CI") == "true" else pytest.skip(str(missing))
    yield f"postgresql://{USER}@{HOST}:{server.port}/postgres?sslmode=verify-full&sslrootcert={authority.file}"
    server.close()


class Asking(Postgres):
    """One that knows its users by their certificates, if they come by TLS."""

    def __init__(self, folder, authority):
        super().__init__(folder)
        self._files = dict(zip(("server.crt", "server.key"), authority.certificate(HOST), strict=True))
        self._files["ca.crt"] = authority.file

    def command(self):
        words, how = super().command()
        place = self._above
        for name, file in self._files.items():
            shutil.copy(file, place / name)
            (place / name).chmod(0o600)
            if user := how.get("user"):
                os.chown(place / name, pwd.getpwnam(user).pw_uid, -1)
        hba = place / "data" / "pg_hba.conf"
        hba.write_text(f"hostssl all all all cert\n{hba.read_text()}")
        tls = {"cert": place / "server.crt", "key": place / "server.key", "ca": place / "ca.crt"}
        return [*words, "-c", "ssl=on", *(w for n, file in tls.items() for w in ("-c", f"ssl_{n}_file={file}"))], how


def own(authority, name=USER):
    """A certificate and its key, which nobody else may read."""
    certificate, key = authority.certificate(name)
    key.chmod(0o600)
    return certificate, key


def encrypted(key):
    """The same key behind a password."""
    made = form.load_pem_private_key(key.read_bytes(), None)
    file = key.with_suffix(".locked")
    file.touch(0o600)
    file.write_bytes(
        made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"secret"))
    )
    return file


def goes_through(url):
    app = Forebay(url, namespace="tls")

    @app.task
    def noted() -> None: ...

    return noted.enqueue().status() == "ready"


def by(redis, certificate, key):
    return f"{redis}&ssl_certfile={certificate}&ssl_keyfile={key}"


def through(postgres, certificate, key):
    return f"{postgres}&sslcert={certificate}&sslkey={key}"


def refusal(url, kind=EngineRefused):
    with pytest.raises(kind) as caught:
        goes_through(url)
    return caught.value.advice


def test_redis_takes_ours(redis, authority):
    assert goes_through(by(redis, *own(authority)))


def test_redis_where_we_have_none_or_one_of_another_authority(redis, tmp_path):
    """It closes the connection when it has said what it lacks, which is not always heard."""
    for wrong in (redis, by(redis, *own(Authority(tmp_path, "theirs")))):
        assert "?ssl_certfile=FILE&ssl_keyfile=FILE" in refusal(wrong, EngineUnreachable)


def test_redis_with_a_key_that_is_none_of_ours(redis, authority):
    certificate, key = own(authority)
    _, other = own(authority, "somebody")
    with pytest.raises(ConfigError, match="is encrypted: give one that is not"):
        goes_through(by(redis, certificate, encrypted(key)))
    for wrong in (by(redis, certificate, other), f"{redis}&ssl_certfile={certificate}", by(redis, key, key)):
        with pytest.raises(ConfigError, match="have to be a certificate and its key"):
            goes_through(wrong)
    with pytest.raises(ConfigError, match="goes with ssl_certfile="):
        goes_through(f"{redis}&ssl_keyfile={key}")


def test_postgresql_takes_ours_with_an_encrypted_key_too(postgres, authority):
    certificate, key = own(authority)
    assert goes_through(through(postgres, certificate, key))
    assert goes_through(through(postgres, certificate, encrypted(key)) + "&sslpassword=secret")


def test_postgresql_where_we_have_none_or_one_that_does_not_count(postgres, authority, tmp_path):
    assert "sslcert=FILE&sslkey=FILE" in refusal(through(postgres, "/no/such.crt", "/no/such.key"))
    assert "an authority that the server trusts" in refusal(through(postgres, *own(Authority(tmp_path, "theirs"))))
    assert "a certificate of this user" in refusal(through(postgres, *own(authority, "somebody")))


def test_postgresql_with_a_key_that_is_none_of_ours(postgres, authority):
    certificate, key = own(authority)
    _, other = own(authority, "somebody")
    locked = encrypted(key)
    assert "sslpassword=" in refusal(through(postgres, certificate, locked))
    assert "sslkey=FILE" in refusal(through(postgres, certificate, other))
    key.chmod(0o644)
    assert "chmod 600" in refusal(through(postgres, certificate, key))
