"""Reads multipart forms with Django's parser.

Reads [[CONTENT_TYPE, BODY], …] from standard input, bodies as Latin-1, and prints [{"fields": [[NAME, VALUE], …], "files": [NAME, …]}, …],
or {"error": TEXT} where it refuses one.
"""

import io
import json
import sys

from django.conf import settings

settings.configure()

from django.core.files.uploadhandler import MemoryFileUploadHandler  # noqa: E402
from django.http.multipartparser import MultiPartParser  # noqa: E402


def parsed(content_type, body):
    data = body.encode("latin-1")
    meta = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": len(data)}
    try:
        fields, files = MultiPartParser(meta, io.BytesIO(data), [MemoryFileUploadHandler()], "utf-8").parse()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        "fields": [[name, value] for name, values in fields.lists() for value in values],
        "files": [name for name, values in files.lists() for _ in values],
    }


print(json.dumps([parsed(*case) for case in json.load(sys.stdin)]))
