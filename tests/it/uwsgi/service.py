"""A service of Django behind uWSGI: it answers what it was told, and bodies of any size."""

import hashlib
import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseNotModified, JsonResponse, StreamingHttpResponse
from django.urls import re_path

PIECE = b"x" * 65536


def echo(request):
    """What WSGI was told, what Django makes of it, and of the body."""
    digest, length = hashlib.sha256(), 0
    while piece := request.read(65536):
        digest.update(piece)
        length += len(piece)
    environ = {name: value for name, value in request.environ["told"].items() if isinstance(value, str)}
    return JsonResponse(
        {
            "environ": environ,
            "path": request.path_info,
            "host": request.get_host(),
            "is_secure": request.is_secure(),
            "length": length,
            "digest": digest.hexdigest(),
            "pid": os.getpid(),
        }
    )


def down(request, size):
    """So many bytes; `?length` tells how many."""

    def pieces():
        for at in range(0, int(size), len(PIECE)):
            yield PIECE[: int(size) - at]

    answer = StreamingHttpResponse(pieces(), content_type="application/octet-stream")
    if "length" in request.GET:
        answer["Content-Length"] = size
    return answer


def same(request):
    """Nothing new."""
    answer = HttpResponseNotModified()
    answer["ETag"] = '"a"'
    return answer


def cut(request):
    """A tenth of what is told."""
    answer = StreamingHttpResponse([b"x" * 10], content_type="text/plain")
    answer["Content-Length"] = "100"
    return answer


def early(request):
    """An answer to a body that nobody has read."""
    return HttpResponse("early", status=413)


settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    USE_X_FORWARDED_HOST=False,
)
urlpatterns = [
    re_path(r"^.*/down/(?P<size>[0-9]+)$", down),
    re_path(r"^.*/same$", same),
    re_path(r"^.*/none$", lambda request: HttpResponse(status=204)),
    re_path(r"^.*/cut$", cut),
    re_path(r"^.*/early$", early),
    re_path(r"^.*$", echo),
]
django.setup()
served = get_wsgi_application()


def application(environ, start_response):
    """Django writes to what it is told."""
    environ["told"] = dict(environ)
    return served(environ, start_response)
