import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from tuf.api.exceptions import DownloadHTTPError, ExpiredMetadataError, RepositoryError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from apps.accounts.rights import Role
from apps.core import files
from apps.core.errors import Conflict, Forbidden, Unavailable, Wrong
from apps.core.models import AuditRow
from apps.models import selectors, services
from apps.models.states import VersionState
from tests.factories.models import person, queued_run, validated

pytestmark = pytest.mark.django_db

PASSPHRASE = "correct horse battery"


class FolderFetcher(FetcherInterface):
    """Reads the repository as a web server would hand it out."""

    def __init__(self, folder):
        self.folder = folder

    def _fetch(self, url):
        file = self.folder / url.removeprefix("repo://")
        if not file.exists():
            raise DownloadHTTPError("not found", 404)
        yield file.read_bytes()


@pytest.fixture
def device(settings, tmp_path):
    """A device that trusts the first root: returns the target's bytes or None, verified by python-tuf's client."""
    counter = iter(range(1000))

    def fetch(version):
        folder = tmp_path / f"device{next(counter)}"
        (folder / "targets").mkdir(parents=True)
        updater = Updater(
            metadata_dir=str(folder),
            metadata_base_url="repo://metadata/",
            target_dir=str(folder / "targets"),
            target_base_url="repo://targets/",
            fetcher=FolderFetcher(settings.TUF_DIR),
            bootstrap=services.repository().root_bytes(),
        )
        info = updater.get_targetinfo(selectors.target_path(version))
        if info is None:
            return None
        return Path(updater.download_target(info)).read_bytes()

    return fetch


def approve(version, *, by=None, passphrase=None):
    by = by or person(Role.APPROVER)
    return services.version_approve(version_id=version.pk, by=by, now=timezone.now(), passphrase=passphrase)


def test_an_approved_version_reaches_a_device_that_trusts_the_first_root(tmp_path, device):
    version = approve(validated(tmp_path))
    assert version.state == VersionState.PUBLISHED
    assert device(version) == files.read(version.digest)
    verbs = AuditRow.objects.filter(object=f"version:{version.pk}").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["version_register", "version_approve", "version_sign", "version_publish"]
    assert list(selectors.published_versions()) == [version]


def test_several_versions_live_side_by_side(tmp_path, device):
    first = approve(validated(tmp_path, version="1"))
    second = approve(validated(tmp_path, version="2", gain=3.0))
    assert device(first) == files.read(first.digest)
    assert device(second) == files.read(second.digest)


def test_nobody_approves_what_they_uploaded(tmp_path):
    author = person(Role.ADMIN)
    version = validated(tmp_path, by=author)
    with pytest.raises(Forbidden) as refusal:
        approve(version, by=author)
    assert refusal.value.code == "own_work"
    version.refresh_from_db()
    assert version.state == VersionState.VALIDATED


def test_nobody_approves_what_they_trained(tmp_path):
    author = person(Role.ADMIN)
    version = validated(tmp_path)
    version.run = queued_run(by=author)
    version.save()
    with pytest.raises(Forbidden) as refusal:
        approve(version, by=author)
    assert refusal.value.code == "own_work"


def test_approving_needs_the_permission(tmp_path):
    with pytest.raises(Forbidden):
        approve(validated(tmp_path), by=person(Role.REVIEWER))


def test_an_approval_counts_once(tmp_path):
    version = approve(validated(tmp_path))
    with pytest.raises(Conflict):
        approve(version)


def test_a_wrong_passphrase_changes_nothing(tmp_path, settings, device):
    services.repository_create(now=timezone.now(), passphrase=PASSPHRASE)
    version = validated(tmp_path)
    before = snapshot_of(settings.TUF_DIR)
    for wrong in (None, "", "wrong"):
        with pytest.raises(Wrong) as refusal:
            approve(version, passphrase=wrong)
        assert refusal.value.code == "wrong_passphrase"
    version.refresh_from_db()
    assert version.state == VersionState.VALIDATED
    assert snapshot_of(settings.TUF_DIR) == before
    assert device(approve(version, passphrase=PASSPHRASE)) == files.read(version.digest)


def snapshot_of(folder):
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_protected_key_cannot_be_read_from_its_file(settings):
    services.repository_create(now=timezone.now(), passphrase=PASSPHRASE)
    file = settings.KEYS_DIR / "online" / "targets.pem"
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (settings.KEYS_DIR / "root" / "root.pem").stat().st_mode & 0o777 == 0o600


def test_publishing_needs_no_root_key(tmp_path, settings, device):
    services.repository_create(now=timezone.now())
    shutil.rmtree(settings.KEYS_DIR / "root")
    version = approve(validated(tmp_path))
    assert device(version) == files.read(version.digest)


@pytest.mark.parametrize("cut_after", ["approved", "signed"])
def test_a_publication_that_was_cut_off_is_finished_later(tmp_path, device, cut_after):
    version = validated(tmp_path)
    services.repository_create(now=timezone.now())
    version.state = VersionState(cut_after)
    version.approved_at = timezone.now()
    version.save()
    if cut_after == "signed":
        here = services.repository()
        signer = here.targets_key().unlock()
        content = files.read(version.digest)
        here.target_sign(selectors.target_path(version), content, signer=signer, now=timezone.now())
    assert device(version) is None

    assert services.publications_finish_due(now=timezone.now()) == 1
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED
    assert device(version) == files.read(version.digest)
    assert services.publications_finish_due(now=timezone.now()) == 0


def test_a_full_disk_leaves_the_version_where_it_was(tmp_path, settings):
    version = validated(tmp_path)
    services.repository_create(now=timezone.now())
    # A file where the folder of targets belongs: nothing can be written there, not even by root.
    (settings.TUF_DIR / "targets").write_bytes(b"")
    with pytest.raises(Unavailable):
        approve(version)
    version.refresh_from_db()
    assert version.state == VersionState.APPROVED
    (settings.TUF_DIR / "targets").unlink()
    assert approve(version).state == VersionState.PUBLISHED


def test_a_withdrawn_version_is_no_target_any_more(tmp_path, device):
    version = approve(validated(tmp_path))
    services.version_withdraw(version_id=version.pk, by=person(Role.ADMIN), reason="wrong", now=timezone.now())
    assert device(version) is None
    version.refresh_from_db()
    assert (version.state, version.state_reason) == (VersionState.WITHDRAWN, "wrong")


def test_a_changed_target_is_not_accepted(tmp_path, settings, device):
    version = approve(validated(tmp_path))
    (target,) = (settings.TUF_DIR / "targets").rglob("*.zip")
    content = bytearray(target.read_bytes())
    content[100] ^= 1
    target.write_bytes(content)
    with pytest.raises(RepositoryError):
        device(version)


def test_metadata_is_signed_again_before_it_expires(tmp_path, device):
    now = timezone.now()
    version = approve(validated(tmp_path))
    assert services.tuf_refresh_due(now=now) == []
    assert services.tuf_refresh_due(now=now + timedelta(days=8)) == ["timestamp"]
    assert services.tuf_refresh_due(now=now + timedelta(days=8)) == []
    assert services.tuf_refresh_due(now=now + timedelta(days=20)) == ["snapshot", "timestamp"]
    assert services.tuf_refresh_due(now=now + timedelta(days=300)) == ["targets", "snapshot", "timestamp"]
    assert device(version) == files.read(version.digest)


def test_a_protected_key_is_not_asked_for_by_the_refresh():
    now = timezone.now()
    services.repository_create(now=now, passphrase=PASSPHRASE)
    assert services.tuf_refresh_due(now=now + timedelta(days=300)) == ["snapshot", "timestamp"]


def test_expired_metadata_is_refused_by_devices(tmp_path, device):
    version = validated(tmp_path)
    long_ago = timezone.now() - timedelta(days=60)
    services.repository_create(now=long_ago)
    services.version_approve(version_id=version.pk, by=person(Role.APPROVER), now=long_ago)
    with pytest.raises(ExpiredMetadataError):
        device(version)
    services.tuf_refresh_due(now=timezone.now())
    assert device(version) == files.read(version.digest)


def test_making_the_repository_twice_keeps_keys_and_root():
    services.repository_create(now=timezone.now())
    first = services.repository().root_bytes()
    services.repository_create(now=timezone.now() + timedelta(days=1))
    assert services.repository().root_bytes() == first


def test_a_repository_whose_making_was_cut_off_is_completed(settings, tmp_path, device):
    services.repository_create(now=timezone.now())
    (settings.TUF_DIR / "metadata" / "timestamp.json").unlink()
    version = approve(validated(tmp_path))
    assert device(version) == files.read(version.digest)
