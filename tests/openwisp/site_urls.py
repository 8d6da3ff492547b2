from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.urls import include, path
from django.views.generic import View
from openwisp_ipam.api import views
from openwisp_ipam.api.urls import get_api_urls


class Login(LoginView):
    """The admin's, without its looks."""

    def render_to_response(self, context, **kwargs):
        return HttpResponse("Django's own login")


class Told(View):
    """Who WSGI says is there."""

    def get(self, request):
        names = ["HTTP_AUTHORIZATION", "HTTP_X_POSTERN_USER", "REMOTE_ADDR", "HTTPS"]
        return HttpResponse(" ".join(f"{name}={request.META.get(name, '')}" for name in names))


urlpatterns = [
    path("admin/login/", Login.as_view()),
    path("accounts/login/", Told.as_view()),
    path("api/v1/ipam/", include(get_api_urls(views))),
    path("api/v1/", include("openwisp_users.api.urls")),
]
