from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("openwisp_controller.urls")),
    path("", include("openwisp_firmware_upgrader.urls")),
    path("", include("openwisp_monitoring.urls")),
    path("", include("openwisp_network_topology.urls")),
    path("", include("openwisp_radius.urls")),
    path("api/v1/", include("openwisp_users.api.urls")),
    path("api/v1/", include("openwisp_utils.api.urls")),
]
