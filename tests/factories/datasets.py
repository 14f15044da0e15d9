"""Images of our own making: noise that no two seeds share, with a bright scratch where there is a defect."""

from pathlib import Path

import cv2
import factory
import numpy as np
from django.utils import timezone

from apps.core import files
from apps.datasets import services
from apps.datasets.models import Dataset, DatasetVersion, Image, Label
from apps.datasets.states import ImportState


def png(seed: int, *, is_defect: bool = False, side_px: int = 48) -> bytes:
    pixels = np.random.default_rng(seed).integers(60, 120, (side_px // 4, side_px // 4), np.uint8)
    picture = cv2.resize(pixels, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    if is_defect:
        cv2.line(picture, (4, 4 + seed % 20), (side_px - 5, side_px - 5 - seed % 15), 255, 3)
    return cv2.imencode(".png", picture)[1].tobytes()


def folder(root: Path, *, good: int = 30, defect: int = 30) -> Path:
    """A folder to import: `good/` and `scratch/`."""
    for label, count, offset in (("good", good, 0), ("scratch", defect, 10_000)):
        (root / label).mkdir(parents=True)
        for n in range(count):
            (root / label / f"{n}.png").write_bytes(png(n + offset, is_defect=label == "scratch"))
    return root


class DatasetFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Dataset

    name = factory.Sequence(lambda n: f"parts {n}")
    source = "factory"
    labels = ["good", "defect"]
    state = ImportState.SUCCEEDED


class ImageFactory(factory.django.DjangoModelFactory):
    """An image whose file is kept, labelled `label`."""

    class Meta:
        model = Image
        skip_postgeneration_save = True

    class Params:
        seed = factory.Sequence(lambda n: 50_000 + n)
        content = factory.LazyAttribute(lambda o: png(o.seed, is_defect=o.label_name == "defect"))
        label_name = "good"

    dataset = factory.SubFactory(DatasetFactory)
    sha256 = factory.LazyAttribute(lambda o: files.store(o.content))
    source = factory.Sequence(lambda n: f"part{n}.png")
    width_px = 48
    height_px = 48
    group = factory.SelfAttribute("sha256")
    perceptual_hash = factory.SelfAttribute("sha256")

    @factory.post_generation
    def label(self, create, extracted, **kwargs):
        Label.objects.create(image=self, label=extracted or "good", at=timezone.now(), source="import")


def frozen(dataset: Dataset | None = None, *, good: int = 30, defect: int = 30, seed: int = 1) -> DatasetVersion:
    """A frozen version of a small data set."""
    dataset = dataset or DatasetFactory()
    for label, count in (("good", good), ("defect", defect)):
        for _ in range(count):
            ImageFactory(dataset=dataset, label=label, label_name=label)
    return services.version_freeze(dataset_id=dataset.pk, seed=seed, now=timezone.now())
