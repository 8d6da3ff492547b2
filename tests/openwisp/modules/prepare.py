"""prepare.py: the tables of all modules, and a small world in them: of each kind an object of `acme`, `bolt`, `closed` and, where there can be one, of all."""
import datetime
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.auth.models import Permission  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.contrib.gis.geos import Point  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from openwisp_users.models import Group, Organization, OrganizationOwner, OrganizationUser, User  # noqa: E402
from people import ORGANIZATIONS, PEOPLE, id_of, token_of  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from swapper import load_model  # noqa: E402

call_command("migrate", verbosity=0)
Organization.objects.all().delete()
User.objects.all().delete()

now = datetime.datetime.now(datetime.timezone.utc)
organizations = {slug: Organization.objects.create(id=id_of(slug), name=slug, slug=slug) for slug in ORGANIZATIONS}
permissions = {
    "all": Permission.objects.all(),
    "view": Permission.objects.filter(codename__startswith="view_"),
    "change": Permission.objects.filter(codename__startswith="change_"),
    "none": [],
    "superuser": [],
}
for name, (memberships, rights) in PEOPLE.items():
    user = User(id=id_of(name), username=name, email=f"{name}@example.org", is_staff=True, is_superuser=rights == "superuser")
    user.set_password(name)
    user.is_active = name != "inactive"
    # In bulk, without the signals that would send letters and make settings.
    User.objects.bulk_create([user])
    user.user_permissions.set(permissions[rights])
    Token.objects.create(user=user, key=token_of(name))
    session = {SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0], HASH_SESSION_KEY: user.get_session_auth_hash()}
    Session.objects.create(session_key=token_of(name)[:32], session_data=SessionStore().encode(session), expire_date=now + datetime.timedelta(days=9))
    for slug, level in memberships.items():
        # Without the signal that makes the first manager of an organization its owner.
        of = OrganizationUser(user=user, organization=organizations[slug], is_admin=level in ("manager", "owner"))
        OrganizationUser.objects.bulk_create([of])
        if level.startswith("owner"):
            OrganizationOwner.objects.bulk_create([OrganizationOwner(organization=organizations[slug], organization_user=of)])
Organization.objects.filter(slug="closed").update(is_active=False)


def make(model, **fields):
    """A record, in bulk: without what saving it sets off."""
    model = load_model(*model.split("."))
    return model.objects.bulk_create([model(**fields)])[0]


def world(number, slug, organization):
    def named(kind):
        return {"id": id_of(f"{kind} of {slug}")}

    def valid(model, **fields):
        """These make keys of their own when they are saved. Their ids count up from 1."""
        record = load_model(*model.split("."))(organization=organization, **fields)
        record.full_clean()
        record.save()
        return record

    of = {"organization": organization}
    ca = valid("django_x509.Ca", name=f"ca {slug}")
    valid("django_x509.Cert", name=f"cert {slug}", common_name=f"cert-{slug}", ca=ca)
    make("config.Template", **named("template"), **of, name=f"template {slug}", backend="netjsonconfig.OpenWrt", config={"interfaces": []})
    subnet = make("openwisp_ipam.Subnet", **named("subnet"), **of, name=f"subnet {slug}", subnet=f"10.{number}.0.0/24")
    make("openwisp_ipam.IpAddress", **named("address"), subnet=subnet, ip_address=f"10.{number}.0.7")
    make(
        "config.Vpn",
        **named("vpn"),
        **of,
        name=f"vpn {slug}",
        host="vpn.example",
        backend="openwisp_controller.vpn_backends.OpenVpn",
        config={"openvpn": []},
        ca=ca,
    )
    credentials = make(
        "connection.Credentials",
        **named("credentials"),
        **of,
        name=f"credentials {slug}",
        connector="openwisp_controller.connection.connectors.ssh.Ssh",
        params={"username": "x", "password": "y", "port": 22},
    )
    category = make("firmware_upgrader.Category", **named("category"), **of, name=f"category {slug}")
    build = make("firmware_upgrader.Build", **named("build"), category=category, version=f"1.{number}")
    image = make("firmware_upgrader.FirmwareImage", **named("image"), build=build, file=f"{build.pk}/image.bin", type="x")
    topology = make(
        "topology.Topology", **named("topology"), **of, label=f"topology {slug}", parser="netdiff.NetJsonParser", strategy="receive", key="k" * 32
    )
    nodes = [
        make("topology.Node", **named(kind), **of, label=f"{kind} {slug}", topology=topology, addresses=[f"10.{number}.1.{last}"])
        for last, kind in enumerate(["node", "other node"])
    ]
    make("topology.Link", **named("link"), **of, topology=topology, source=nodes[0], target=nodes[1], cost=1.0)
    if not organization:
        return
    device = make("config.Device", **named("device"), **of, name=f"device-{slug}", mac_address=f"00:11:22:33:44:0{number}", key="%032d" % number)
    make("config.DeviceGroup", **named("group"), **of, name=f"group {slug}")
    location = make("geo.Location", **named("location"), **of, name=f"location {slug}", type="indoor", geometry=Point(1, 2, srid=4326))
    floorplan = make("geo.FloorPlan", **named("floorplan"), **of, location=location, floor=1, image="x.png")
    make("geo.DeviceLocation", content_object_id=device.pk, location=location, floorplan=floorplan, indoor="1,2")
    load_model("geo", "OrganizationGeoSettings").objects.get_or_create(organization=organization)
    make("connection.DeviceConnection", **named("connection"), device=device, credentials=credentials)
    make("connection.Command", **named("command"), device=device, type="reboot", input={})
    make("firmware_upgrader.UpgradeOperation", **named("upgrade"), device=device, image=image, status="success")
    make("firmware_upgrader.BatchUpgradeOperation", **named("batch upgrade"), build=build, status="success")
    make("firmware_upgrader.DeviceFirmware", device=device, image=image, installed=True)
    group = make("openwisp_radius.RadiusGroup", **named("radius group"), **of, name=f"{slug}-radius")
    file = f"{slug}/batch/{organization.pk}/csv/people.csv"
    make("openwisp_radius.RadiusBatch", **named("radius batch"), **of, name=f"batch {slug}", strategy="csv", csvfile=file)
    make(
        "openwisp_radius.RadiusAccounting",
        **of,
        unique_id=f"unique-{slug}",
        session_id=f"session-{slug}",
        username="manager",
        nas_ip_address="10.0.0.1",
        start_time=now,
    )
    client = make("device_monitoring.WifiClient", mac_address=f"00:22:22:33:44:0{number}", vendor="x")
    make("device_monitoring.WifiSession", **named("wifi session"), device=device, wifi_client=client, ssid="x", interface_name="w", start_time=now)
    if slug == "acme":
        member = User.objects.get(username="member")
        make(
            "openwisp_radius.RadiusUserGroup", id=id_of("user group"), user=member, group=group, username="member", groupname=group.name, priority=1
        )


for number, slug in enumerate(["acme", "bolt", "closed", "shared"], start=1):
    world(number, slug, organizations.get(slug))

for name in ["manager", "member"]:
    user = User.objects.get(username=name)
    make(
        "openwisp_notifications.Notification",
        id=id_of(f"notification of {name}"),
        recipient=user,
        type="generic_message",
        verb="x",
        level="info",
        actor_content_type=ContentType.objects.get_for_model(User),
        actor_object_id=str(user.pk),
    )
    make(
        "openwisp_notifications.NotificationSetting",
        id=id_of(f"setting of {name}"),
        user=user,
        organization=organizations["acme"],
        type="generic_message",
    )
for slug, organization in organizations.items():
    load_model("openwisp_notifications", "OrganizationNotificationSettings").objects.get_or_create(organization=organization)
Group.objects.get_or_create(id=7, name="seven")
