from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatasetChanged:
    """Images, labels, a frozen version or an import's progress: something of this data set is new."""

    dataset_id: int
