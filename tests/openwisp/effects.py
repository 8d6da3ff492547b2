"""What a request did is told, and then undone: each request finds the same data, in whatever order they come."""
import json
import re

from django.apps import apps
from django.db import connection, transaction
from django.db.models import AutoField

BY_CHANCE = ("created", "modified")


def rows():
    """All there is that requests may change, without what is by chance."""
    found = []
    for label in ["library", "openwisp_ipam"]:
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            names = [f.attname for f in model._meta.fields if f.attname not in BY_CHANCE and not isinstance(f, AutoField)]
            found += [[model.__name__, *map(str, row)] for row in model.objects.values_list(*names)]
    return {json.dumps(row) for row in found}


class Undone:
    """Middleware: `X-Effect` has the rows that came and went, new ids as `ID`."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.before = rows()
        self.known = set(re.findall(r"[0-9a-f-]{36}", " ".join(self.before)))

    def __call__(self, request):
        with transaction.atomic():
            response = self.get_response(request)
            if hasattr(response, "render"):
                response.render()
            if request.method not in ("GET", "HEAD", "OPTIONS"):
                now = rows() if not connection.needs_rollback else self.before
                change = [sorted(now - self.before), sorted(self.before - now)]
                if change != [[], []]:
                    told = re.sub(r"[0-9a-f-]{36}", lambda id: id[0] if id[0] in self.known else "ID", json.dumps(change))
                    response["X-Effect"] = told
            transaction.set_rollback(True)
        return response
