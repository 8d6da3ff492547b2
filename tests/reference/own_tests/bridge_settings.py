"""The installation of `settings.py` on the PostgreSQL server that BRIDGE_SERVER is the address of, where postern serves it too."""

import os
from urllib.parse import urlsplit

from settings import *  # noqa: F403

server = urlsplit(os.environ["BRIDGE_SERVER"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": server.hostname,
        "PORT": server.port,
        "USER": server.username,
        "NAME": f"bridge_{os.getpid()}",
    }
}
PASSWORD_HASHERS = ["bridge.Cheap"]
TEST_RUNNER = "bridge.Runner"
