import pytest

from apps.gateway.asgi import Limits
from tests.kit.gateway import device_at, serving


@pytest.fixture
def gateway(transactional_db):
    """The address of a real gateway with a short patience for slow bodies."""
    with serving(Limits(body_timeout_s=1.0)) as url:
        yield url


@pytest.fixture
def device(gateway):
    return device_at(gateway)
