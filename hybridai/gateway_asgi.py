"""The machines' entrance, in a process of its own so that a storm of devices cannot slow a person's page."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hybridai.settings")
django.setup()

from apps.gateway.asgi import app  # noqa: E402  needs the app registry

__all__ = ["app"]
