from pathlib import Path

import httpx
import pytest
from django.conf import settings

from edge_agent.wire import paths
from tests.kit.gateway import refusal

CONTENT = bytes(range(256)) * 3000


@pytest.fixture
def package():
    file = Path(settings.TUF_DIR) / "targets" / "models" / "cells" / "abc.1.zip"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(CONTENT)
    (Path(settings.TUF_DIR) / "secret.txt").write_text("not served")
    yield paths.TUF_TARGETS + "models/cells/abc.1.zip"
    file.unlink()


def test_a_file_comes_whole_with_its_length_and_tag(device, package):
    response = device.request("GET", package)
    assert (response.status_code, response.content) == (200, CONTENT)
    assert response.headers["content-length"] == str(len(CONTENT))
    head = device.request("HEAD", package)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(CONTENT)))
    assert device.request("GET", package, headers={"If-None-Match": response.headers["etag"]}).status_code == 304


RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=700000-", 700_000, 768_000),
    ("bytes=-5", 767_995, 768_000),
    ("bytes=9-9999999", 9, 768_000),
]


def test_a_range_is_those_bytes_alone(device, package):
    for asked, first, end in RANGES:
        response = device.request("GET", package, headers={"Range": asked})
        assert (response.status_code, response.content) == (206, CONTENT[first:end]), asked
        assert response.headers["content-range"] == f"bytes {first}-{end - 1}/{len(CONTENT)}"


def test_a_range_of_a_file_that_changed_is_the_whole_new_file(device, package):
    response = device.request("GET", package, headers={"Range": "bytes=5-", "If-Range": '"old"'})
    assert (response.status_code, len(response.content)) == (200, len(CONTENT))


def test_a_range_outside_the_file_is_refused(device, package):
    response = device.request("GET", package, headers={"Range": "bytes=768000-"})
    assert (response.status_code, refusal(response).code) == (416, "range_not_satisfiable")


OUTSIDE = [
    "",
    "nothing.zip",
    "../secret.txt",
    "%2e%2e/secret.txt",
    "models/../../secret.txt",
    "..%2fsecret.txt",
    "/etc/passwd",
    "models",
    "models/",
    "x%00y",
]


def test_no_path_leads_out_of_the_repository(device, package):
    for path in OUTSIDE:
        target = paths.TUF_TARGETS + path
        url = httpx.URL(device.url).copy_with(raw_path=target.encode())
        headers = {"Authorization": f"Device {device.token('GET', target, b'')}"}
        with httpx.Client(trust_env=False) as client:
            response = client.get(url, headers=headers)
        assert (response.status_code, refusal(response).code) == (404, "not_found"), path
