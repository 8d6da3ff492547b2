from django.urls import include, path
from openwisp_ipam.api import views
from openwisp_ipam.api.urls import get_api_urls

urlpatterns = [
    path("api/v1/library/", include("library.views")),
    path("api/v1/ipam/", include(get_api_urls(views))),
]
