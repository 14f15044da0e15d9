"""The registry: what comes in was opened, checked and run before it has a row."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.core import files
from apps.core.doorbell import ring
from apps.core.errors import Conflict, Wrong
from apps.core.moves import move
from apps.core.services import audit
from apps.models.events import VersionChanged
from apps.models.models import InspectionModel, ModelVersion, Run
from apps.models.outside.trial_child import package_try
from apps.models.states import VERSION_MOVES, VersionState
from edge_agent.contract.package import PackageRefused, open_package
from edge_agent.wire.manifest import Manifest

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def model_create(*, name: str) -> InspectionModel:
    """A new line of versions. Raises Wrong(bad_model_name), Conflict when the name is taken."""
    if not _NAME.fullmatch(name):
        raise Wrong("A model's name is small letters, digits and hyphens.", code="bad_model_name")
    try:
        with transaction.atomic():
            return InspectionModel.objects.create(name=name)
    except IntegrityError as exc:
        raise Conflict(f"There is a model {name} already.", code="name_taken") from exc


def version_register(
    *, package: Path, run: Run | None, by: User | None, metrics: Mapping[str, object] | None = None
) -> ModelVersion:
    """Take a package into the registry: opened, checked against its manifest, loaded and run in a child process.

    Nothing is stored unless all of it holds. `by` counts as its author. Raises Wrong with the package's own code
    (package_not_zip, package_checksum, not_onnx, golden_mismatch and so on), Conflict(version_taken),
    Conflict(already_registered). Takes about 3 s.
    """
    manifest = _manifest(package, by)
    report = package_try(package)
    if report.code:
        raise _refused(report.code, report.text, by)
    digest = files.store_file(package)
    if known := ModelVersion.objects.select_related("model").filter(digest=digest).first():
        if run is not None and known.run_id == run.pk:
            return known
        raise Conflict(f"This package is {known.model.name} {known.number} already.", code="already_registered")
    try:
        return _version_create(
            manifest, digest=digest, size_bytes=package.stat().st_size, run=run, by=by, metrics=dict(metrics or {})
        )
    except IntegrityError as exc:
        text = f"{manifest.name} has a version {manifest.version} already."
        raise Conflict(text, code="version_taken") from exc


def _manifest(package: Path, by: User | None) -> Manifest:
    try:
        with package.open("rb") as stream:
            manifest = open_package(stream).manifest
    except PackageRefused as exc:
        raise _refused(exc.code, exc.text, by) from exc
    if not _NAME.fullmatch(manifest.name):
        raise _refused("bad_model_name", "A model's name is small letters, digits and hyphens.", by)
    if not _NUMBER.fullmatch(manifest.version):
        raise _refused("bad_version_number", "The manifest's version must be a whole number from 1.", by)
    return manifest


@transaction.atomic
def _version_create(
    manifest: Manifest,
    *,
    digest: str,
    size_bytes: int,
    run: Run | None,
    by: User | None,
    metrics: dict[str, object],
) -> ModelVersion:
    model, _ = InspectionModel.objects.get_or_create(name=manifest.name)
    version = ModelVersion.objects.create(
        model=model,
        number=int(manifest.version),
        digest=digest,
        size_bytes=size_bytes,
        manifest=msgspec.to_builtins(manifest),
        metrics=metrics,
        run=run,
        created_by=by,
    )
    moved = move(
        ModelVersion, pk=version.pk, moves=VERSION_MOVES, old=VersionState.UPLOADED, new=VersionState.VALIDATED
    )
    assert moved, "nobody else can see this row yet"
    version.state = VersionState.VALIDATED
    audit(
        actor=_actor(by),
        verb="version_register",
        object=f"version:{version.pk}",
        detail={"model": model.name, "number": version.number, "digest": digest},
    )
    ring(VersionChanged(version.pk))
    return version


def _refused(code: str, text: str, by: User | None) -> Wrong:
    audit(actor=_actor(by), verb="package_refuse", object="version:none", detail={"code": code, "text": text[:300]})
    logger.warning("package_refused code=%s", code)
    return Wrong(text, code=code)


def _actor(by: User | None) -> str:
    return f"user:{by.username}" if by else "system:models"
