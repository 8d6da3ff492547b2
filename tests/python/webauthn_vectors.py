"""Writes tests/vectors/webauthn.json: credentials made and used by python-fido2 and soft-webauthn, some spoilt, with what python-fido2's
server says of each. Run by hand, with fido2==1.2.0 and soft-webauthn==0.1.4:

    python3 tests/python/webauthn_vectors.py >tests/vectors/webauthn.json
"""

import json
import random
import sys
from base64 import urlsafe_b64encode

import fido2.features
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor, cose
from fido2.server import Fido2Server
from fido2.utils import sha256
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
)
from soft_webauthn import SoftWebauthnDevice

RP, ORIGIN = "example.com", "https://id.example.com"
USER = b"0123456789abcdef"
dice = random.Random(7)
fido2.features.webauthn_json_mapping.enabled = True


def text(data):
    return urlsafe_b64encode(bytes(data)).decode().rstrip("=")


def keys():
    es, ed = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    rs = rsa.generate_private_key(65537, 2048)
    yield cose.ES256.from_cryptography_key(es.public_key()), lambda m: es.sign(m, ec.ECDSA(hashes.SHA256()))
    yield cose.EdDSA.from_cryptography_key(ed.public_key()), ed.sign
    yield cose.RS256.from_cryptography_key(rs.public_key()), lambda m: rs.sign(m, padding.PKCS1v15(), hashes.SHA256())


def client_data(kind, challenge, origin=ORIGIN, **more):
    return json.dumps({"type": kind, "challenge": text(challenge), "origin": origin, "crossOrigin": False, **more}).encode()


def server():
    return Fido2Server(PublicKeyCredentialRpEntity(name="a", id=RP), verify_origin=lambda origin: origin == ORIGIN)


def state(challenge, uv):
    need = UserVerificationRequirement.REQUIRED if uv else UserVerificationRequirement.DISCOURAGED
    return {"challenge": text(challenge), "user_verification": need}


def creates(said, challenge, uv):
    """Whether their server takes it."""
    try:
        answer = {
            "id": text(b"x" * 16), "rawId": text(b"x" * 16), "type": "public-key",
            "response": {"clientDataJSON": text(said["client_data"]), "attestationObject": text(said["attestation_object"])},
        }
        made = AttestationObject(said["attestation_object"]).auth_data.credential_data
        answer["id"] = answer["rawId"] = text(made.credential_id)
        server().register_complete(state(challenge, uv), answer)
        return True
    except Exception as error:
        if "-v" in sys.argv:
            print(repr(error), file=sys.stderr)
        return False


def uses(said, challenge, uv):
    try:
        key = cose.CoseKey.parse(cbor.decode(said["public_key"]))
        known = AttestedCredentialData.create(Aaguid(bytes(16)), said["id"], key)
        answer = {
            "id": text(said["id"]), "rawId": text(said["id"]), "type": "public-key",
            "response": {
                "clientDataJSON": text(said["client_data"]), "authenticatorData": text(said["authenticator_data"]),
                "signature": text(said["signature"]), "userHandle": text(said["user"]),
            },
        }
        server().authenticate_complete(state(challenge, uv), [known], answer)
        return True
    except Exception as error:
        if "-v" in sys.argv:
            print(repr(error), file=sys.stderr)
        return False


def note(out, ceremony, said, challenge, uv, may_differ=False):
    taken = (creates if ceremony == "create" else uses)(said, challenge, uv)
    row = {"ceremony": ceremony, "rp_id": RP, "origin": ORIGIN, "challenge": text(challenge), "uv": uv, "taken": taken}
    out.append({**row, "may_differ": may_differ, **{name: text(value) for name, value in said.items()}})


def spoil(data):
    data = bytearray(data)
    at = dice.randrange(len(data))
    if dice.random() < 0.7:
        data[at] ^= dice.randrange(1, 256)
    elif dice.random() < 0.5:
        del data[at:]
    else:
        data.insert(at, dice.randrange(256))
    return bytes(data)


def main():
    out = []
    for key, sign in keys():
        challenge, id = dice.randbytes(32), dice.randbytes(24)
        made = AttestedCredentialData.create(Aaguid(bytes(16)), id, key)
        for flags, uv in [(0x45, True), (0x41, False), (0x41, True), (0x44, False)]:
            data = AuthenticatorData.create(sha256(RP.encode()), flags, 1, bytes(made))
            json_text = client_data("webauthn.create", challenge)
            attestation = AttestationObject.create("none", data, {})
            right = {"client_data": json_text, "attestation_object": attestation}
            note(out, "create", right, challenge, uv)
            if flags == 0x45:
                signature = sign(data + sha256(json_text))
                packed = AttestationObject.create("packed", data, {"alg": key.ALGORITHM, "sig": signature})
                note(out, "create", {**right, "attestation_object": packed}, challenge, uv)
                for _ in range(12):
                    # They take another form of CBOR, and do not look at what stands in a make or a name.
                    note(out, "create", {**right, "attestation_object": spoil(attestation)}, challenge, uv, True)
                for other in [client_data("webauthn.get", challenge), client_data("webauthn.create", b"x" * 32),
                              client_data("webauthn.create", challenge, "https://evil.example")]:
                    note(out, "create", {**right, "client_data": other}, challenge, uv)
        for flags, uv in [(0x05, True), (0x01, False), (0x01, True), (0x04, False)]:
            data = AuthenticatorData.create(sha256(RP.encode()), flags, 2)
            json_text = client_data("webauthn.get", challenge)
            right = {
                "client_data": json_text, "authenticator_data": data, "signature": sign(data + sha256(json_text)),
                "id": id, "public_key": cbor.encode(dict(key)), "user": USER,
            }
            note(out, "get", right, challenge, uv)
            if flags == 0x05:
                for name in ["client_data", "authenticator_data", "signature"]:
                    for _ in range(6):
                        note(out, "get", {**right, name: spoil(right[name])}, challenge, uv)
                for other in [client_data("webauthn.create", challenge), client_data("webauthn.get", b"x" * 32),
                              client_data("webauthn.get", challenge, "https://evil.example")]:
                    signature = sign(data + sha256(other))
                    note(out, "get", {**right, "client_data": other, "signature": signature}, challenge, uv)
                other = AuthenticatorData.create(sha256(b"evil.example"), flags, 2)
                signature = sign(other + sha256(json_text))
                note(out, "get", {**right, "authenticator_data": other, "signature": signature}, challenge, uv)
    # Another authenticator in software, of another author.
    device, challenge = SoftWebauthnDevice(), dice.randbytes(32)
    made = device.create({"publicKey": {
        "rp": {"id": RP, "name": "a"}, "user": {"id": USER, "name": "a", "displayName": "a"}, "challenge": challenge,
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}], "attestation": "none",
    }}, ORIGIN)["response"]
    note(out, "create", {"client_data": made["clientDataJSON"], "attestation_object": made["attestationObject"]}, challenge, False)
    key = AttestationObject(made["attestationObject"]).auth_data.credential_data.public_key
    used = device.get({"publicKey": {"rpId": RP, "challenge": challenge}}, ORIGIN)
    note(out, "get", {
        "client_data": used["response"]["clientDataJSON"], "authenticator_data": used["response"]["authenticatorData"],
        "signature": used["response"]["signature"], "id": used["rawId"], "public_key": cbor.encode(dict(key)), "user": USER,
    }, challenge, False)
    json.dump(out, sys.stdout, indent=0)
    print(file=sys.stdout)


main()
