"""Writes of the data sets' tables."""

from apps.datasets.services.freezing import version_freeze
from apps.datasets.services.importing import ELPV_NAME, dataset_import, elpv_import, folder_import
from apps.datasets.services.labelling import review_label_add, review_label_undo

__all__ = [
    "ELPV_NAME",
    "dataset_import",
    "elpv_import",
    "folder_import",
    "review_label_add",
    "review_label_undo",
    "version_freeze",
]
