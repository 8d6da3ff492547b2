"""Takes the authorization out of all of OpenWISP's modules: it is in permission classes, filters, serializers, mixins and views, and all of it lets
superusers do everything. So whoever asks is one here, and who shows nothing is one, too. Who somebody is stays as it was, and so does what is
opened by a password or a key: that is in the service's own hands, and postern tells it of nobody there."""
import re

from django.contrib.auth import get_user_model
from rest_framework.exceptions import APIException
from rest_framework.request import Request

BY_KEY_OR_PASSWORD = re.compile(r"/api/v1/freeradius/|/api/v1/radius/organization/[^/]+/account/((token/|password/reset/).*)?$|/api/v1/users/(token|password)/")


def elevated(path, user):
    if BY_KEY_OR_PASSWORD.match(path):
        return user
    if user is None or not user.is_authenticated:
        user = get_user_model().objects.get(username="root")
    user.is_superuser = user.is_staff = user.is_active = True
    return user


class Elevated:
    """Middleware, for views that are Django's own."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.user = elevated(request.path, request.user)
        return self.get_response(request)


def undress():
    from django.conf import settings

    behind = settings.MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
    settings.MIDDLEWARE.insert(behind, "naked.Elevated")
    authenticate = Request._authenticate

    def authenticated(self):
        try:
            authenticate(self)
        except APIException:
            if BY_KEY_OR_PASSWORD.match(self.path):
                raise
            self._not_authenticated()
        self.user = elevated(self.path, self.user)

    Request._authenticate = authenticated
