"""serve.py guarded|naked PORT: the service, with its own authorization or without any."""
import os
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def main(how, port):
    import django

    django.setup()
    if how == "naked":
        from naked import undress

        undress()
    from django.core.wsgi import get_wsgi_application

    make_server("127.0.0.1", int(port), get_wsgi_application(), handler_class=Quiet).serve_forever()


main(*sys.argv[1:])
