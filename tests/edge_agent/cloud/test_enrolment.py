"""One code, one identity, on disk before anything relies on it."""

import pytest

from edge_agent.cloud import CloudRefused, CloudUnreachable
from edge_agent.enrolment import AlreadyEnrolled, EnrolmentOrder, enrol
from edge_agent.identity import load_device, load_identity
from edge_agent.wire.messages import EnrolReply


class EnrollingCloud:
    """Knows one code. loses_replies: how many replies get lost after the enrolment was stored."""

    def __init__(self, *, loses_replies=0):
        self.enrolled = {}
        self.requests = []
        self.loses_replies = loses_replies

    def enrol(self, request):
        self.requests.append(request)
        owner = self.enrolled.setdefault(request.code, request.public_key)
        if not request.code.startswith("GOOD") or owner != request.public_key:
            raise CloudRefused("code_unknown", "This code is wrong or was used.")
        if self.loses_replies:
            self.loses_replies -= 1
            raise CloudUnreachable("reply lost")
        return EnrolReply(
            device_id=f"d-{len(self.enrolled)}", name="Press", site="Linz", line="A", server_time_ms=1, tuf_root=b"root"
        )


def enrolled(cloud, folder, code="GOOD", **fields):
    order = EnrolmentOrder(cloud_url="http://cloud", code=code, folder=folder, **fields)
    return enrol(order, connect=lambda credentials: cloud)


def test_enrolment_leaves_an_identity_with_the_trusted_root(tmp_path):
    cloud = EnrollingCloud()
    device = enrolled(cloud, tmp_path / "new")
    assert load_identity(tmp_path / "new").device == device
    assert (device.device_id, device.tuf_root, device.cloud_url) == ("d-1", b"root", "http://cloud")
    assert cloud.requests[0].public_key == device.public_key
    assert cloud.requests[0].hardware.engines


def test_the_request_is_signed_in_the_name_of_the_key_itself(tmp_path):
    seen = []

    def connect(credentials):
        seen.append(credentials)
        return EnrollingCloud()

    enrol(EnrolmentOrder(cloud_url="http://cloud", code="GOOD", folder=tmp_path), connect=connect)
    assert seen[0].subject == seen[0].keys.public_key


def test_blanks_around_a_typed_code_do_not_matter(tmp_path):
    assert enrolled(EnrollingCloud(), tmp_path, code=" GOOD\n").device_id == "d-1"


def test_a_lost_reply_is_made_good_with_the_same_key_and_code(tmp_path):
    cloud = EnrollingCloud(loses_replies=1)
    with pytest.raises(CloudUnreachable):
        enrolled(cloud, tmp_path)
    assert load_device(tmp_path) is None
    enrolled(cloud, tmp_path)
    assert len({request.public_key for request in cloud.requests}) == 1


def test_a_wrong_code_leaves_no_identity(tmp_path):
    with pytest.raises(CloudRefused, match="code_unknown"):
        enrolled(EnrollingCloud(), tmp_path, code="WRONG")
    assert load_device(tmp_path) is None


def test_a_used_code_does_not_enrol_a_second_device(tmp_path):
    cloud = EnrollingCloud()
    enrolled(cloud, tmp_path / "one")
    with pytest.raises(CloudRefused, match="code_unknown"):
        enrolled(cloud, tmp_path / "two")


def test_an_identity_is_not_overwritten_unless_asked(tmp_path):
    cloud = EnrollingCloud()
    first = enrolled(cloud, tmp_path)
    with pytest.raises(AlreadyEnrolled, match="Press"):
        enrolled(cloud, tmp_path, code="GOOD2")
    assert load_device(tmp_path) == first
    second = enrolled(cloud, tmp_path, code="GOOD2", replaces=True)
    assert second.public_key != first.public_key
    assert load_identity(tmp_path).device == second


def test_a_failed_replacement_leaves_the_old_identity_working(tmp_path):
    cloud = EnrollingCloud()
    first = enrolled(cloud, tmp_path)
    with pytest.raises(CloudRefused):
        enrolled(cloud, tmp_path, code="WRONG", replaces=True)
    assert load_identity(tmp_path).device == first
