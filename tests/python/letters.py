"""A real SMTP server (aiosmtpd) on a free port of this machine.

Its one argument is JSON: {"cert", "key", "user", "password", "fail": COUNT, "refuse": BOOL}. Prints its port, then each letter that it
has taken as a line of JSON. The first `fail` letters are refused for now, with `refuse` all of them for good.
"""
import email
import email.policy
import json
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

wanted = json.loads(sys.argv[1])


class Box:
    """Takes letters."""

    failures = wanted.get("fail", 0)

    async def handle_DATA(self, server, session, envelope):
        if wanted.get("refuse"):
            return "550 no such mailbox"
        if self.failures > 0:
            self.failures -= 1
            return "451 come back later"
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(
            json.dumps(
                {
                    "to": envelope.rcpt_tos,
                    "from": envelope.mail_from,
                    "headers": {name: str(value) for name, value in letter.items()},
                    "text": letter.get_body(("plain",)).get_content(),
                    "html": letter.get_body(("html",)).get_content(),
                    "tls": session.ssl is not None,
                    "helo": session.host_name,
                }
            ),
            flush=True,
        )
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (wanted["user"].encode(), wanted["password"].encode()))


more = {}
if wanted.get("cert"):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(wanted["cert"], wanted["key"])
    more.update(tls_context=context, require_starttls=True)
if wanted.get("user"):
    more.update(authenticator=authenticate, auth_required=True, auth_require_tls=True)


class FreePort(Controller):
    """Learns which port it got before it asks itself whether it answers."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = FreePort(Box(), hostname="127.0.0.1", port=0, **more)
controller.start()
print(controller.port, flush=True)
while True:
    time.sleep(3600)
