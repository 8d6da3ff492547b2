"""Django of an installation, behind uWSGI: openwisp-ipam and openwisp-users with their APIs, and the logins of its admin."""
from settings import *  # noqa: F403

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "effects.Undone",
]
ROOT_URLCONF = "site_urls"
OPENWISP_USERS_AUTH_API = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
