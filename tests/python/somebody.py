"""A real Django with one user in memory, as the request on standard input says who that is."""
import datetime
import json
import sys
import uuid

sys.dont_write_bytecode = True

import django
from django.apps import apps
from django.conf import settings

wanted = json.load(sys.stdin)


def somebody(installed, **more):
    """Sets Django up with the apps `installed` and their tables; the user of the request."""
    settings.configure(
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", *installed, "people"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        AUTH_USER_MODEL="people.User",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        **more,
        **wanted["settings"],
    )
    django.setup()
    from django.contrib.auth import get_user_model
    from django.db import connection

    with connection.schema_editor() as editor:
        for app in ("contenttypes", "auth", "people", *(["account"] if apps.is_installed("allauth.account") else [])):
            for model in apps.get_app_config(app).get_models():
                editor.create_model(model)
    person = wanted["user"]
    last_login = person.get("last_login")
    return get_user_model().objects.create(
        id=uuid.UUID(person["id"]),
        username="somebody",
        password=person["password"],
        email=person.get("email") or "",
        last_login=datetime.datetime.fromisoformat(last_login) if last_login else None,
    )
