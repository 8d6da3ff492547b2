from django.urls import include, path

urlpatterns = [path("api/v1/", include("openwisp_users.api.urls"))]
