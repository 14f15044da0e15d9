"""What one camera's good frames look like: learned on the device or sent to it, and the same to both."""

import msgspec


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Where a measure lies on good frames, and the limits beyond which it does not."""

    middle: float
    low: float
    high: float


class QualityBaseline(msgspec.Struct, frozen=True, kw_only=True):
    """Belongs to one camera that shows one kind of part: another part, lens or light needs another baseline.

    single: by measure, the range for one frame. several: the same for the middle of `window_count` frames, which
    varies less. tile_levels and tile_spreads: grey levels around the frame's own mean on a grid of tiles, row by row;
    tile_changes: spreads of the bare grey levels. row_profile and
    column_profile: mean grey level by row and by column of the thumbnail.
    """

    format: int = 1
    frame_count: int
    window_count: int
    single: dict[str, Range]
    several: dict[str, Range]
    flat_texture: float
    """Tiles with less texture than this show something flat."""
    tile_levels: list[float]
    tile_spreads: list[float]
    tile_changes: list[float]
    row_profile: list[float]
    column_profile: list[float]
