# A SAML provider (pysaml2), and SATOSA before it with the files of docs/recipes/saml: `saml.py PORT FOLDER RECIPE POSTERN SECRET`. SATOSA listens
# at PORT, the provider at another one; everybody can log in there, by no more than saying who they are.
import base64, datetime, functools, html, ipaddress, os, pathlib, socket, ssl, sys, threading, urllib.parse, urllib.request
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.serving import make_server

port, folder, recipe, postern, secret = sys.argv[1:]
os.chdir(folder)
with socket.create_server(("127.0.0.1", 0)) as free:
    idp_port = free.getsockname()[1]
satosa, idp = f"https://127.0.0.1:{port}", f"http://127.0.0.1:{idp_port}"


def key(name):
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    pem = made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    pathlib.Path(f"{name}.key").write_bytes(pem)
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(made.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    pathlib.Path(f"{name}.crt").write_bytes(builder.sign(made, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


for name in ("sp", "idp", "openid", "tls"):
    key(name)
for file in pathlib.Path(recipe).iterdir():
    text = file.read_text().replace("https://saml.example.com", satosa).replace("https://id.example.com", postern)
    pathlib.Path(file.name).write_text(text.replace("choose-a-long-one", secret))

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import create_metadata_string
from saml2.saml import NAMEID_FORMAT_PERSISTENT
from saml2.server import Server

settings = {
    "entityid": f"{idp}/metadata", "key_file": "idp.key", "cert_file": "idp.crt",
    "service": {"idp": {
        "endpoints": {"single_sign_on_service": [(f"{idp}/sso", BINDING_HTTP_REDIRECT)]},
        "name_id_format": [NAMEID_FORMAT_PERSISTENT], "want_authn_requests_signed": True,
        "signing_algorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "digest_algorithm": "http://www.w3.org/2001/04/xmlenc#sha256",
        "policy": {"default": {"name_form": "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"}},
    }},
}
pathlib.Path("idp.xml").write_text(create_metadata_string(None, config=IdPConfig().load(dict(settings))).decode())


@functools.cache
def server():
    with urllib.request.urlopen(f"{satosa}/saml/metadata", context=ssl.create_default_context(cafile="tls.crt")) as told:
        return Server(config=IdPConfig().load({**settings, "metadata": {"inline": [told.read().decode()]}}))


# As a provider's own page would: a form that says who somebody is, and then one that takes that to SATOSA. `forged`: changed on its way.
def provider(environ, start_response):
    asked = urllib.parse.parse_qs(environ["QUERY_STRING"])
    if environ["REQUEST_METHOD"] == "GET":
        page = '<form method="post"><input name="username"><button>Log in</button></form>'
    else:
        form = urllib.parse.parse_qs(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode())
        name = form["username"][0]
        of = server()
        request = of.parse_authn_request(asked["SAMLRequest"][0], BINDING_HTTP_REDIRECT, sigalg=asked["SigAlg"][0], signature=asked["Signature"][0], relay_state=asked.get("RelayState", [None])[0])
        answer = of.response_args(request.message)
        identity = {"uid": name.removeprefix("forged-"), "givenName": "Ann", "sn": "Lee", "eduPersonEntitlement": ["urn:example:acme:managers"]}
        answer = str(of.create_authn_response(identity, userid=name, sign_response=True, sign_assertion=True, authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password", "authn_auth": idp}, **answer))
        if name.startswith("forged-"):
            answer = answer.replace(">Lee<", ">Lie<")
        to = of.metadata.assertion_consumer_service(request.message.issuer.text, BINDING_HTTP_POST)[0]["location"]
        fields = {"SAMLResponse": base64.b64encode(answer.encode()).decode(), "RelayState": asked.get("RelayState", [""])[0]}
        fields = "".join(f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items())
        page = f'<form method="post" action="{html.escape(to)}">{fields}<button>Go on</button></form>'
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [f"<!doctype html><title>Provider</title>{page}".encode()]


threading.Thread(target=make_server("127.0.0.1", idp_port, provider).serve_forever, daemon=True).start()
os.environ["SATOSA_STATE_ENCRYPTION_KEY"] = "of a test, and of no more than a test"
os.environ["SATOSA_CONFIG"] = "proxy_conf.yaml"
from satosa.wsgi import app

make_server("127.0.0.1", int(port), app, threaded=True, ssl_context=("tls.crt", "tls.key")).serve_forever()
