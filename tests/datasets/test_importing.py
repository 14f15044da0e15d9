import os

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from apps.core import files
from apps.core.errors import Conflict, Wrong
from apps.datasets import services
from apps.datasets.models import Dataset, DatasetVersion, Image, Label
from apps.datasets.outside.sources import SourceImage
from apps.datasets.services.importing import IMPORT_LOCK
from apps.datasets.states import ImportState
from tests.factories.datasets import folder, png

pytestmark = pytest.mark.django_db


def import_folder(path, name="parts", labels=None):
    return services.folder_import(path=path, name=name, labels=labels, now=timezone.now())


def test_the_elpv_cells_come_in_with_probability_type_and_label():
    dataset = services.elpv_import(now=timezone.now(), limit=40)
    assert dataset.state == ImportState.SUCCEEDED
    assert dataset.images.count() == dataset.progress["done"] == 40
    assert (dataset.images.first().width_px, dataset.images.first().height_px) == (300, 300)
    for image in dataset.images.all():
        expected = "defect" if image.defect_ratio >= 0.5 else "good"
        assert image.labels.get().label == expected
        assert image.attributes["type"] in {"mono", "poly"}
        assert files.exists(image.sha256)


def test_importing_again_changes_nothing():
    first = services.elpv_import(now=timezone.now(), limit=8)
    second = services.elpv_import(now=timezone.now(), limit=8)
    assert first == second
    assert Image.objects.count() == Label.objects.count() == 8


def test_the_command_imports_and_freezes(capsys):
    call_command("import_elpv", limit=60)
    assert "60 images, version 1" in capsys.readouterr().out
    assert DatasetVersion.objects.get().members.count() == 60


def test_a_folder_becomes_a_data_set_with_the_good_class_first(tmp_path):
    dataset = import_folder(folder(tmp_path / "in", good=3, defect=2))
    assert dataset.labels == ["good", "scratch"]
    assert sorted(Label.objects.values_list("label", flat=True)) == ["good"] * 3 + ["scratch"] * 2


def hostile(root):
    """One good picture per class, and every kind of file that must not come in."""
    folder(root, good=1, defect=1)
    bad = root / "good"
    (bad / "text.png").write_text("no picture")
    (bad / "empty.png").write_bytes(b"")
    (bad / "cut.png").write_bytes(png(5)[:200])
    (bad / "bomb.png").write_bytes(png(6)[:16] + (100_000).to_bytes(4, "big") * 2 + png(6)[24:])
    (bad / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(21 * 1024 * 1024))
    (bad / "tiny.png").write_bytes(png(7, side_px=8))
    (bad / "again.png").write_bytes(png(0))
    (bad / "link.png").symlink_to("/etc/hostname")
    os.mkfifo(bad / "pipe.png")
    return root


def test_hostile_files_are_skipped_with_a_reason_each(tmp_path):
    dataset = import_folder(hostile(tmp_path / "in"))
    reasons = {entry["file"]: entry["reason"] for entry in dataset.progress["skipped"]}
    assert dataset.state == ImportState.SUCCEEDED
    assert dataset.images.count() == 2
    assert dataset.progress["skipped_count"] == len(reasons) == 9
    assert "neither PNG nor JPEG" in reasons["good/text.png"]
    assert "cut off" in reasons["good/cut.png"]
    assert "pixels" in reasons["good/bomb.png"]
    assert "bytes" in reasons["good/huge.png"]
    assert "same content as good/0.png" in reasons["good/again.png"]
    assert reasons["good/link.png"] == reasons["good/pipe.png"] == "It is not a plain file."


@pytest.mark.parametrize("labels", [None, ["good", "missing"]])
def test_a_folder_without_its_classes_is_refused(tmp_path, labels):
    (tmp_path / "good").mkdir()
    with pytest.raises(Wrong) as refusal:
        import_folder(tmp_path, labels=labels)
    assert refusal.value.code == "source_missing"
    assert not Dataset.objects.exists()


class BreakingSource:
    labels = ("good", "defect")
    count = 200

    def entries(self):
        for n in range(100):
            yield SourceImage(name=f"{n}.png", content=png(n), label="good")
        raise OSError("the disk went away")


def test_an_import_that_broke_keeps_what_it_has_and_goes_on_when_repeated(tmp_path):
    with pytest.raises(OSError, match="went away"):
        services.dataset_import(BreakingSource(), name="parts", origin="", licence="", now=timezone.now())
    broken = Dataset.objects.get()
    assert (broken.state, broken.images.count()) == (ImportState.FAILED, 64)
    assert "the disk went away" in broken.progress["error"]

    repeated = import_folder(folder(tmp_path / "in", good=2, defect=2))
    assert repeated.pk == broken.pk
    assert repeated.state == ImportState.SUCCEEDED
    assert "error" not in repeated.progress


@pytest.mark.django_db(transaction=True)
def test_the_same_import_does_not_run_twice_at_once(tmp_path):
    source = folder(tmp_path / "in", good=2, defect=2)
    dataset = Dataset.objects.create(name="parts", source="", labels=["good", "scratch"])
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [IMPORT_LOCK, dataset.pk])
        with pytest.raises(Conflict) as refusal:
            import_folder(source)
        assert refusal.value.code == "import_running"
    other.close()
    assert import_folder(source).state == ImportState.SUCCEEDED


def test_near_duplicates_share_a_group(tmp_path):
    source = folder(tmp_path / "in", good=4, defect=4)
    (source / "good" / "copy.png").write_bytes(png(0) + b"IEND")
    dataset = import_folder(source)
    groups = dict(dataset.images.values_list("source", "group"))
    assert groups["good/copy.png"] == groups["good/0.png"]
    assert len(set(groups.values())) == 8
