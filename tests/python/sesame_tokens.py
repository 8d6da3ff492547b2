"""The real django-sesame: makes tokens and judges ours.

Reads {"settings": {…}, "user": {"id", "password", "email", "last_login"}, "make": [SCOPE], "judge": [[TOKEN, SCOPE]]} from standard
input and prints {"made": [TOKEN], "judged": [BOOL]}.
"""
import json
import sys

from somebody import somebody, wanted

user = somebody([], AUTHENTICATION_BACKENDS=["sesame.backends.ModelBackend"])

from sesame.utils import get_token, get_user

made = [get_token(user, scope=scope) for scope in wanted.get("make", [])]
judged = [
    get_user(token, scope=scope, update_last_login=False) == user for token, scope in wanted.get("judge", [])
]
json.dump({"made": made, "judged": judged}, sys.stdout)
