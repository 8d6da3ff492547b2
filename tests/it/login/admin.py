"""Django's admin, whose users are whoever the gate says they are: `admin.py PORT DIRECTORY`."""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings

port, home = int(sys.argv[1]), sys.argv[2]
settings.configure(
    DEBUG=True,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="of a test",
    ROOT_URLCONF=__name__,
    STATIC_URL="/static/",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{home}/django.db"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        f"{__name__}.GateUserMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    AUTHENTICATION_BACKENDS=[f"{__name__}.GateUserBackend"],
    LOGOUT_REDIRECT_URL="/api/v1/users/logout/",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)
sys.modules.setdefault(__name__, sys.modules["__main__"])
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.backends import RemoteUserBackend  # noqa: E402
from django.contrib.auth.middleware import RemoteUserMiddleware  # noqa: E402
from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402


class GateUserMiddleware(RemoteUserMiddleware):
    header = "HTTP_X_POSTERN_USER"


class GateUserBackend(RemoteUserBackend):
    def configure_user(self, request, user, created=True):
        user.is_staff = True
        user.is_superuser = request.META.get("HTTP_X_POSTERN_SUPERUSER") == "true"
        user.save()
        return user


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


urlpatterns = [path("admin/", admin.site.urls)]
call_command("migrate", verbosity=0)
make_server("127.0.0.1", port, StaticFilesHandler(get_wsgi_application()), Server, Quiet).serve_forever()
