"""The people's site: pages and API through Django, live updates through websockets."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hybridai.settings")
http = get_asgi_application()

from apps.dashboard.consumers import LiveConsumer  # noqa: E402  needs the app registry

application = ProtocolTypeRouter(
    {
        "http": http,
        # The consumer reads the session itself, again and again: a person may lose the right while a tab is open.
        "websocket": AllowedHostsOriginValidator(
            URLRouter([path("ws/live/", LiveConsumer.as_asgi())])  # type: ignore[arg-type]  # Channels routes its own
        ),
    }
)
