"""A small network from scratch: seconds to train, for trials and for parts that are easy to tell apart."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from apps.models.training.loading import batches, targets_of
from apps.models.training.machine import settle
from apps.models.training.order import LabelledFile
from apps.models.training.pace import Pace
from edge_agent.wire.manifest import PreprocessingSpec

SIDE_PX = 64
BATCH_COUNT = 32
LOADING, TRAINING = "loading images", "training"


class SmallCnn:
    preprocessing = PreprocessingSpec(height_px=SIDE_PX, width_px=SIDE_PX)
    stage_costs: Mapping[str, float] = {LOADING: 10.0, TRAINING: 60.0}

    def fit(
        self, files: Sequence[LabelledFile], *, seed: int, parameters: Mapping[str, float], pace: Pace
    ) -> nn.Module:
        settle()
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        targets = torch.from_numpy(targets_of(files))
        tensors = _load(files, self.preprocessing, pace)
        network = _Network()
        optimizer = torch.optim.AdamW(network.parameters(), lr=parameters.get("learning_rate", 2e-3))
        epoch_count = int(parameters.get("epochs", 12))
        steps_per_epoch = -(-len(files) // BATCH_COUNT)
        pace.begin(TRAINING, of=epoch_count * steps_per_epoch)
        for step in range(epoch_count * steps_per_epoch):
            if step % steps_per_epoch == 0:
                order = rng.permutation(len(files))
            at = (step % steps_per_epoch) * BATCH_COUNT
            chosen = order[at : at + BATCH_COUNT]
            loss = functional.binary_cross_entropy_with_logits(
                network.logit(_flipped(tensors[chosen], rng)), targets[chosen]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            pace.step(step + 1, loss=float(loss.detach()))
        return network.eval()


class _Network(nn.Module):  # type: ignore[misc]  # torch is not followed by the checker
    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU())
                for before, after in pairwise(widths)
            )
        )
        self.last = nn.Linear(2 * widths[-1], 1)

    def logit(self, pictures: torch.Tensor) -> torch.Tensor:
        features = self.blocks(pictures - 0.5)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        return self.last(pooled)[:, 0]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.logit(pictures))


def _load(files: Sequence[LabelledFile], spec: PreprocessingSpec, pace: Pace) -> NDArray[np.float32]:
    pace.begin(LOADING, of=len(files))
    loaded = []
    for batch in batches(files, spec, batch_count=BATCH_COUNT):
        loaded.append(batch)
        pace.step(sum(map(len, loaded)))
    return np.concatenate(loaded)


def _flipped(pictures: NDArray[np.float32], rng: np.random.Generator) -> torch.Tensor:
    if rng.random() < 0.5:
        pictures = pictures[:, :, :, ::-1]
    if rng.random() < 0.5:
        pictures = pictures[:, :, ::-1]
    return torch.from_numpy(np.ascontiguousarray(pictures))
