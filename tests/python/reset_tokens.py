"""The real Django with allauth: makes tokens of links to a new password, and judges ours.

Reads {"settings": {…}, "user": {"id", "password", "email", "last_login", "emails"}, "make": COUNT, "judge": [TOKEN]} from standard input
and prints {"made": [TOKEN], "judged": [BOOL], "uid": TEXT}.
"""
import json
import sys

from somebody import somebody, wanted

user = somebody(
    ["django.contrib.messages", "django.contrib.sessions", "allauth", "allauth.account"],
    TIME_ZONE="UTC",
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
)

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str

for email in wanted["user"].get("emails", []):
    EmailAddress.objects.create(user=user, email=email, verified=False, primary=False)
made = [default_token_generator.make_token(user) for _ in range(wanted.get("make", 0))]
judged = [default_token_generator.check_token(user, token) for token in wanted.get("judge", [])]
json.dump({"made": made, "judged": judged, "uid": user_pk_to_url_str(user)}, sys.stdout)
