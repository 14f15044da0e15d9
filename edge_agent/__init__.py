"""The device: inspects every item locally, journals every verdict, and syncs when it can."""

__version__ = "0.1.0"
