"""The environment, read through four functions that fail with a sentence."""

import os
import secrets
from pathlib import Path

from hybridai.embedded.errors import translated


class SettingWrong(Exception):
    """An environment variable cannot mean what it says."""


def env_bool(name: str, *, default: bool) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text in {"", "1", "true", "yes", "on", "0", "false", "no", "off"}:
        return text in {"1", "true", "yes", "on"} if text else default
    raise SettingWrong(f"{name} must be true or false, not {text!r}.")


def env_int(name: str, *, default: int, minimum: int = 0) -> int:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdigit() or int(text) < minimum:
        raise SettingWrong(f"{name} must be a whole number of at least {minimum}, not {text!r}.")
    return int(text)


def env_list(name: str, *, default: list[str]) -> list[str]:
    text = os.environ.get(name, "")
    return [part.strip() for part in text.split(",") if part.strip()] or default


def env_secret(name: str, *, file: Path) -> str:
    """The secret from the environment, else from `file`, which is made with a random one at the first start."""
    if value := os.environ.get(name, "").strip():
        return value
    try:
        return _kept_secret(file)
    except OSError as exc:
        raise SettingWrong(str(translated(exc, file.parent))) from exc


def _kept_secret(file: Path) -> str:
    if not file.exists():
        _write_new_secret(file)
    return file.read_text().strip()


def _write_new_secret(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48))
    try:
        # Linked, not renamed: when two processes start at once, the first one's secret stays.
        file.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
