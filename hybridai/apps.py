from django.apps import AppConfig


class HybridAIConfig(AppConfig):
    name = "hybridai"

    def ready(self) -> None:
        from hybridai import celery, wiring

        # Celery's current app belongs to one thread; requests run in others.
        celery.app.set_default()
        wiring.connect()
