"""All recipes by name. Imports none of them: the site lists recipes, and must not load torch for that."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.models.training.errors import DataUnfit

if TYPE_CHECKING:
    from apps.models.training.recipe import Recipe

_PACKAGE = "apps.models.training.recipes"


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """What people choose by; the recipe itself is the class `class_name` in the module of the recipe's name."""

    class_name: str
    title: str
    summary: str


CATALOGUE: Mapping[str, RecipeFacts] = {
    "efficientnet_lite0_quick": RecipeFacts(
        "EfficientnetLite0Quick",
        "EfficientNet-Lite0, quick",
        "ImageNet weights, upper blocks fine-tuned at 224 px; about 3 minutes for 1,400 images on two cores.",
    ),
    "small_cnn": RecipeFacts(
        "SmallCnn",
        "Small network from scratch",
        "Three layers at 64 px; seconds per run, for trials and for parts that are easy to tell apart.",
    ),
}


def recipe_named(name: str) -> "Recipe":
    """Load a recipe; the first one takes seconds. Raises DataUnfit when there is none of this name."""
    facts = CATALOGUE.get(name)
    if facts is None:
        raise DataUnfit(f"There is no recipe {name}.")
    recipe: Recipe = getattr(importlib.import_module(f"{_PACKAGE}.{name}"), facts.class_name)()
    return recipe
