from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("openwisp_users.accounts.urls")),
    path("api/v1/", include("openwisp_users.api.urls")),
]
