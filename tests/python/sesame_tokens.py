"""The real django-sesame: makes tokens and judges ours.

Reads {"settings": {…}, "user": {"id", "password", "email", "last_login"}, "make": [SCOPE], "judge": [[TOKEN, SCOPE]]} from standard
input and prints {"made": [TOKEN], "judged": [BOOL]}.
"""
import datetime
import json
import sys
import uuid

import django
from django.conf import settings

wanted = json.load(sys.stdin)
settings.configure(
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "__main__"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    AUTH_USER_MODEL="main.User",
    AUTHENTICATION_BACKENDS=["sesame.backends.ModelBackend"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    **wanted["settings"],
)

from django.apps import AppConfig, apps


class Main(AppConfig):
    name = "__main__"
    label = "main"
    path = "."


settings.INSTALLED_APPS[2] = "__main__.Main"
django.setup()

from django.contrib.auth.models import AbstractUser
from django.db import connection, models


class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    class Meta:
        app_label = "main"


with connection.schema_editor() as editor:
    for model in [*apps.get_app_config("contenttypes").get_models(), *apps.get_app_config("auth").get_models(), User]:
        editor.create_model(model)

from sesame.utils import get_token, get_user

person = wanted["user"]
last_login = person.get("last_login")
user = User.objects.create(
    id=uuid.UUID(person["id"]),
    username="somebody",
    password=person["password"],
    email=person.get("email") or "",
    last_login=datetime.datetime.fromisoformat(last_login) if last_login else None,
)
made = [get_token(user, scope=scope) for scope in wanted.get("make", [])]
judged = [
    get_user(token, scope=scope, update_last_login=False) == user for token, scope in wanted.get("judge", [])
]
json.dump({"made": made, "judged": judged}, sys.stdout)
