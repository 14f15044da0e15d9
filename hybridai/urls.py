"""The site's addresses. Devices never come here: they have the gateway."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from apps.accounts.urls import api as accounts_api
from apps.alerts.urls import api as alerts_api
from apps.datasets.urls import api as datasets_api
from apps.defects.urls import api as defects_api
from apps.devices.urls import api as devices_api
from apps.models.urls import api as models_api
from apps.rollouts.urls import api as rollouts_api
from apps.telemetry.urls import api as telemetry_api

api = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    *accounts_api,
    *devices_api,
    *datasets_api,
    *models_api,
    *telemetry_api,
    *defects_api,
    *alerts_api,
    *rollouts_api,
]

urlpatterns = [
    path("", include("apps.dashboard.urls")),
    path("account/", include("apps.accounts.urls")),
    path("devices/", include("apps.devices.urls")),
    path("data/", include("apps.datasets.urls")),
    path("models/", include("apps.models.urls")),
    path("review/", include("apps.defects.urls")),
    path("alerts/", include("apps.alerts.urls")),
    path("rollouts/", include("apps.rollouts.urls")),
    path("api/v1/", include((api, "api"))),
]
handler500 = "apps.dashboard.errors.broken"
