"""Who may import whom (docs/architecture.md): floors by import-linter, doors and keys here."""

import ast
import subprocess
import sys

import pytest
from django.apps import apps as registry
from django.db.models import ForeignKey, OneToOneField

from tests.architecture.source import ROOT, imports_of, product_files, tree_of

FLOORS = (
    "core", "accounts", "devices", "datasets", "models", "telemetry", "defects", "alerts", "rollouts", "learning",
    "planning", "gateway", "dashboard",
)  # fmt: skip
DOORS = {"services", "selectors", "events", "states", "models"}
MORE_DOORS = {
    # The vocabulary of permissions, the one gate that pages and API share, and the form that asks for one's password.
    "accounts": {"rights", "api", "forms"},
}


def test_the_import_contracts_hold():
    program = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def app_of(file) -> str:
    return file.relative_to(ROOT / "apps").parts[0]


def test_an_app_is_entered_by_its_doors_only():
    wrong = []
    for file in product_files():
        if not file.is_relative_to(ROOT / "apps"):
            continue
        for name in imports_of(file):
            parts = name.split(".")
            if parts[0] != "apps" or len(parts) < 3 or parts[1] in (app_of(file), "core"):
                continue
            if parts[2] not in DOORS | MORE_DOORS.get(parts[1], set()):
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def cross_app_keys():
    for model in registry.get_models():
        if not model.__module__.startswith("apps."):
            continue
        for field in model._meta.get_fields():
            is_key = isinstance(field, ForeignKey | OneToOneField) and field.model is model
            if is_key and field.related_model._meta.app_label != model._meta.app_label:
                yield field


def test_a_key_to_another_app_points_down():
    wrong = [
        f"{field.model.__name__}.{field.name} -> {field.related_model.__name__}"
        for field in cross_app_keys()
        if FLOORS.index(field.related_model._meta.app_label) >= FLOORS.index(field.model._meta.app_label)
    ]
    assert not wrong, wrong


def test_a_key_to_another_app_leaves_no_name_there():
    wrong = [f"{field.model.__name__}.{field.name}" for field in cross_app_keys() if not field.remote_field.hidden]
    assert not wrong, f"these need related_name='+': {wrong}"


def test_no_key_names_its_class_as_a_string():
    """A string escapes the import contracts; `settings.AUTH_USER_MODEL` is Django's own way and points to accounts."""
    wrong = []
    for file in product_files():
        for node in ast.walk(tree_of(file)):
            is_key = isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("ForeignKey", "OneToOneField")
            if is_key and node.args and isinstance(node.args[0], ast.Constant) and "." in str(node.args[0].value):
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, wrong


@pytest.mark.parametrize("name", ["policy"])
def test_a_policy_touches_no_query_clock_settings_or_network(name):
    forbidden = ("django.db", "django.conf", "django.utils.timezone", "time", "requests", "httpx", "redis", "socket")
    wrong = []
    for file in product_files():
        is_policy = file.stem == name or name in file.relative_to(ROOT).parts
        if not is_policy or not file.is_relative_to(ROOT / "apps"):
            continue
        touched = [
            one for one in imports_of(file) if one in forbidden or one.startswith(tuple(f + "." for f in forbidden))
        ]
        wrong += [f"{file.relative_to(ROOT)} imports {one}" for one in touched]
    assert not wrong, wrong
