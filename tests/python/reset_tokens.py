"""The real Django with allauth: makes tokens of links to a new password, and judges ours.

Reads {"settings": {…}, "user": {"id", "password", "email", "last_login", "emails"}, "make": COUNT, "judge": [TOKEN]} from standard input
and prints {"made": [TOKEN], "judged": [BOOL], "uid": TEXT}.
"""
import datetime
import json
import sys
import uuid

sys.dont_write_bytecode = True

import django
from django.apps import apps
from django.conf import settings

wanted = json.load(sys.stdin)
settings.configure(
    USE_TZ=True,
    TIME_ZONE="UTC",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "allauth",
        "allauth.account",
        "people",
    ],
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    AUTH_USER_MODEL="people.User",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    **wanted["settings"],
)

django.setup()

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth import get_user_model
from django.db import connection

User = get_user_model()
with connection.schema_editor() as editor:
    for app in ("contenttypes", "auth", "people", "account"):
        for model in apps.get_app_config(app).get_models():
            editor.create_model(model)

person = wanted["user"]
last_login = person.get("last_login")
user = User.objects.create(
    id=uuid.UUID(person["id"]),
    username="somebody",
    password=person["password"],
    email=person.get("email") or "",
    last_login=datetime.datetime.fromisoformat(last_login) if last_login else None,
)
for email in person.get("emails", []):
    EmailAddress.objects.create(user=user, email=email, verified=False, primary=False)
made = [default_token_generator.make_token(user) for _ in range(wanted.get("make", 0))]
judged = [default_token_generator.check_token(user, token) for token in wanted.get("judge", [])]
json.dump({"made": made, "judged": judged, "uid": user_pk_to_url_str(user)}, sys.stdout)
