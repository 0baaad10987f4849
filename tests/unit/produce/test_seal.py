"""Sealed payloads: what opens them, and everything that does not. The wire form is in `forebay.model.sealed`."""

import copy
import hashlib
import hmac
import importlib
import itertools
import pickle
import subprocess
import sys
import traceback
import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay import BadSeal, ConfigError, Forebay
from forebay.config import load
from forebay.model.message import Message
from forebay.model.sealed import OVERHEAD, Kind, Part, compressed, describe, keyed
from forebay.produce.seal import make_seal

OLD, NEW = "2025:" + "a1" * 32, "2026:" + "b2" * 32
MESSAGE = Message(
    id="0" * 32, queue="mail", task="send", key="tenant-7", headers={"forebay-root": "1", "trace": "2"}, body=b""
)
ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
BODY = msgspec.msgpack.encode({"to": "a@b.c", "text": "hello " * 400})
WAYS = {
    "signed": {"signing_keys": [NEW]},
    "encrypted": {"encryption_keys": [NEW]},
    "signed and compressed": {"signing_keys": [NEW], "compression": "zstd"},
    "encrypted and compressed": {"encryption_keys": [NEW], "compression": "zstd-then-encrypt"},
}
authentic = pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in WAYS.items()])


def sealer(tmp_path, **way):
    seal = make_seal(*load(way, tmp_path)[::2])
    assert seal is not None
    return seal


@pytest.mark.parametrize("way", [*WAYS.values(), {"compression": "zstd"}])
@pytest.mark.parametrize("blob", [BODY, b"\x80", msgspec.msgpack.encode(None)])
def test_what_is_sealed_opens_again(tmp_path, way, blob):
    seal = sealer(tmp_path, **way)
    assert seal.open(Part.BODY, MESSAGE, seal.close(Part.BODY, MESSAGE, blob)) == blob


def test_an_app_without_keys_and_compression_has_no_seal_at_all(tmp_path):
    assert make_seal(*load({}, tmp_path)[::2]) is None


@authentic
@pytest.mark.parametrize(
    "other",
    [
        {"queue": "billing"}, {"task": "delete"}, {"id": "1" * 32}, {"key": "tenant-8"}, {"key": None},
        {"headers": {"forebay-root": "1", "trace": "3"}}, {"headers": None}, {"queue": "mails", "task": "end"},
    ],
)  # fmt: skip
def test_it_opens_for_no_other_message_queue_task_or_tenant(tmp_path, way, other):
    seal = sealer(tmp_path, **way)
    sealed = seal.close(Part.BODY, MESSAGE, BODY)
    with pytest.raises(BadSeal, match="changed, or was sealed for another message or queue"):
        seal.open(Part.BODY, msgspec.structs.replace(MESSAGE, **other), sealed)


@authentic
def test_a_body_cannot_stand_for_a_result_nor_a_result_for_progress(tmp_path, way):
    seal = sealer(tmp_path, **way)
    for made, taken in itertools.permutations(Part, 2):
        with pytest.raises(BadSeal):
            seal.open(taken, MESSAGE, seal.close(made, MESSAGE, BODY))


@authentic
def test_no_byte_of_it_can_be_changed_and_no_end_cut_off(tmp_path, way):
    seal = sealer(tmp_path, **way)
    sealed = seal.close(Part.BODY, MESSAGE, BODY[:200])
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        for forged in (bytes(changed), sealed[:place], sealed + sealed[place:]):
            with pytest.raises(BadSeal):
                seal.open(Part.BODY, MESSAGE, forged)


@authentic
@settings(deadline=None)
@given(blob=st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"\xc1" + tail))
def test_whatever_else_comes_is_a_bad_seal_and_nothing_worse(tmp_path_factory, way, blob):
    seal = sealer(tmp_path_factory.getbasetemp(), **way)
    with pytest.raises(BadSeal):
        seal.open(Part.BODY, MESSAGE, blob)
    assert seal.glimpse(Part.BODY, MESSAGE, blob) == blob
    describe(blob)


def test_the_order_of_headers_is_of_no_meaning(tmp_path):
    seal = sealer(tmp_path, **WAYS["signed"])
    turned = msgspec.structs.replace(MESSAGE, headers={"trace": "2", "forebay-root": "1"})
    assert seal.open(Part.BODY, turned, seal.close(Part.BODY, MESSAGE, BODY)) == BODY


def test_a_signature_can_be_made_by_the_written_form_alone(tmp_path):
    """So that other languages can, and that a change of form is noticed here."""
    binding = msgspec.msgpack.encode(
        [1, ord("s"), "2026", "body", "mail", "send", "0" * 32, "tenant-7", [["forebay-root", "1"], ["trace", "2"]]]
    )
    mac = hmac.new(bytes.fromhex("b2" * 32), binding + BODY, hashlib.sha256).digest()
    sealed = b"\xc1s\x042026" + mac + BODY
    assert sealer(tmp_path, **WAYS["signed"]).close(Part.BODY, MESSAGE, BODY) == sealed


def test_no_two_encryptions_share_a_nonce_or_a_ciphertext(tmp_path):
    seal = sealer(tmp_path, **WAYS["encrypted"])
    sealed = {seal.close(Part.BODY, MESSAGE, BODY) for _ in range(2_000)}
    head = len(b"\xc1e\x042026")
    assert len({blob[head : head + 12] for blob in sealed}) == len({blob[head + 12 :] for blob in sealed}) == 2_000
    assert all(b"hello" not in blob and b"a@b.c" not in blob for blob in sealed)


@pytest.mark.parametrize("setting", ["signing_keys", "encryption_keys"])
def test_keys_change_without_a_stop_in_three_steps(tmp_path, setting):
    steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
    seals = [sealer(tmp_path, **{setting: keys}) for keys in steps]
    for one, other in itertools.pairwise(seals):  # apps of two neighbouring steps run side by side
        for writer, reader in ((one, other), (other, one)):
            assert reader.open(Part.BODY, MESSAGE, writer.close(Part.BODY, MESSAGE, BODY)) == BODY
    with pytest.raises(BadSeal, match=f"key '2025', which this app does not have: add it to {setting}, then redrive"):
        seals[3].open(Part.BODY, MESSAGE, seals[0].close(Part.BODY, MESSAGE, BODY))


def test_another_secret_under_a_known_name_opens_nothing(tmp_path):
    for setting in ("signing_keys", "encryption_keys"):
        sealed = sealer(tmp_path, **{setting: ["2026:" + "c3" * 32]}).close(Part.BODY, MESSAGE, BODY)
        with pytest.raises(BadSeal, match="another secret has that name"):
            sealer(tmp_path, **{setting: [NEW]}).open(Part.BODY, MESSAGE, sealed)


def test_an_app_goes_from_signed_to_encrypted_while_signed_messages_wait(tmp_path):
    signed = sealer(tmp_path, signing_keys=[OLD])
    both = sealer(tmp_path, signing_keys=[OLD], encryption_keys=[NEW])
    assert both.open(Part.BODY, MESSAGE, signed.close(Part.BODY, MESSAGE, BODY)) == BODY
    assert b"hello" not in both.close(Part.BODY, MESSAGE, BODY)


@authentic
def test_what_is_not_sealed_is_refused_unless_the_app_asks_for_a_time_of_change(tmp_path, way):
    zipped = sealer(tmp_path, compression="zstd").close(Part.BODY, MESSAGE, BODY)
    for blob in (BODY, zipped):
        with pytest.raises(BadSeal, match="takes only sealed payloads"):
            sealer(tmp_path, **way).open(Part.BODY, MESSAGE, blob)
    assert sealer(tmp_path, **way, accept_unsealed=True).open(Part.BODY, MESSAGE, BODY) == BODY


def test_sealed_twice_is_refused(tmp_path):
    seal = sealer(tmp_path, **WAYS["signed"])
    with pytest.raises(BadSeal, match="sealed twice"):
        seal.open(Part.BODY, MESSAGE, seal.close(Part.BODY, MESSAGE, seal.close(Part.BODY, MESSAGE, BODY)))


def test_a_seal_adds_less_than_its_declared_overhead(tmp_path):
    long = "n" * 32 + ":" + "d4" * 32
    for setting in ("signing_keys", "encryption_keys"):
        sealed = sealer(tmp_path, **{setting: [long]}).close(Part.BODY, MESSAGE, BODY)
        assert 0 < len(sealed) - len(BODY) <= OVERHEAD


# --- compression ---


def test_small_payloads_and_those_that_do_not_shrink_stay_as_they_are(tmp_path):
    seal = sealer(tmp_path, compression="zstd", compress_from=1000)
    assert seal.close(Part.BODY, MESSAGE, BODY[:999]) == BODY[:999]
    assert len(seal.close(Part.BODY, MESSAGE, BODY)) < len(BODY) / 10
    noise = hashlib.shake_256(b"noise").digest(5_000)
    assert seal.close(Part.BODY, MESSAGE, noise) == noise


def bombs():
    zstd = importlib.import_module(ZSTD)
    huge = bytes(64 * 1024 * 1024)
    yield "cannot be inflated within 100,000 bytes", zstd.compress(huge)  # says how large it is, and wants the memory
    modest = {zstd.CompressionParameter.window_log: 12, zstd.CompressionParameter.content_size_flag: 0}
    squeezing = zstd.ZstdCompressor(options=modest)
    yield "inflates to more than payload_limit, 100,000 bytes", squeezing.compress(huge) + squeezing.flush()


def test_a_bomb_is_not_inflated_further_than_the_limit(tmp_path):
    seal = sealer(tmp_path, compression="zstd", payload_limit=100_000)
    for told, frame in bombs():
        assert len(frame) < 100_000
        tracemalloc.start()
        with pytest.raises(BadSeal, match=told):
            seal.open(Part.BODY, MESSAGE, compressed(frame))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.stop()


def test_a_bomb_of_somebody_without_the_key_is_not_even_begun(tmp_path):
    seal = sealer(tmp_path, signing_keys=[NEW], compression="zstd", payload_limit=100_000)
    for _, frame in bombs():
        with pytest.raises(BadSeal, match="does not fit key"):
            seal.open(Part.BODY, MESSAGE, keyed(Kind.SIGNED, "2026", bytes(32) + compressed(frame)))


def test_a_cut_frame_or_one_with_something_behind_it_is_refused(tmp_path):
    seal = sealer(tmp_path, compression="zstd")
    sealed = seal.close(Part.BODY, MESSAGE, BODY)
    for broken in (sealed[:-1], sealed + b"\0", sealed + sealed[2:], sealed[:2], b"\xc1z" + BODY):
        with pytest.raises(BadSeal):
            seal.open(Part.BODY, MESSAGE, broken)


# --- settings ---


def test_compression_before_encryption_has_to_be_asked_for_by_its_name(tmp_path):
    with pytest.raises(ConfigError, match="set compression='zstd-then-encrypt'"):
        sealer(tmp_path, encryption_keys=[NEW], compression="zstd")


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (["deadbeef" * 8], "without a usable name"),
        (["deadbeef" * 8 + ":k"], "without a usable name"),
        (["k:" + "ab" * 31], "31 bytes instead of 32"),
        (["k:" + "xy" * 32], "not hexadecimal"),
        ([":" + "ab" * 32], "without a usable name"),
        (["with space:" + "ab" * 32], "without a usable name"),
        (["n" * 33 + ":" + "ab" * 32], "without a usable name"),
        (["k\u00e4:" + "ab" * 32], "without a usable name"),
        ([b"k:" + b"ab" * 32], "without a usable name"),
        (["k:" + "ab" * 32, "k:" + "cd" * 32], "the same name"),
        (7, "not a list of keys"),
        ({"k": "ab" * 32}, "not a list of keys"),
    ],
)
def test_a_key_that_is_none_is_one_clear_error_that_does_not_quote_it(keys, complaint):
    for setting in ("signing_keys", "encryption_keys"):
        with pytest.raises(ConfigError, match=complaint) as caught:
            Forebay("memory://", **{setting: keys})
        told = str(caught.value)
        assert setting in told
        assert "openssl rand -hex 32 makes one" in told or "give each its own" in told
        assert not any(secret in told for secret in ("deadbeef", "abab", "cdcd", "xyxy"))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_keys_come_from_the_environment_in_one_word_too(tmp_path, monkeypatch):
    monkeypatch.setenv("FOREBAY_SIGNING_KEYS", f"{NEW},{OLD}")
    loaded, origins, keys = load({}, tmp_path)
    assert loaded.signing_keys == keys.signing.names == ("2026", "2025")
    assert next(o for o in origins if o.name == "signing_keys").origin == "environment FOREBAY_*"


def test_a_key_shows_its_name_and_nothing_else(tmp_path):
    app = Forebay("memory://", signing_keys=[OLD], encryption_keys=[NEW])
    _, _, keys = load({"signing_keys": [OLD], "encryption_keys": [NEW]}, tmp_path)
    key = keys.encryption.first
    try:
        raise ValueError(key, keys, keys.signing, app.producer.seal)
    except ValueError as error:
        shown = "".join(traceback.format_exception(error))
    shown += f"{app!r} {app.settings!r} {app.origins!r} {vars(app)!r} {vars(app.producer)!r} {key} {keys.signing} "
    shown += repr(vars(app.producer.seal)) + msgspec.json.encode(app.settings).decode()
    assert "2026" in shown
    for secret in ("a1" * 32, "b2" * 32, repr(b"\xa1" * 32)[2:-1], repr(b"\xb2" * 32)[2:-1]):
        assert secret not in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="does not leave its process"):
            leave(key)


@pytest.mark.parametrize(
    ("missing", "given", "complaint"),
    [
        ("cryptography", f"encryption_keys=['{NEW}']", "encryption_keys need more: pip install 'forebay[crypto]'"),
        (ZSTD.partition(".")[0], "compression='zstd'", "compression needs more: pip install 'forebay[zstd]'"),
    ],
)
def test_a_missing_extra_is_one_clear_error_at_the_start(tmp_path, missing, given, complaint):
    code = f"import sys; sys.modules[{missing!r}] = None; import forebay; forebay.Forebay('memory://', {given})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"forebay.model.errors.ConfigError: {complaint}")


def test_without_them_the_optional_libraries_are_not_imported(tmp_path):
    code = (
        "import sys, forebay; forebay.Forebay('memory://', signing_keys=['k:' + 'ab' * 32]);"
        "sys.exit(any(m.split('.')[0] in ('cryptography', 'backports', 'zstandard') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
