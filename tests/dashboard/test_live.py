"""Live pages over real sockets: the site's own ASGI stack, a real Valkey and real sessions."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager

import pytest
import redis
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connections
from django.test import Client

from apps.accounts.models import User
from apps.accounts.rights import Role
from apps.accounts.services import user_create
from apps.core.live import push
from apps.dashboard import consumers
from apps.dashboard.fanout import fanout
from apps.devices.services import device_register, line_create, site_create
from hybridai.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_of_the_worker_thread_close():
    yield
    await database_sync_to_async(connections.close_all)()


@sync_to_async
def signed_in(*memberships) -> str:
    user = user_create(username=f"p{uuid.uuid4().hex[:8]}", password="long enough for a test", memberships=memberships)
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@asynccontextmanager
async def tab(session: str, *topics: str):
    headers = [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()), (b"host", b"localhost")]
    socket = WebsocketCommunicator(application, "/ws/live/", headers=[*headers, (b"origin", b"http://localhost")])
    assert (await socket.connect())[0]
    await socket.send_json_to({"watch": list(topics)})
    try:
        yield socket
    finally:
        await socket.disconnect()


async def next_message(socket, kind: str) -> object:
    """The value of the next message of this kind; others are passed over."""
    async with asyncio.timeout(8):
        while True:
            said = json.loads(await socket.receive_from(timeout=8))
            if kind in said:
                return said[kind]


async def topics_heard(socket, duration_s: float) -> list[str]:
    """What this tab is told in so many seconds, beats left out."""
    said = []
    until = asyncio.get_running_loop().time() + duration_s
    while asyncio.get_running_loop().time() < until:
        if not await socket.receive_nothing(timeout=0.1):
            said.append(json.loads(await socket.receive_from()))
    return [one["topic"] for one in said if "topic" in one]


async def settle(socket) -> None:
    """Wait until the link stands and the first hints, that everything may have changed, have come."""
    await next_message(socket, "beat")
    await topics_heard(socket, consumers.PUSH_GAP_S * 1.5)


async def test_a_push_reaches_the_tab_that_watches_the_topic_and_no_other():
    session = await signed_in((Role.VIEWER, None))
    async with tab(session, "overview") as one, tab(session, "alerts") as other:
        await settle(one)
        await settle(other)
        await sync_to_async(push)("overview")
        assert await topics_heard(one, 0.5) == ["overview"]
        assert await topics_heard(other, 0.5) == []


async def test_of_twenty_pushes_in_a_moment_at_most_one_a_second_arrives():
    session = await signed_in((Role.VIEWER, None))
    async with tab(session, "overview") as socket:
        await settle(socket)
        for _ in range(20):
            await sync_to_async(push)("overview")
        assert 1 <= len(await topics_heard(socket, 1.8)) <= 2


async def test_a_topic_without_the_right_is_refused_and_never_pushed():
    session = await signed_in((Role.VIEWER, None))
    async with tab(session, "review", "overview") as socket:
        assert await next_message(socket, "refused") == ["review"]
        await settle(socket)
        await sync_to_async(push)("review")
        assert await topics_heard(socket, 0.7) == []


async def test_a_person_of_one_site_hears_nothing_of_another():
    here = await sync_to_async(site_create)(name="Here")
    there = await sync_to_async(site_create)(name="There")
    line = await sync_to_async(line_create)(site=there, name="A")
    device = await sync_to_async(device_register)(line=line, name="far-away", actor="system:test")
    session = await signed_in((Role.VIEWER, here.id))
    async with tab(session, "overview", f"device:{device.pk}") as socket:
        assert await next_message(socket, "refused") == [f"device:{device.pk}"]
        await settle(socket)
        await sync_to_async(push)("overview", site_id=there.id)
        assert await topics_heard(socket, 0.7) == []
        await sync_to_async(push)("overview", site_id=here.id)
        assert await next_message(socket, "topic") == "overview"


async def test_a_person_who_is_locked_out_is_dropped_within_ten_seconds():
    session = await signed_in((Role.VIEWER, None))
    async with tab(session, "overview") as socket:
        await settle(socket)
        await User.objects.aupdate(is_active=False)
        assert await closing_code(socket) == consumers.SIGNED_OUT


async def test_a_stranger_is_turned_away_as_signed_out():
    async with tab("no-such-session", "overview") as socket:
        assert await closing_code(socket) == consumers.SIGNED_OUT


@pytest.mark.parametrize("garbage", ["[", "[]", '{"watch": 3}', '{"watch": [1]}', '{"watch": "' + "x" * 20_000 + '"}'])
async def test_garbage_closes_the_socket_and_breaks_nothing(garbage):
    session = await signed_in((Role.VIEWER, None))
    async with tab(session, "overview") as socket:
        await socket.send_to(text_data=garbage)
        assert await closing_code(socket) == consumers.NOT_UNDERSTOOD


async def test_a_lost_subscription_comes_back_and_tells_that_anything_may_have_changed():
    session = await signed_in((Role.VIEWER, None))
    async with tab(session, "overview") as socket:
        await settle(socket)
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            assert client.client_kill_filter(_type="pubsub") >= 1
        assert await next_message(socket, "topic") == "overview"
        await asyncio.sleep(consumers.PUSH_GAP_S)
        await sync_to_async(push)("overview")
        assert await next_message(socket, "topic") == "overview"


async def test_after_the_last_tab_the_process_keeps_no_subscription():
    session = await signed_in((Role.VIEWER, None))
    async with tab(session, "overview") as socket:
        await settle(socket)
        assert fanout().up.is_set()
    assert not fanout().up.is_set()


async def closing_code(socket) -> int:
    async with asyncio.timeout(10):
        while True:
            event = await socket.receive_output(timeout=10)
            if event["type"] == "websocket.close":
                return event["code"]
