#!/usr/bin/env bash
# Prints the Python that tests ask second opinions of: PyJWT makes their JWTs, django-sesame their sesame tokens, allauth the tokens of
# links to new passwords; django-oauth-toolkit is a provider that they log in at; aiosmtpd takes their letters; schemathesis compares an API to what it says of itself.
exec bash "$(dirname "$0")/venv.sh" python PyJWT==2.10.1 cryptography "Django>=5,<6" django-sesame==3.2.3 django-allauth==65.19.7 django-oauth-toolkit==3.4.1 aiosmtpd==1.4.6 schemathesis==4.32.5
