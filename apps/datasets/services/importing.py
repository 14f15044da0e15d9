"""Imports: files become content, rows and labels, or a reason why not. An import that died is simply repeated."""

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction

from apps.core import files
from apps.core.doorbell import ring
from apps.core.errors import Conflict, Wrong
from apps.core.moves import move
from apps.datasets.events import DatasetChanged
from apps.datasets.models import Dataset, Image, Label
from apps.datasets.outside.elpv import ElpvSource
from apps.datasets.outside.folder import FolderSource
from apps.datasets.outside.sources import ImageSource, Skipped, SourceImage, SourceMissing
from apps.datasets.perceptual import close_groups, perceptual_hash
from apps.datasets.states import IMPORT_MOVES, ImportState
from edge_agent.contract.preprocessing import NotAnImage, decode

logger = logging.getLogger(__name__)

ELPV_NAME = "ELPV solar cells"
CHUNK_COUNT = 64
"""Images per transaction, and per step of the progress that people see."""
WORKER_COUNT = 8
"""Threads that decode and store: storing waits for the disk, which several can do at once."""
SKIPPED_KEPT = 200
SIDE_MIN_PX = 16
IMPORT_LOCK = 0x494D504F


def elpv_import(*, now: datetime, limit: int | None = None) -> Dataset:
    """Import the ELPV cells, or return them as they are when that succeeded before. Takes tens of seconds.

    limit: only so many images, for trials. Raises Wrong(source_missing) when the package is not installed.
    """
    with _source_errors():
        source = ElpvSource(limit=limit)
    return dataset_import(
        source, name=ELPV_NAME, origin="elpv-dataset (Deitsch et al. 2021)", licence="CC BY-NC-SA 4.0", now=now
    )


def folder_import(*, path: Path, name: str, now: datetime, labels: Sequence[str] | None = None) -> Dataset:
    """Import a folder with one sub-folder of images per class; what is no image is skipped with its reason.

    labels: the classes, good first; None takes all sub-folders. Raises Wrong(source_missing).
    """
    with _source_errors():
        source = FolderSource(path, labels=labels)
    return dataset_import(source, name=name, origin=f"folder {path.name}", licence="", now=now)


def dataset_import(source: ImageSource, *, name: str, origin: str, licence: str, now: datetime) -> Dataset:
    """Take every image of `source` once, in chunks, with progress on the row; near-duplicates share a group.

    Raises Conflict(import_running) while the same import runs elsewhere.
    """
    dataset, _ = Dataset.objects.get_or_create(
        name=name, defaults={"source": origin, "licence": licence, "labels": list(source.labels)}
    )
    if dataset.state == ImportState.SUCCEEDED:
        return dataset
    with _only_import_of(dataset):
        _restart(dataset)
        try:
            _import_all(dataset, source, now)
            _groups_write(dataset)
        except Exception as exc:
            _end(dataset, ImportState.FAILED, error=f"The import stopped: {exc}")
            raise
        _end(dataset, ImportState.SUCCEEDED)
    return dataset


@dataclass(slots=True)
class _Progress:
    of: int
    done: int = 0
    skipped_count: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)

    def skip(self, entry: Skipped) -> None:
        self.skipped_count += 1
        if len(self.skipped) < SKIPPED_KEPT:
            self.skipped.append({"file": entry.name[:300], "reason": entry.reason})

    def as_json(self) -> dict[str, object]:
        return {
            "done": self.done,
            "of": self.of,
            "skipped_count": self.skipped_count,
            "skipped": self.skipped,
        }


@dataclass(frozen=True, slots=True)
class _Prepared:
    source: SourceImage
    sha256: str
    height_px: int
    width_px: int
    perceptual_hash: str


def _import_all(dataset: Dataset, source: ImageSource, now: datetime) -> None:
    progress = _Progress(of=source.count)
    with ThreadPoolExecutor(WORKER_COUNT, thread_name_prefix="import") as pool:
        for chunk in _chunks(source.entries()):
            prepared = list(pool.map(_prepare, chunk))
            _chunk_store(dataset, prepared, progress, now)


def _chunks(entries: Iterator[SourceImage | Skipped]) -> Iterator[list[SourceImage | Skipped]]:
    while chunk := list(itertools.islice(entries, CHUNK_COUNT)):
        yield chunk


def _prepare(entry: SourceImage | Skipped) -> _Prepared | Skipped:
    """Decode and keep one image, or say why not."""
    if isinstance(entry, Skipped):
        return entry
    try:
        pixels = decode(entry.content)
    except NotAnImage as exc:
        return Skipped(entry.name, str(exc))
    height_px, width_px = pixels.shape[:2]
    if min(height_px, width_px) < SIDE_MIN_PX:
        return Skipped(entry.name, f"{width_px} x {height_px} pixels; each side needs at least {SIDE_MIN_PX}.")
    return _Prepared(
        source=entry,
        sha256=files.store(entry.content),
        height_px=height_px,
        width_px=width_px,
        perceptual_hash=perceptual_hash(pixels),
    )


@transaction.atomic
def _chunk_store(dataset: Dataset, entries: Iterable[_Prepared | Skipped], progress: _Progress, now: datetime) -> None:
    entries = list(entries)
    wanted = {entry.sha256: entry for entry in entries if isinstance(entry, _Prepared)}
    here = dict(dataset.images.filter(sha256__in=wanted).values_list("sha256", "source"))
    fresh: dict[str, _Prepared] = {}
    for entry in entries:
        if isinstance(entry, Skipped):
            progress.skip(entry)
        elif (first := _first_name(entry, here, fresh)) not in {None, entry.source.name}:
            progress.skip(Skipped(entry.source.name, f"The same content as {first}."))
        elif entry.sha256 not in here:
            fresh[entry.sha256] = entry
    images = Image.objects.bulk_create([_image_row(dataset, entry) for entry in fresh.values()])
    Label.objects.bulk_create(
        Label(image=image, label=fresh[image.sha256].source.label, at=now, source="import") for image in images
    )
    progress.done += len(entries)
    _progress_write(dataset, progress.as_json())


def _first_name(entry: _Prepared, here: dict[str, str], fresh: dict[str, _Prepared]) -> str | None:
    """The name under which the same content came before."""
    if entry.sha256 in fresh:
        return fresh[entry.sha256].source.name
    return here.get(entry.sha256)


def _image_row(dataset: Dataset, entry: _Prepared) -> Image:
    return Image(
        dataset=dataset,
        sha256=entry.sha256,
        source=entry.source.name[-300:],
        width_px=entry.width_px,
        height_px=entry.height_px,
        group=entry.sha256,
        perceptual_hash=entry.perceptual_hash,
        defect_ratio=entry.source.defect_ratio,
        attributes=dict(entry.source.attributes),
    )


@transaction.atomic
def _groups_write(dataset: Dataset) -> None:
    """Name each group of near-duplicates after the first of its images by sha256."""
    images = list(dataset.images.order_by("sha256").only("id", "sha256", "group", "perceptual_hash"))
    names: dict[int, str] = {}
    for image, group in zip(images, close_groups([image.perceptual_hash for image in images]), strict=True):
        image.group = names.setdefault(group, image.sha256)
    Image.objects.bulk_update(images, ["group"], batch_size=1000)


def _progress_write(dataset: Dataset, progress: dict[str, object]) -> None:
    dataset.progress = progress
    dataset.save(update_fields=["progress"])
    ring(DatasetChanged(dataset.pk))


def _restart(dataset: Dataset) -> None:
    if dataset.state == ImportState.FAILED:
        move(Dataset, pk=dataset.pk, moves=IMPORT_MOVES, old=ImportState.FAILED, new=ImportState.RUNNING)
        dataset.state = ImportState.RUNNING


@transaction.atomic
def _end(dataset: Dataset, state: ImportState, *, error: str = "") -> None:
    if error:
        dataset.progress = {**dataset.progress, "error": error}
    move(Dataset, pk=dataset.pk, moves=IMPORT_MOVES, old=ImportState.RUNNING, new=state, progress=dataset.progress)
    dataset.state = state
    ring(DatasetChanged(dataset.pk))
    logger.info("import_ended dataset=%s state=%s done=%s", dataset.pk, state, dataset.progress.get("done"))


@contextmanager
def _only_import_of(dataset: Dataset) -> Iterator[None]:
    """Held on the connection, so an import that is killed frees it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [IMPORT_LOCK, dataset.pk])
        if not cursor.fetchone()[0]:
            raise Conflict("This import is running already.", code="import_running")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [IMPORT_LOCK, dataset.pk])


@contextmanager
def _source_errors() -> Iterator[None]:
    try:
        yield
    except SourceMissing as exc:
        raise Wrong(str(exc), code="source_missing") from exc
