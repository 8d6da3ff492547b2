"""A Django REST service with openwisp-users, in one file: a token is looked up, then whether its user belongs to an organization.

    python service.py migrate          gunicorn service:application

DJANGO_DATABASE names the database, as HOST:PORT/NAME. Nothing is on that a bare service would leave out: no sessions, no admin.
"""
import os
import sys

from django.conf import settings

place, _, name = os.environ["DJANGO_DATABASE"].partition("/")
host, _, port = place.partition(":")
settings.configure(
    SECRET_KEY="of a measurement",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "NAME": name, "USER": "postgres",
                           "CONN_MAX_AGE": None}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages",
                    "django.contrib.sites", "allauth", "allauth.account", "allauth.socialaccount", "django_extensions", "organizations",
                    "openwisp_users", "openwisp_users.accounts", "phonenumber_field", "django_filters", "rest_framework", "rest_framework.authtoken"],
    # The first tells the length of answers, on the second allauth insists.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "allauth.account.middleware.AccountMiddleware"],
    SITE_ID=1,
    AUTH_USER_MODEL="openwisp_users.User",
    # Each worker remembers organizations for two days, as openwisp-users does; tokens are looked up each time, as DRF does.
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 1_000_000}}},
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"], "DEFAULT_THROTTLE_CLASSES": []},
    LOGGING_CONFIG=None,
)

import django  # noqa: E402
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from openwisp_users.api.authentication import BearerAuthentication  # noqa: E402
from rest_framework.exceptions import PermissionDenied  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Thing(APIView):
    authentication_classes = [BearerAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request, organization):
        if not request.user.is_superuser and not request.user.is_member(str(organization)):
            raise PermissionDenied
        return Response({"organization": str(organization), "user": request.user.username, "name": "Example", "is_active": True})


# The reference's own API too, which benches/identity.sh asks.
urlpatterns = [path("org/<uuid:organization>/x", Thing.as_view()), path("api/v1/", include("openwisp_users.api.urls"))]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
