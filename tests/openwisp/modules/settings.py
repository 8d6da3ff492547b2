"""All of OpenWISP's modules, on the PostgreSQL (with PostGIS) that OPENWISP_DATABASE has the address of and the InfluxDB at OPENWISP_INFLUX."""
import os
from urllib.parse import urlsplit

from celery import Celery

database = urlsplit(os.environ["OPENWISP_DATABASE"])
influx = urlsplit(os.environ["OPENWISP_INFLUX"])

SECRET_KEY = "of no installation"
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": {
        "ENGINE": "django.contrib.gis.db.backends.postgis",
        "HOST": database.hostname,
        "PORT": database.port,
        "USER": database.username,
        "NAME": database.path.strip("/"),
    }
}
TIMESERIES_DATABASE = {
    "BACKEND": "openwisp_monitoring.db.backends.influxdb",
    "USER": "",
    "PASSWORD": "",
    "NAME": "openwisp",
    "HOST": influx.hostname,
    "PORT": str(influx.port),
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.gis",
    "django.contrib.sites",
    "django.contrib.humanize",
    "openwisp_users.accounts",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.facebook",
    "allauth.socialaccount.providers.google",
    "django_extensions",
    "openwisp_controller.pki",
    "openwisp_controller.config",
    "openwisp_controller.geo",
    "openwisp_controller.connection",
    "openwisp_controller.subnet_division",
    "openwisp_monitoring.monitoring",
    "openwisp_monitoring.device",
    "openwisp_monitoring.check",
    "openwisp_notifications",
    "flat_json_widget",
    "openwisp_network_topology",
    "openwisp_firmware_upgrader",
    "openwisp_users",
    "openwisp_radius",
    "openwisp_ipam",
    "private_storage",
    "dj_rest_auth",
    "dj_rest_auth.registration",
    "openwisp_utils.admin_theme",
    "admin_auto_filters",
    "django.contrib.admin",
    "django.forms",
    "import_export",
    "sortedm2m",
    "reversion",
    "leaflet",
    "django_loci",
    "rest_framework",
    "rest_framework_gis",
    "rest_framework.authtoken",
    "django_filters",
    "drf_yasg",
    "channels",
]
AUTH_USER_MODEL = "openwisp_users.User"
SITE_ID = 1
ROOT_URLCONF = "urls"
MIDDLEWARE = [
    "serve.Undone",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                "django.template.loaders.filesystem.Loader",
                "django.template.loaders.app_directories.Loader",
                "openwisp_utils.loaders.DependencyLoader",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "openwisp_utils.admin_theme.context_processor.menu_groups",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
STATIC_URL = "/static/"
MEDIA_ROOT = os.environ["OPENWISP_FILES"] + "/media"
PRIVATE_STORAGE_ROOT = os.environ["OPENWISP_FILES"] + "/private"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DJANGO_X509_CA_MODEL = "pki.Ca"
DJANGO_X509_CERT_MODEL = "pki.Cert"
DJANGO_LOCI_LOCATION_MODEL = "geo.Location"
DJANGO_LOCI_FLOORPLAN_MODEL = "geo.FloorPlan"
DJANGO_LOCI_OBJECTLOCATION_MODEL = "geo.DeviceLocation"
OPENWISP_USERS_AUTH_API = True
OPENWISP_ADMIN_DASHBOARD_ENABLED = True
OPENWISP_RADIUS_FREERADIUS_ALLOWED_HOSTS = ["127.0.0.1"]
OPENWISP_RADIUS_SOCIAL_REGISTRATION_ENABLED = True
# No more requests an hour than there are here.
REST_FRAMEWORK = {
    "DEFAULT_THROTTLE_RATES": dict.fromkeys(
        [
            "ipam",
            "firmware_upgrader",
            "others",
            "obtain_auth_token",
            "validate_auth_token",
            "create_phone_token",
            "phone_token_status",
            "validate_phone_token",
            "accounting",
            "radius_accounting_list",
        ]
    )
}
OPENWISP_USERS_AUTH_THROTTLE_RATE = None
# What users are members of is read from the database again for each request: both sides must speak of the same moment.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = {"version": 1, "disable_existing_loggers": True}
# Tasks wait for a worker, and there is none: what they would do is not asked for here.
app = Celery("openwisp")
app.conf.update(broker_url="memory://", result_backend="cache+memory://")
app.set_default()
