import time
import uuid

import jwt
import pytest
from django.utils import timezone

from apps.devices.services import device_decommission, device_quarantine
from apps.gateway.auth import KEY_TTL_S
from edge_agent.wire import paths
from edge_agent.wire.codec import encode
from edge_agent.wire.messages import CheckinRequest, SyncRequest
from tests.kit.gateway import SigningDevice, device_at, refusal

BODY = encode(SyncRequest(batches=[]))


def attempt(device: SigningDevice, **claims: object):
    token = device.token("POST", paths.SYNC, BODY, **claims)
    return refusal(device.request("POST", paths.SYNC, BODY, token=token))


def test_a_signed_request_gets_in(device):
    assert device.request("POST", paths.SYNC, BODY).status_code == 200


def test_without_a_token_nothing_is_answered_but_health(device):
    for path in (paths.SYNC, paths.CHECKIN, paths.ENROL):
        assert refusal(device.request("POST", path, BODY, token="")).code == "token_missing"
    assert refusal(device.request("GET", paths.TUF_METADATA + "timestamp.json", token="")).code == "token_missing"
    assert device.request("GET", paths.HEALTHZ, token="").status_code == 200


def test_what_is_no_token_is_refused(device):
    for token in ("x", "a.b.c", "é" * 10, "x" * 5000, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."):
        headers = {"Authorization": f"Device {token}".encode()}
        response = device.request("POST", paths.SYNC, BODY, headers=headers, token="")
        assert response.status_code == 401
        assert refusal(response).code in ("token_invalid", "device_unknown"), token


WRONG_CLAIMS = [
    ({"aud": "elsewhere"}, "token_invalid"),
    ({"exp": int(time.time()) + 3600}, "token_invalid"),
    ({"jti": "x" * 65}, "token_invalid"),
    ({"jti": 5}, "token_invalid"),
    ({"bh": 7}, "token_invalid"),
    ({"htm": "GET"}, "token_not_for_this_request"),
    ({"htu": paths.CHECKIN}, "token_not_for_this_request"),
    ({"bh": "0" * 64}, "token_not_for_this_request"),
    ({"sub": str(uuid.uuid4())}, "device_unknown"),
    ({"sub": "'; DROP TABLE devices_device"}, "device_unknown"),
]


def test_a_token_is_good_for_one_device_and_one_request(device):
    for claims, code in WRONG_CLAIMS:
        assert attempt(device, **claims).code == code, claims


def test_a_stranger_cannot_sign_for_a_device(gateway, device):
    stranger = SigningDevice(gateway, device=device.device)
    assert attempt(stranger).code == "token_invalid"


def test_a_symmetric_signature_with_the_public_key_is_no_signature(device):
    claims = jwt.decode(device.token("POST", paths.SYNC, BODY), options={"verify_signature": False})
    forged = jwt.encode(claims, device.public_key, algorithm="HS256")
    assert refusal(device.request("POST", paths.SYNC, BODY, token=forged)).code == "token_invalid"


@pytest.mark.parametrize(("offset_s", "code"), [(-3600, "token_expired"), (3600, "token_not_yet_valid")])
def test_a_wrong_clock_is_told_the_time(device, offset_s, code):
    device.clock_offset_s = offset_s
    error = attempt(device)
    assert error.code == code
    device.clock_offset_s = error.server_time_ms / 1000 - time.time()
    assert device.request("POST", paths.SYNC, BODY).status_code == 200


def test_a_token_is_used_once(device):
    token = device.token("POST", paths.SYNC, BODY)
    assert device.request("POST", paths.SYNC, BODY, token=token).status_code == 200
    assert refusal(device.request("POST", paths.SYNC, BODY, token=token)).code == "token_replayed"


@pytest.mark.parametrize(
    ("act", "state"), [(device_quarantine, "quarantined"), (device_decommission, "decommissioned")]
)
def test_a_revoked_device_is_out_within_five_seconds(device, act, state):
    assert device.request("POST", paths.SYNC, BODY).status_code == 200
    act(device_id=device.id, reason="test", actor="system:test", now=timezone.now())
    deadline = time.monotonic() + 5.0
    assert KEY_TTL_S < 5.0
    while device.request("POST", paths.SYNC, BODY).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    response = device.request("POST", paths.SYNC, BODY)
    assert (response.status_code, refusal(response).code) == (403, f"device_{state}")


def test_one_device_cannot_upload_for_another(gateway, device):
    other = device_at(gateway)
    token = other.token("POST", paths.CHECKIN, encode(CheckinRequest(at_ms=0, agent_version="1")))
    assert refusal(device.request("POST", paths.SYNC, BODY, token=token)).code == "token_not_for_this_request"
