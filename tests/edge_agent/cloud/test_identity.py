"""The key never leaves the device, and a token is worth one request."""

import base64
import stat

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge_agent.identity import (
    Credentials,
    DeviceFile,
    IdentityError,
    drop_other_keys,
    load_device,
    load_identity,
    pending_keys,
    save_device,
)
from edge_agent.wire.token import TOKEN_AUDIENCE, TOKEN_LIFETIME_S, body_hash

NOW_S = 1_700_000_000.7


def public_key(keys):
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(keys.public_key + "="))


def claims_of(token, keys):
    return jwt.decode(
        token, public_key(keys), algorithms=["EdDSA"], audience=TOKEN_AUDIENCE, options={"verify_exp": False}
    )


def enrolled(folder, keys):
    device = DeviceFile(
        device_id="d-1",
        name="Press 4",
        site="Linz",
        line="A",
        cloud_url="http://cloud",
        public_key=keys.public_key,
        tuf_root=b"\x00root",
    )
    save_device(folder, device)
    return device


def test_a_token_is_bound_to_its_request_and_dies_after_a_minute(tmp_path):
    keys = pending_keys(tmp_path, enrolled_key=None)
    token = Credentials(keys=keys, subject="d-1").token(
        method="POST", path="/device/v1/sync?a=1", body=b"body", now_s=NOW_S
    )
    claims = claims_of(token, keys)
    jti = claims.pop("jti")
    assert len(jti) >= 32
    assert claims == {
        "sub": "d-1",
        "aud": TOKEN_AUDIENCE,
        "iat": 1_700_000_000,
        "exp": 1_700_000_000 + TOKEN_LIFETIME_S,
        "htm": "POST",
        "htu": "/device/v1/sync?a=1",
        "bh": body_hash(b"body"),
    }
    assert jwt.get_unverified_header(token)["alg"] == "EdDSA"


def test_no_two_tokens_are_the_same(tmp_path):
    who = Credentials(keys=pending_keys(tmp_path, enrolled_key=None), subject="d-1")
    tokens = {who.token(method="GET", path="/", body=b"", now_s=NOW_S) for _ in range(20)}
    assert len(tokens) == 20


def test_the_private_key_is_readable_by_its_owner_alone(tmp_path):
    pending_keys(tmp_path, enrolled_key=None)
    (path,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_identity_survives_its_file(tmp_path):
    keys = pending_keys(tmp_path, enrolled_key=None)
    device = enrolled(tmp_path, keys)
    identity = load_identity(tmp_path)
    assert identity.device == device
    assert identity.keys.public_key == keys.public_key
    assert identity.credentials().subject == "d-1"


def test_before_enrolment_there_is_no_identity(tmp_path):
    assert load_device(tmp_path) is None
    with pytest.raises(IdentityError, match="not enrolled"):
        load_identity(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"device_id": 5}'])
def test_a_damaged_identity_is_an_error_and_never_a_fresh_one(tmp_path, content):
    (tmp_path / "device.json").write_bytes(content)
    with pytest.raises(IdentityError):
        load_identity(tmp_path)


def test_a_missing_or_damaged_key_is_an_error(tmp_path):
    enrolled(tmp_path, pending_keys(tmp_path, enrolled_key=None))
    (path,) = (tmp_path / "keys").iterdir()
    path.write_bytes(b"no key")
    with pytest.raises(IdentityError, match="key"):
        load_identity(tmp_path)
    path.unlink()
    with pytest.raises(IdentityError, match="key"):
        load_identity(tmp_path)


def test_a_pending_key_is_used_again_and_an_enrolled_one_never(tmp_path):
    first = pending_keys(tmp_path, enrolled_key=None)
    assert pending_keys(tmp_path, enrolled_key=None).public_key == first.public_key
    second = pending_keys(tmp_path, enrolled_key=first.public_key)
    assert second.public_key != first.public_key
    drop_other_keys(tmp_path, enrolled_key=second.public_key)
    assert [path.stem for path in (tmp_path / "keys").iterdir()] == [second.public_key]
