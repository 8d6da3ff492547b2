"""turns.py: does by Django's ORM what it is told on standard input, one JSON object a line, and answers each with one.

{"do": NAME, …} does something; {"get": PATH, "token": KEY} tells what openwisp-users' own API answers.
"""
import json
import os
import sys
from importlib import import_module

os.environ["DJANGO_SETTINGS_MODULE"] = "live_settings"

from django.contrib.auth.hashers import PBKDF2PasswordHasher  # noqa: E402


class Cheap(PBKDF2PasswordHasher):
    iterations = 1


def main():
    import django

    django.setup()
    import sesame.utils as sesame
    from django.conf import settings
    from django.contrib.auth import login
    from django.contrib.auth.models import Permission
    from django.core.management import call_command
    from django.http import HttpRequest
    from django.test import Client
    from openwisp_users.models import Group, Organization, OrganizationOwner, OrganizationUser, User
    from rest_framework.authtoken.models import Token

    client = Client()

    def person(name):
        return User.objects.get(username=name)

    def tie(name, org):
        return OrganizationUser.objects.get(user__username=name, organization__slug=org)

    def edit(model, by, fields):
        record = model.objects.get(**by)
        for field, value in fields.items():
            setattr(record, field, value)
        record.save()

    def permission(name):
        app, codename = name.split(".")
        return Permission.objects.get(content_type__app_label=app, codename=codename)

    def move(org, user):
        owner = OrganizationOwner.objects.get(organization__slug=org)
        owner.organization_user = tie(user, org)
        owner.save()

    deeds = {
        "prepare": lambda: call_command("migrate", verbosity=0),
        "user": lambda user, email: User.objects.create_user(user, email, None),
        "superuser": lambda user, key: Token.objects.create(user=User.objects.create_superuser(user, None, None), key=key),
        "edit": lambda user, fields: edit(User, {"username": user}, fields),
        "delete": lambda user: person(user).delete(),
        "password": lambda user, password: (lambda u: (u.set_password(password), u.save()))(person(user)),
        "org": lambda org: Organization.objects.create(name=org, slug=org),
        "edit_org": lambda org, fields: edit(Organization, {"slug": org}, fields),
        "delete_org": lambda org: Organization.objects.get(slug=org).delete(),
        "join": lambda user, org, admin: OrganizationUser.objects.create(
            user=person(user), organization=Organization.objects.get(slug=org), is_admin=admin
        ),
        "level": lambda user, org, admin: edit(OrganizationUser, {"id": tie(user, org).id}, {"is_admin": admin}),
        "leave": lambda user, org: tie(user, org).delete(),
        "owner": move,
        "group": lambda group: Group.objects.create(name=group),
        "ungroup": lambda group: Group.objects.get(name=group).delete(),
        "grant": lambda group, permission_name: Group.objects.get(name=group).permissions.add(permission(permission_name)),
        "revoke": lambda group, permission_name: Group.objects.get(name=group).permissions.remove(permission(permission_name)),
        "give": lambda user, group: person(user).groups.add(Group.objects.get(name=group)),
        "take": lambda user, group: person(user).groups.remove(Group.objects.get(name=group)),
        "token": lambda user: Token.objects.get_or_create(user=person(user)),
        "untoken": lambda user: Token.objects.filter(user__username=user).delete(),
    }

    def session(engine, cache=None, user=None):
        """Logs somebody in as Django's login page does, or keeps a session of nobody; its key, which is its cookie."""
        settings.SESSION_CACHE_ALIAS = cache or "default"
        request = HttpRequest()
        request.session = import_module(f"django.contrib.sessions.backends.{engine}").SessionStore()
        request.session["seen"] = {"when": "today", "pages": [1, 2]}
        if user:
            login(request, person(user), settings.AUTHENTICATION_BACKENDS[0])
        request.session.save()
        return request.session.session_key

    def logout(engine, key, cache=None):
        settings.SESSION_CACHE_ALIAS = cache or "default"
        import_module(f"django.contrib.sessions.backends.{engine}").SessionStore(key).flush()

    def told(user):
        """What Django itself knows of a user."""
        user = User.objects.get(username=user)
        return {
            "active": user.is_active,
            "organizations": user.organizations_dict,
            "permissions": sorted(user.get_all_permissions()),
            "groups": sorted(user.groups.values_list("name", flat=True)),
            "token": Token.objects.filter(user=user).values_list("key", flat=True).first(),
        }

    deeds["logout"] = logout

    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if "get" in asked:
                answer = client.get(asked["get"], HTTP_AUTHORIZATION=f"Bearer {asked['token']}", HTTP_HOST="api.example.com")
                said = {"status": answer.status_code, "body": json.loads(answer.content)}
            elif "login" in asked:
                user, password = asked["login"]
                said = {"right": person(user).check_password(password)}
            elif "session" in asked:
                said = {"key": session(**asked["session"])}
            elif "mint" in asked:
                said = {"token": sesame.get_token(person(asked["mint"]))}
            elif "judge" in asked:
                said = {"user": getattr(sesame.get_user(asked["judge"]), "username", None)}
            elif "told" in asked:
                said = told(asked["told"])
            else:
                deeds[asked.pop("do")](**asked)
                said = {"done": True}
        except Exception as error:  # noqa: BLE001
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
