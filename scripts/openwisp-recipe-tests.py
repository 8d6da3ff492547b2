#!/usr/bin/env python3
"""Writes docs/recipes/openwisp/NAME_test.yaml: each request of OpenWISP's API by ten people.

What is expected is told by what OpenWISP's classes do (docs/recipes/openwisp-building-blocks.md), and not by the policy. All objects are
acme's; shared and foreign ones, bodies and states are in cases_test.yaml, which is written by hand.
"""

import pathlib
import uuid

OUT = pathlib.Path(__file__).parent.parent / "docs/recipes/openwisp"
PEOPLE = ["anonymous", "root", "member", "manager", "owner", "foreign", "both", "plain", "gone", "inactive"]

# What becomes of the ten, in this order: `-` is 401, `i` 401 of somebody inactive, `.` passes.
KINDS = {
    # An object of acme, which is out of sight for others (FilterByOrganizationManaged, FilterByParentManaged).
    "object": ["-", ".", "403 org_level_missing", ".", ".", "404 org_foreign", ".", "403 permission_missing", "404 org_foreign", "i"],
    # The same, of views that ask for no permission of the model.
    "object, no permission": ["-", ".", "403 org_level_missing", ".", ".", "404 org_foreign", ".", ".", "404 org_foreign", "i"],
    # A body or a query names acme.
    "named": ["-", ".", "403 org_level_missing", ".", ".", "403 org_foreign", ".", "403 permission_missing", "403 org_foreign", "i"],
    # IsOrganizationManager, of whichever organization, and DjangoModelPermissions.
    "manager": ["-", ".", "403 org_level_missing", ".", ".", ".", ".", "403 permission_missing", "403 org_level_missing", "i"],
    # Somebody of acme, who is nobody's superuser.
    "person": ["-", ".", "403 org_level_missing", ".", ".", "403 condition_false", ".", "403 permission_missing", "403 org_level_missing", "i"],
    "member of acme": ["-", ".", ".", ".", ".", "404 org_foreign", ".", ".", "404 org_foreign", "i"],
    "superuser": ["-", ".", *["403 superuser_only"] * 7, "i"],
    # IsAuthenticated, and a permission.
    "permission": ["-", ".", ".", ".", ".", ".", ".", "403 permission_missing", ".", "i"],
    "authenticated": ["-", *["."] * 8, "i"],
    # It is nobody's of the ten.
    "recipient": ["-", *["403 condition_false"] * 8, "i"],
    "self or superuser": ["-", ".", *["403 condition_false"] * 7, "i"],
    "public": ["."] * 10,
    # Whoever asks need not be known, but is told to the service if they are.
    "optional": [*["."] * 9, "i"],
    # Without a key: managers, of whom OpenWISP asks the permission.
    "key or manager": ["403 condition_false", ".", "403 condition_false", ".", ".", "403 condition_false", ".", ".", "403 condition_false", "i"],
    "self or manager": ["-", ".", "403 condition_false", ".", ".", "403 condition_false", ".", ".", "403 condition_false", "i"],
}

ORG = "{ organization: <acme> }"
DETAIL = "GET PUT PATCH DELETE"
results = lambda item: (item("<acme>"), item("<bolt>"), item("null"))
of = lambda where: results(lambda org: where.replace("@", org))


def crud(path, model, body=None, items="results", item="{ organization: @ }", write="PUT PATCH"):
    """A list that everybody gets theirs of, and its objects."""
    yield ("manager", "GET", path, model, None, (items, item))
    yield ("named", "POST", path, model, body or ORG, None)
    yield from detail(path, model, body, write)


def detail(path, model, body=None, write="PUT PATCH", key="<x>"):
    yield ("object", "GET DELETE", f"{path}{key}/", model, None, None)
    yield ("object", write, f"{path}{key}/", model, body or ORG, None)


def listed(path, model, items="results", item="{ organization: @ }"):
    return ("manager", "GET", path, model, None, (items, item))


C, F, M, N, T, R = (f"/api/v1/{name}" for name in
    ["controller", "firmware-upgrader", "monitoring", "notifications", "network-topology", "radius"])
IPAM, USERS, PORTAL = "/api/v1/ipam", "/api/v1/users", "/api/v1/radius/organization/acme"
PLACE = "{ location: <x> }"
WS = "websocket"

FILES = {
    "users": [
        ("manager", "GET", f"{USERS}/organization/", "openwisp_users.organization", None, ("results", "{ id: @ }")),
        ("permission", "POST", f"{USERS}/organization/", "openwisp_users.organization", "{}", None),
        ("object", "GET PUT PATCH DELETE", f"{USERS}/organization/<acme>/", "openwisp_users.organization", None, None),
        ("manager", "GET POST", f"{USERS}/user/", "openwisp_users.user", None, None),
        ("person", DETAIL, f"{USERS}/user/<u>/", "openwisp_users.user", None, None),
        ("person", "PUT", f"{USERS}/user/<u>/password/", "openwisp_users.user", None, None),
        ("person", "GET POST", f"{USERS}/user/<u>/email/", "account.emailaddress", None, None),
        ("person", DETAIL, f"{USERS}/user/<u>/email/7/", "account.emailaddress", None, None),
        ("permission", "GET POST", f"{USERS}/group/", "openwisp_users.group", None, None),
        ("permission", DETAIL, f"{USERS}/group/7/", "openwisp_users.group", None, None),
        ("authenticated", "POST", f"{USERS}/user/password/change/", None, None, None),
        *(("public", "POST", f"{USERS}/{path}/", None, None, None) for path in ["token", "password/reset", "password/reset/confirm"]),
    ],
    "controller": [
        *crud(f"{C}/template/", "config.template"),
        ("object", "GET", f"{C}/template/<x>/configuration/", "config.template", None, None),
        *crud(f"{C}/vpn/", "config.vpn"),
        ("object", "GET", f"{C}/vpn/<x>/configuration/", "config.vpn", None, None),
        *crud(f"{C}/device/", "config.device"),
        ("object", "POST", f"{C}/device/<x>/activate/", "config.device", None, None),
        ("object", "POST", f"{C}/device/<x>/deactivate/", "config.device", None, None),
        ("object", "GET", f"{C}/device/<x>/configuration/", "config.device", None, None),
        *crud(f"{C}/group/", "config.devicegroup"),
        ("answer", "GET", f"{C}/cert/ann/group/?org=acme", "config.devicegroup", None, None),
        *(row for name in ["ca", "cert"] for row in (
            listed(f"{C}/{name}/", f"pki.{name}"),
            ("named", "POST", f"{C}/{name}/", f"pki.{name}", ORG, None),
            *detail(f"{C}/{name}/", f"pki.{name}", key="7"),
            ("object", "POST", f"{C}/{name}/7/renew/", f"pki.{name}", None, None))),
        ("object", "POST", f"{C}/cert/7/revoke/", "pki.cert", None, None),
        ("object", "GET", f"{C}/ca/7/crl", "pki.ca", None, None),
        ("authenticated", "GET", "/config/schema.json", None, None, None),
    ],
    "connection": [
        *crud(f"{C}/credential/", "connection.credentials"),
        ("object", "GET POST", f"{C}/device/<x>/command/", "connection.command", "{}", None),
        ("object", "GET", f"{C}/device/<x>/command/<x>/", "connection.command", None, None),
        ("object", "GET POST", f"{C}/device/<x>/connection/", "connection.deviceconnection", "{ credentials: <x> }", None),
        ("object", DETAIL, f"{C}/device/<x>/connection/<x>/", "connection.deviceconnection", "{ credentials: <x> }", None),
    ],
    "geo": [
        *crud(f"{C}/location/", "geo.location"),
        listed(f"{C}/location/geojson/", "geo.location", "features", "{ properties: { organization: @ } }"),
        ("object", "GET", f"{C}/location/<x>/device/", "config.device", None, ("results", "{ organization: @ }")),
        ("object", "GET", f"{C}/location/<x>/indoor-coordinates/", "geo.devicelocation", None, ("results", "{ device_id: @ }")),
        listed(f"{C}/floorplan/", "geo.floorplan"),
        ("object", "POST", f"{C}/floorplan/", "geo.floorplan", PLACE, None),
        *detail(f"{C}/floorplan/", "geo.floorplan", PLACE),
        ("object", DETAIL, f"{C}/device/<x>/location/", "geo.devicelocation", PLACE, None),
        ("object", "GET PUT PATCH", f"{C}/organization/<acme>/geo-settings/", "geo.organizationgeosettings", None, None),
    ],
    "devices": [
        *(("public", "GET", f"/controller/{path}/<x>/", None, None, None) for path in
            ["device/checksum", "device/download-config", "vpn/checksum", "vpn/download-config", "checksum", "download-config"]),
        *(("public", "POST", f"/controller/{path}/", None, None, None) for path in
            ["device/update-info/<x>", "device/report-status/<x>", "device/register", "update-info/<x>", "report-status/<x>", "register"]),
        ("public", "GET PUT PATCH", f"{C}/device/<x>/coordinates/?key=k", None, None, None),
    ],
    "ipam": [
        *crud(f"{IPAM}/subnet/", "openwisp_ipam.subnet"),
        ("object", "POST", f"{IPAM}/subnet/<x>/export/", "openwisp_ipam.subnet", None, None),
        ("object", "GET", f"{IPAM}/subnet/<x>/hosts/", "openwisp_ipam.subnet", None, None),
        ("object", "GET", f"{IPAM}/subnet/<x>/allocation/", "openwisp_ipam.subnet", None, None),
        ("object", "GET", f"{IPAM}/subnet/<x>/get-next-available-ip/", "openwisp_ipam.ipaddress", None, None),
        ("object", "POST", f"{IPAM}/subnet/<x>/request-ip/", "openwisp_ipam.ipaddress", None, None),
        ("object", "GET POST", f"{IPAM}/subnet/<x>/ip-address/", "openwisp_ipam.ipaddress", "{ subnet: <x> }", None),
        *detail(f"{IPAM}/ip-address/", "openwisp_ipam.ipaddress", "{ subnet: <x> }"),
        ("superuser", "POST", f"{IPAM}/import-subnet/", None, None, None),
    ],
    "notifications": [
        ("authenticated", "GET", f"{N}/notification/", None, None, None),
        ("authenticated", "POST", f"{N}/notification/read/", None, None, None),
        ("recipient", "GET PATCH DELETE", f"{N}/notification/<x>/", None, None, None),
        ("recipient", "GET", f"{N}/notification/<x>/redirect/", None, None, None),
        ("authenticated", "GET", f"{N}/notification/ignore/", None, None, None),
        ("authenticated", "GET PUT DELETE", f"{N}/notification/ignore/config/device/<x>/", None, None, None),
        ("authenticated", "GET", f"{N}/user/user-setting/", None, None, None),
        ("recipient", "GET PUT PATCH", f"{N}/user/user-setting/<x>/", None, None, None),
        ("self or superuser", "GET", f"{N}/user/<u>/user-setting/", None, None, None),
        ("self or superuser", "GET PUT PATCH", f"{N}/user/<u>/user-setting/<x>/", None, None, None),
        ("self or manager", "POST", f"{N}/user/<u>/organization/<acme>/setting/", None, None, None),
        ("object", "GET PUT PATCH", f"{N}/organization/<acme>/setting/", "openwisp_notifications.organizationnotificationsettings", None, None),
        ("authenticated", "GET", "/notifications/preferences/", None, None, None),
        ("self or superuser", "GET", "/notifications/user/<u>/preferences/", None, None, None),
        ("authenticated", "GET", "/notifications/resend-verification-email/", None, None, None),
        ("public", "GET POST", "/notifications/unsubscribe/?token=t", None, None, None),
    ],
    "firmware-upgrader": [
        *crud(f"{F}/category/", "firmware_upgrader.category"),
        listed(f"{F}/build/", "firmware_upgrader.build", item="{ category_relation: { organization: @ } }"),
        ("object", "POST", f"{F}/build/", "firmware_upgrader.build", "{ category: <x> }", None),
        *detail(f"{F}/build/", "firmware_upgrader.build", "{ category: <x> }"),
        ("object", "GET POST", f"{F}/build/<x>/upgrade/", "firmware_upgrader.build", "{ group: <x>, location: <x> }", None),
        ("object", "GET POST", f"{F}/build/<x>/image/", "firmware_upgrader.firmwareimage", None, None),
        ("object", "GET DELETE", f"{F}/build/<x>/image/<x>/", "firmware_upgrader.firmwareimage", None, None),
        ("object", "GET", f"{F}/build/<x>/image/<x>/download/", "firmware_upgrader.firmwareimage", None, None),
        listed(f"{F}/batch-upgrade-operation/", "firmware_upgrader.batchupgradeoperation", item="{ build: { category_relation: { organization: @ } } }"),
        ("object", "GET", f"{F}/batch-upgrade-operation/<x>/", "firmware_upgrader.batchupgradeoperation", None, None),
        listed(f"{F}/upgrade-operation/", "firmware_upgrader.upgradeoperation", item="{ device: @ }"),
        ("object", "GET", f"{F}/upgrade-operation/<x>/", "firmware_upgrader.upgradeoperation", None, None),
        ("object", "POST", f"{F}/upgrade-operation/<x>/cancel/", "firmware_upgrader.upgradeoperation", None, None),
        ("object", "GET", f"{F}/device/<x>/upgrade-operation/", "firmware_upgrader.upgradeoperation", None, None),
        ("object", DETAIL, f"{F}/device/<x>/firmware/", "firmware_upgrader.devicefirmware", "{ image: <x> }", None),
        ("object", "GET", "/firmware/<x>/image.bin", "firmware_upgrader.firmwareimage", None, None),
    ],
    "monitoring": [
        listed(f"{M}/device/", "config.device"),
        ("object", "GET", f"{M}/device/<x>/metric/", "config.device", None, None),
        ("object", "GET", f"{M}/device/<x>/nearby-devices/", "config.device", None, ("results", "{ organization: @ }")),
        ("key or manager", "GET", f"{M}/device/<x>/", None, None, None),
        ("optional", "GET", f"{M}/device/<x>/?key=k", None, None, None),
        ("public", "POST", f"{M}/device/<x>/?key=k", None, "{}", None),
        listed(f"{M}/geojson/", "geo.location", "features", "{ properties: { organization: @ } }"),
        ("object", "GET", f"{M}/location/<x>/device/", "config.device", None, ("results", "{ organization: @ }")),
        ("object", "GET", f"{M}/location/<x>/indoor-coordinates/", "geo.devicelocation", None, ("results", "{ device_id: @ }")),
        listed(f"{M}/wifi-session/", "device_monitoring.wifisession", item="{ id: @ }"),
        ("object", "GET", f"{M}/wifi-session/<x>/", "device_monitoring.wifisession", None, None),
        ("authenticated", "GET", f"{M}/dashboard/", None, None, None),
        ("self or manager", "GET", f"{M}/dashboard/?organization_slug=acme", None, None, None),
    ],
    "network-topology": [
        ("manager", "GET", f"{T}/topology/", "topology.topology", None, ("collection", "{ id: @ }")),
        ("named", "POST", f"{T}/topology/", "topology.topology", ORG, None),
        *detail(f"{T}/topology/", "topology.topology"),
        ("object", "GET", f"{T}/topology/<x>/history/", "topology.topology", None, None),
        ("public", "POST", f"{T}/topology/<x>/receive/?key=k", None, None, None),
        *(row for name in ["node", "link"] for row in (
            listed(f"{T}/{name}/", f"topology.{name}"),
            ("object", "POST", f"{T}/{name}/", f"topology.{name}", "{ topology: <x>, source: <x>, target: <x> }", None),
            *detail(f"{T}/{name}/", f"topology.{name}", "{ topology: <x>, source: <x>, target: <x> }"))),
        ("manager", "GET", "/topology/", "topology.topology", None, None),
        ("object", "GET", "/topology/topology/<x>/", "topology.topology", None, None),
    ],
    "radius": [
        *(("public", "POST", f"/api/v1/freeradius/{path}/", None, "{}", None) for path in ["authorize", "postauth", "accounting"]),
        ("public", "GET", "/api/v1/freeradius/accounting/", None, None, None),
        *(("public", "POST", f"{PORTAL}/account/{path}", None, "{}", None) for path in
            ["", "token/", "token/validate/", "password/reset/", "password/reset/confirm/"]),
        ("member of acme", "POST PUT", f"{PORTAL}/account/password/change/", None, "{}", None),
        *(("member of acme", "GET", f"{PORTAL}/account/{path}/", None, None, None) for path in ["session", "usage", "phone/token/active"]),
        *(("member of acme", "POST", f"{PORTAL}/account/{path}/", None, "{}", None) for path in
            ["phone/token", "phone/verify", "phone/change", "registration-method"]),
        ("object", "GET", f"{PORTAL}/batch/<x>/pdf/", "openwisp_radius.radiusbatch", None, None),
        ("object, no permission", "GET", f"{PORTAL}/batch/<x>/csv/", None, None, None),
        ("object, no permission", "GET", f"{PORTAL}/batch/<acme>/csv/people.csv", None, None, None),
        listed(f"{R}/batch/", "openwisp_radius.radiusbatch"),
        ("named", "POST", f"{R}/batch/", "openwisp_radius.radiusbatch", "{ organization_slug: acme, group: <x> }", None),
        ("object", "GET DELETE", f"{R}/batch/<x>/", "openwisp_radius.radiusbatch", None, None),
        ("manager", "GET", f"{R}/sessions/", "openwisp_radius.radiusaccounting", None, ("", "{ organization: @ }")),
        *crud(f"{R}/group/", "openwisp_radius.radiusgroup"),
        listed(f"{USERS}/user/<u>/radius-group/", "openwisp_radius.radiususergroup", item="{ id: @ }"),
        ("object", "POST", f"{USERS}/user/<u>/radius-group/", "openwisp_radius.radiususergroup", "{ group: <x> }", None),
        *detail(f"{USERS}/user/<u>/radius-group/", "openwisp_radius.radiususergroup", "{ group: <x> }"),
        ("public", "GET", "/radius/social-login/acme/", None, None, None),
        ("public", "POST", "/radius/saml2/acs/", None, None, None),
    ],
    "websockets": [
        ("authenticated", WS, "/ws/notification/", None, None, None),
        ("object", WS, "/ws/controller/device/<x>/command", "config.device", None, None),
        ("object", WS, "/ws/loci/location/<x>/", "geo.location", None, None),
        ("manager", WS, "/ws/loci/location/", "geo.location", None, None),
        ("object", WS, "/ws/network-topology/topology/<x>/", "topology.topology", None, None),
        ("object", WS, "/ws/firmware-upgrader/upgrade-operation/<x>/", "firmware_upgrader.upgradeoperation", None, None),
        ("object", WS, "/ws/firmware-upgrader/batch-upgrade-operation/<x>/", "firmware_upgrader.batchupgradeoperation", None, None),
        ("object", WS, "/ws/firmware-upgrader/device/<x>/", "config.device", None, None),
        ("object, no permission", WS, "/ws/radius/batch/<x>/", None, None, None),
    ],
    "django": [
        *(("optional", "GET POST", path, None, None, None) for path in ["/admin/login/", "/admin/config/device/add/", "/accounts/login/"]),
        *(("optional", "GET", path, None, None, None) for path in ["/", "/api/v1/docs/", "/api/v1/docs.json", "/api/v1/docs.yaml", "/api/v1/redoc/"]),
        *(("public", "GET", path, None, None, None) for path in ["/static/admin/css/base.css", "/media/floorplans/1.png"]),
    ],
}

# What the lookups find. Lists name their items' objects by `<acme>`, `<bolt>` and nothing.
ONE = ["template", "vpn", "device_group", "credentials", "any_connection", "location", "floorplan", "location_of_body", "category",
       "category_of_body", "build", "image_of_body", "batch_upgrade", "upgrade", "topology_of_body", "node", "link", "subnet",
       "subnet_of_body", "address", "batch", "radius_group"]
BY_PARENT = ["command", "connection", "image"]
OF_LISTS = ["device", "wifi_session", "topology", "user_group_of_list"]


def id_of(name):
    """The id that `<name>` stands for."""
    return uuid.uuid5(uuid.UUID("a02c30c9-077e-5d42-9d4b-990b8e88f21c"), name)


def flow(name, items):
    """A document with such a list."""
    listed = "[" + ", ".join(items) + "]"
    return listed if name == "" else "{ " + name + ": " + listed + " }"


def case(person, method, kind, verdict, row):
    _, _, path, _, body, lists = row
    words = [f"as: {person}", f"GET: {path}" if method == WS else f"{method}: {path}"]
    if method == WS:
        words.append('headers: { Upgrade: websocket, Origin: "https://openwisp.example.com" }')
    if body and method in ("POST", "PUT", "PATCH"):
        words.append(f"body: {body}")
    if lists and method == "GET":
        name, item = lists
        acme, bolt, shared = of(item)
        words.append("upstream: " + flow(name, (acme, bolt, shared)))
        # By a key that finds nothing, nobody's; managers see what is shared.
        by_key = "organization" not in item and f"{USERS}/organization/" != path
        seen = {"root": [acme, bolt, shared], "foreign": [bolt], "both": [acme, bolt]}.get(person, [acme])
        if not by_key and person != "root":
            seen = [*seen, shared]
        if verdict == ".":
            return words + ["expect: " + flow(name, seen)]
    if kind == "answer":
        words.append("upstream: { organization: <acme> }")
    expect = {".": "allow", "-": "401", "i": "401 user_inactive"}.get(verdict, verdict)
    return words + [f"expect: {expect}"]


def write(name, rows):
    models = sorted({row[3] for row in rows if row[3]})
    codes = [f"{app}.{action}_{model}" for app, model in (m.split(".") for m in models) for action in ("view", "add", "change", "delete")]
    who = {"member": "acme: member", "manager": "acme: manager", "owner": "acme: owner", "foreign": "bolt: manager",
           "both": "acme: manager, bolt: manager", "gone": "gone: manager"}
    lines = ["# Written by scripts/openwisp-recipe-tests.py.", "given:", "  organizations: { acme: {}, bolt: {}, gone: { active: false } }", "  users:"]
    lines += ["    root: [superuser, staff]"]
    rights = "[" + ", ".join(codes) + "]"
    for person, level in who.items():
        lines.append(f"    {person}: {{ {level}, staff: true, permissions: {rights} }}" if codes else f"    {person}: {{ {level}, staff: true }}")
    lines += ["    plain: { acme: manager, staff: true }", "    inactive: { acme: manager, staff: true, active: false }", "    u: { acme: member }", "  lookups:"]
    lines += [f"    {lookup}: {{ x: acme }}" for lookup in ONE]
    lines += [f"    {lookup}: {{ x/x: acme }}" for lookup in BY_PARENT]
    lines += [f"    {lookup}: {{ x: acme, acme: acme, bolt: bolt }}" for lookup in OF_LISTS if lookup != "device"]
    lines += ["    device: { x: { organization: acme, is_deactivated: false }, acme: acme, bolt: bolt }"]
    lines += ["    ca: { 7: acme }", "    cert: { 7: acme }", "    image_file: { x/image.bin: acme }", "    batch_file: { acme/acme/people.csv: acme }",
              "    dashboard: { acme: { organization: acme, has_others: false } }", "    notification: { x: { organization: null, recipient: nobody } }",
              f"    person: {{ u: {{ organization: null, is_superuser: false, managers: {' '.join(str(id_of(name)) for name in ['manager', 'owner', 'both', 'plain'])} }} }}",
              f"    setting: {{ x: {{ organization: null, owner: {id_of('u')} }} }}", "    membership: { u/acme: acme }", "    user_group: { x/u: acme }",
              "    member_of_group: { u/acme: acme }",
              f"    group_of_body: {{ x: {{ organization: acme, organization_id: {id_of('acme')} }} }}", "tests:"]
    for row in rows:
        for method in row[1].split():
            lines.append(f"  # {'GET' if method == WS else method} {row[2]}: {row[0]}")
            verdicts = KINDS["object" if row[0] == "answer" else row[0]]
            lines += ["  - { " + ", ".join(case(person, method, row[0], verdict, row)) + " }" for person, verdict in zip(PEOPLE, verdicts)]
    (OUT / f"{name}_test.yaml").write_text("\n".join(lines) + "\n")


for name, rows in FILES.items():
    write(name, rows)
