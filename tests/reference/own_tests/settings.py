"""An installation of openwisp-users for its own tests, in memory."""

SECRET_KEY = "of no installation"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.sites",
    "openwisp_users.accounts",
    "django_extensions",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "openwisp_users",
    "openwisp_utils.admin_theme",
    "django.contrib.admin",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
]
AUTH_USER_MODEL = "openwisp_users.User"
SITE_ID = 1
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
    "context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ],
}}]
STATIC_URL = "/static/"
USE_TZ = True
# Links to a new password name times; postern's are UTC.
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
AUTHENTICATION_BACKENDS = ["openwisp_users.backends.UsersAuthenticationBackend"]
OPENWISP_USERS_AUTH_API = True
OPENWISP_USERS_AUTH_THROTTLE_RATE = None
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# As cheap as it gets where both must read it.
PASSWORD_HASHERS = ["both.Cheap"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
TEST_RUNNER = "both.Runner"
