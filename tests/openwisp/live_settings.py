"""Django of an OpenWISP installation on which postern works too (`schema: openwisp`): its own API of users, and nothing kept in memory."""
import os

from settings import *  # noqa: F403

MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "live_urls"
OPENWISP_USERS_AUTH_API = True
OPENWISP_USERS_AUTH_THROTTLE_RATE = None
AUTHENTICATION_BACKENDS = [*AUTHENTICATION_BACKENDS, "sesame.backends.ModelBackend"]  # noqa: F405
SESAME_MAX_AGE = 300
if "OPENWISP_CACHE" in os.environ:
    # As OpenWISP's installers have it, and as Django brings it along.
    CACHES = CACHES | {  # noqa: F405
        "django_redis": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ["OPENWISP_CACHE"]},
        "django": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": os.environ["OPENWISP_CACHE"]},
    }
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
# Cheap, so that a thousand operations take little.
PASSWORD_HASHERS = ["turns.Cheap"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in ("library", "openwisp_ipam", "reversion")]  # noqa: F405
