"""Runs the middleware of docs/assertion.md, given on standard input with the address of the keys, over requests."""
import json
import sys

import django
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory

asked = json.load(sys.stdin)
settings.configure(ALLOWED_HOSTS=["*"])
django.setup()
manual = {}
exec(asked["program"].replace("http://127.0.0.1:9090", asked["keys"]), manual)
seen = []
middleware = manual["PosternAssertion"](lambda request: seen.append(request.postern) or HttpResponse("ok"))
statuses = []
for request in asked["requests"]:
    headers = {"HTTP_X_POSTERN_ASSERTION": request["assertion"]} if request["assertion"] else {}
    asked_for = RequestFactory().generic(request["method"], request["target"], REQUEST_URI=request["target"], **headers)
    statuses.append(middleware(asked_for).status_code)
json.dump({"statuses": statuses, "claims": seen}, sys.stdout)
