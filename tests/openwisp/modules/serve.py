"""serve.py guarded|naked PORT: all modules, with their own authorization or without any."""
import os
import sys
import traceback
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class Undone:
    """Middleware: what a request did is undone, so that each finds the same data, in whatever order they come."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        from django.db import transaction

        with transaction.atomic():
            response = self.get_response(request)
            if hasattr(response, "render"):
                response.render()
            transaction.set_rollback(True)
        return response


def told(**_):
    """An error of OpenWISP's own, for the log."""
    traceback.print_exc(limit=-3)


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


def main(how, port):
    import django

    django.setup()
    if how == "naked":
        from naked import undress

        undress()
    from django.core.signals import got_request_exception
    from django.core.wsgi import get_wsgi_application

    got_request_exception.connect(told)

    make_server("127.0.0.1", int(port), get_wsgi_application(), server_class=Threads, handler_class=Quiet).serve_forever()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    main(*sys.argv[1:])
