import pytest


@pytest.fixture(autouse=True)
def own_folders(settings, tmp_path):
    """Each test has its own repository and keys."""
    settings.TUF_DIR = tmp_path / "tuf"
    settings.KEYS_DIR = tmp_path / "keys"
