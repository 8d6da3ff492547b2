"""The requests: each pattern of urls.txt with each of its methods, of objects of `acme`, `bolt` and all, by everybody."""
import json
import re
from collections import namedtuple
from pathlib import Path

from people import ORGANIZATIONS, PEOPLE, id_of

URLS = Path(__file__).parents[3] / "docs/recipes/openwisp/urls.txt"
OWNERS = ["acme", "bolt", "shared"]
# Certificates and their authorities count up.
NUMBERS = {"acme": 1, "bolt": 2, "closed": 3, "shared": 4}

Request = namedtuple("Request", "who method target body pattern owner")

# What the first variable of a pattern names, by a part of the pattern.
KINDS = {
    "controller/template": "template",
    "controller/vpn": "vpn",
    "controller/device": "device",
    "controller/group": "group",
    "controller/credential": "credentials",
    "controller/location": "location",
    "controller/floorplan": "floorplan",
    "firmware-upgrader/category": "category",
    "firmware-upgrader/build": "build",
    "batch-upgrade-operation": "batch upgrade",
    "firmware-upgrader/upgrade-operation": "upgrade",
    "firmware-upgrader/device": "device",
    "monitoring/device": "device",
    "monitoring/location": "location",
    "wifi-session": "wifi session",
    "topology/topology": "topology",
    "network-topology/node": "node",
    "network-topology/link": "link",
    "ipam/subnet": "subnet",
    "ipam/ip-address": "address",
    "radius/batch": "radius batch",
    "radius/group": "radius group",
}
# And the second one.
BELOW = {"/image/": "image", "/command/": "command", "/connection/": "connection"}
# The ids of all there is; another one is new.
KNOWN = {id_of(name) for name in [*ORGANIZATIONS, *PEOPLE, "user group"]}
KNOWN |= {id_of(f"{kind} of {name}") for kind in ["notification", "setting"] for name in PEOPLE}
KNOWN |= {id_of(f"{kind} of {owner}") for kind in [*KINDS.values(), *BELOW.values(), "other node"] for owner in NUMBERS}

# Whole patterns that say more than that.
SPECIAL = {
    "/api/v1/users/organization/<uuid:pk>/": "/api/v1/users/organization/{organization}/",
    "/api/v1/users/user/<uuid:pk>/email/<int:email_id>/": "/api/v1/users/user/{member}/email/7/",
    "/api/v1/users/user/<str:user_pk>/radius-group/": "/api/v1/users/user/{member}/radius-group/",
    "/api/v1/users/user/<str:user_pk>/radius-group/<uuid:pk>/": "/api/v1/users/user/{member}/radius-group/{user group}/",
    "/api/v1/notifications/notification/<uuid:pk>/": "/api/v1/notifications/notification/{notification of manager}/",
    "/api/v1/notifications/notification/<uuid:pk>/redirect/": "/api/v1/notifications/notification/{notification of manager}/redirect/",
    "/api/v1/notifications/user/<uuid:user_id>/user-setting/": "/api/v1/notifications/user/{member}/user-setting/",
    "/api/v1/notifications/user/<uuid:user_id>/user-setting/<uuid:pk>/": "/api/v1/notifications/user/{member}/user-setting/{setting of member}/",
    "/api/v1/notifications/user/<uuid:user_id>/organization/<uuid:organization_id>/setting/": "/api/v1/notifications/user/{member}/organization/{organization}/setting/",
    "/api/v1/notifications/organization/<uuid:organization_id>/setting/": "/api/v1/notifications/organization/{organization}/setting/",
    "/api/v1/notifications/user/user-setting/<uuid:pk>/": "/api/v1/notifications/user/user-setting/{setting of manager}/",
    "/api/v1/notifications/notification/ignore/<str:app_label>/<str:model_name>/<uuid:object_id>/": "/api/v1/notifications/notification/ignore/config/device/{device}/",
    "/notifications/user/<uuid:pk>/preferences/": "/notifications/user/{member}/preferences/",
    "/api/v1/controller/organization/<uuid:organization_pk>/geo-settings/": "/api/v1/controller/organization/{organization}/geo-settings/",
    "/firmware/<path:path>": "/firmware/{build}/image.bin",
    "/api/v1/radius/organization/<path:path>": "/api/v1/radius/organization/{slug}/batch/{organization}/csv/people.csv",
    "/topology/topology/(?P<pk>[^/]+)/$": "/topology/topology/{topology}/",
    "/api/v1/docs(?P<format>\\.json|\\.yaml)$": "/api/v1/docs.json",
}


def named(text, owner):
    """`{kind}` is the id of the owner's, `{a kind of somebody}` that, `{slug}` and `{organization}` the owner's own."""

    def id_for(found):
        name = found[1]
        if name == "slug":
            return owner
        if name == "organization":
            return id_of(owner)
        return id_of(name if name in PEOPLE or " of " in name or name == "user group" else f"{name} of {owner}")

    return re.sub(r"\{([^}]+)\}", id_for, text)


def target(pattern, owner):
    if pattern in SPECIAL:
        return named(SPECIAL[pattern], owner)
    text = re.sub(r"<slug:\w+>", owner, pattern).replace("<str:common_name>", f"cert-{owner}")
    is_certificate = "/ca/" in text or "/cert/" in text
    text = re.sub(r"<int:\w+>", str(NUMBERS[owner]) if is_certificate else "7", text)
    if text.startswith("/api/v1/users/user/<"):
        text = re.sub(r"<uuid:pk>", id_of("member"), text)
    kinds = [kind for part, kind in KINDS.items() if part in text] + [kind for part, kind in BELOW.items() if part in text]
    if "/organization/" in text and "/batch/" in text:
        kinds = ["radius batch"]
    if text.startswith(("/controller/", "/api/v1/controller/cert")) and "vpn" in text:
        kinds = ["vpn"]
    elif text.startswith("/controller/"):
        kinds = ["device"]
    for kind in kinds:
        text = re.sub(r"<(uuid_any|uuid|str):\w+>|<pk>", id_of(f"{kind} of {owner}"), text, count=1)
    return None if "<" in text or "(?P" in text else text


def bodies(method, target, owner):
    """What is sent: of the owner's organization, and where there is one to name, of another."""
    if method not in ("POST", "PUT", "PATCH"):
        return [None]

    def of(kind, whose=owner):
        return id_of(f"{kind} of {whose}")

    if "radius/batch" in target:
        return [{"organization_slug": owner, "name": "new", "strategy": "prefix", "prefix": "p", "number_of_users": 1}]
    if "floorplan" in target or "/device/" in target and target.endswith("/location/"):
        return [{"location": of("location"), "floor": 2}]
    if "ip-address" in target:
        return [{"subnet": of("subnet", whose), "ip_address": f"10.{NUMBERS[whose]}.0.9"} for whose in OWNERS]
    if re.search(r"/build/([^/]+/)?$", target):
        return [{"category": of("category", whose), "version": "9"} for whose in OWNERS]
    if "/node/" in target or "/link/" in target:
        links = {"source": of("node"), "target": of("other node"), "cost": 2}
        rest = {"label": "new", "addresses": ["10.0.0.9"], "properties": {}, "user_properties": {}, **links}
        return [{"topology": of("topology", whose), **rest} for whose in OWNERS]
    if "radius-group" in target:
        return [{"group": of("radius group")}]
    if "/firmware/" in target:
        return [{"image": of("image")}]
    if "/connection/" in target:
        return [{"credentials": of("credentials")}]
    if "/command/" in target:
        return [{"type": "reboot", "input": None}]
    body = {"name": f"new-{owner}"}
    if "subnet/" in target:
        body["subnet"] = "10.77.0.0/24"
    if "controller/device/" in target:
        body["mac_address"] = "00:11:22:33:44:99"
    if re.search(r"renew|revoke|activate|request-ip|export|read/|upgrade/|/freeradius/|/account/|/users/|/notifications/", target):
        return [body]
    named = [{**body, "organization": None if whose == "shared" else id_of(whose)} for whose in OWNERS]
    return [body, *named] if method == "PATCH" else named


def patterns():
    for line in URLS.read_text().splitlines():
        if line and not line.startswith("#"):
            module, methods, pattern, _ = line.split("  ")
            # Logins, and what is Django's own; what a browser asks by WebSocket; a SAML provider is not at hand.
            if module != "accounts" and methods != "WEBSOCKET" and "saml2" not in pattern:
                yield pattern, methods.split(",")


def all_requests():
    seen = set()
    for pattern, methods in patterns():
        for owner in OWNERS:
            path = target(pattern, owner)
            if path is None:
                raise SystemExit(f"nothing is known of {pattern}")
            for method in methods:
                for body in bodies(method, path, owner):
                    key = method, path, json.dumps(body)
                    if key not in seen:
                        seen.add(key)
                        for who in ["anonymous", *PEOPLE]:
                            yield Request(who, method, path, body, pattern, owner)
