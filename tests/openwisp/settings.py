"""A service built of openwisp-users' blocks, and openwisp-ipam, on the PostgreSQL that OPENWISP_DATABASE has the address of."""
import os
from urllib.parse import urlsplit

database = urlsplit(os.environ["OPENWISP_DATABASE"])

SECRET_KEY = "of no installation"
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": database.hostname,
        "PORT": database.port,
        "USER": database.username,
        "NAME": database.path.strip("/"),
        "CONN_MAX_AGE": None,
    }
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sites",
    "openwisp_users.accounts",
    "django_extensions",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "openwisp_users",
    "openwisp_ipam",
    "openwisp_utils.admin_theme",
    "django.contrib.admin",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "reversion",
    "library",
]
AUTH_USER_MODEL = "openwisp_users.User"
SITE_ID = 1
MIDDLEWARE = ["effects.Undone", "allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "/static/"
USE_TZ = True
AUTHENTICATION_BACKENDS = ["openwisp_users.backends.UsersAuthenticationBackend"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
# What users are members of is read from the database again for each request: both sides must speak of the same moment.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
# A page holds all there is, so that both sides show the same items.
REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"], "DEFAULT_THROTTLE_RATES": {"ipam": None}}
OPENWISP_IPAM_API = True
CELERY_TASK_ALWAYS_EAGER = True
LOGGING = {"version": 1, "disable_existing_loggers": True}
SILENCED_SYSTEM_CHECKS = ["admin.E403", "admin.E408", "admin.E409", "admin.E410", "admin.W411"]
