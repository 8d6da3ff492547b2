"""The real django-sesame: makes tokens and judges ours.

Reads {"settings": {…}, "user": {"id", "password", "email", "last_login"}, "make": [SCOPE], "judge": [[TOKEN, SCOPE]]} from standard
input and prints {"made": [TOKEN], "judged": [BOOL]}.
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
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "people"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    AUTH_USER_MODEL="people.User",
    AUTHENTICATION_BACKENDS=["sesame.backends.ModelBackend"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    **wanted["settings"],
)

django.setup()

from django.contrib.auth import get_user_model
from django.db import connection
from sesame.utils import get_token, get_user

User = get_user_model()
with connection.schema_editor() as editor:
    for model in [*apps.get_app_config("contenttypes").get_models(), *apps.get_app_config("auth").get_models(), User]:
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
made = [get_token(user, scope=scope) for scope in wanted.get("make", [])]
judged = [
    get_user(token, scope=scope, update_last_login=False) == user for token, scope in wanted.get("judge", [])
]
json.dump({"made": made, "judged": judged}, sys.stdout)
