from django.urls import URLPattern, path

from apps.dashboard.pages import device, devices, figures, frame, health, overview, places, reports, settings

app_name = "dashboard"
urlpatterns: list[URLPattern] = [
    path("", overview.overview, name="overview"),
    path("overview/main/", overview.overview_main, name="overview_main"),
    path("overview/side/", overview.overview_side, name="overview_side"),
    path("navigation/", frame.nav_entries, name="nav_entries"),
    path("lines/", overview.lines, name="lines"),
    path("lines/table/", overview.lines_table, name="lines_table"),
    path("devices/", devices.devices, name="devices"),
    path("devices/table/", devices.devices_table, name="devices_table"),
    path("devices/add/", devices.device_add, name="device_add"),
    path("devices/<uuid:device_id>/", device.device, name="device"),
    path("devices/<uuid:device_id>/status/", device.device_status, name="device_status"),
    path("devices/<uuid:device_id>/commands/", device.device_commands, name="device_commands"),
    path("devices/<uuid:device_id>/results/", reports.device_results, name="device_results"),
    path("devices/<uuid:device_id>/events/", reports.device_events, name="device_events"),
    path("devices/<uuid:device_id>/command/", device.device_command, name="device_command"),
    path("devices/<uuid:device_id>/configure/", device.device_configure, name="device_configure"),
    path("devices/<uuid:device_id>/code/", device.device_code, name="device_code"),
    path("devices/<uuid:device_id>/admission/<slug:verb>/", device.device_admission, name="device_admission"),
    path("devices/<uuid:device_id>/figures/<slug:kind>.json", figures.device_figure, name="device_figure"),
    path("settings/", settings.settings, name="settings"),
    path("settings/people/", settings.people_page, name="people"),
    path("settings/people/add/", settings.person_add, name="person_add"),
    path("settings/people/<int:user_id>/role/", settings.role_set, name="role_set"),
    path("settings/people/<int:user_id>/active/", settings.person_activate, name="person_activate"),
    path("settings/audit/", settings.audit, name="audit"),
    path("settings/health/", health.health, name="health"),
    path("settings/health/live/", health.health_live, name="health_live"),
    path("settings/sites/", places.sites_page, name="sites"),
    path("settings/sites/add/", places.site_add, name="site_add"),
    path("settings/sites/<int:site_id>/", places.site_change, name="site_change"),
    path("settings/sites/<int:site_id>/lines/add/", places.line_add, name="line_add"),
    path("settings/lines/<int:line_id>/", places.line_change, name="line_change"),
]
