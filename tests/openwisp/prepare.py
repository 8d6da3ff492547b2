"""prepare.py: the tables, and a small world in them."""
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django  # noqa: E402

django.setup()

from django.contrib.auth.models import Permission  # noqa: E402
from django.core.management import call_command  # noqa: E402
from library.models import Book, Branch, Shelf, Tag, Template  # noqa: E402
from openwisp_ipam.models import IpAddress, Subnet  # noqa: E402
from openwisp_users.models import Organization, OrganizationOwner, OrganizationUser, User  # noqa: E402
from people import ORGANIZATIONS, PEOPLE, id_of, token_of  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

# The library has no migrations, and refers to what has some.
for rest in [False, True]:
    call_command("migrate", run_syncdb=rest, verbosity=0)
Organization.objects.all().delete()
User.objects.all().delete()

organizations = {None: None}
for slug in ORGANIZATIONS:
    organizations[slug] = Organization.objects.create(id=id_of(slug), name=slug, slug=slug)

of_models = Permission.objects.filter(content_type__app_label__in=["library", "openwisp_ipam"])
permissions = {
    "all": of_models,
    "view": of_models.filter(codename__startswith="view_"),
    "change": of_models.filter(codename__startswith="change_"),
    "none": [],
    "superuser": [],
}
for name, (memberships, rights) in PEOPLE.items():
    user = User.objects.create(
        id=id_of(name), username=name, email=f"{name}@example.org", is_active=name != "inactive", is_superuser=rights == "superuser"
    )
    user.user_permissions.set(permissions[rights])
    Token.objects.create(user=user, key=token_of(name))
    for slug, level in memberships.items():
        # In bulk, without the signal that makes the first manager of an organization its owner.
        admin = level in ("manager", "owner")
        of = OrganizationUser(user=user, organization=organizations[slug], is_admin=admin)
        OrganizationUser.objects.bulk_create([of])
        if level.startswith("owner"):
            OrganizationOwner.objects.bulk_create([OrganizationOwner(organization=organizations[slug], organization_user=of)])
Organization.objects.filter(slug="closed").update(is_active=False)

network = 0
for slug, organization in organizations.items():
    of = slug or "shared"
    template = Template.objects.create(id=id_of(f"template of {of}"), name=f"template of {of}", organization=organization)
    shelf = Shelf.objects.create(id=id_of(f"shelf of {of}"), name=f"shelf of {of}", organization=organization, template=template)
    network += 1
    subnet = Subnet(id=id_of(f"subnet of {of}"), name=f"subnet of {of}", organization=organization, subnet=f"10.{network}.0.0/24")
    subnet.full_clean()
    subnet.save()
    IpAddress.objects.create(id=id_of(f"address of {of}"), subnet=subnet, ip_address=f"10.{network}.0.7", description=of)
    if organization:
        shelf.tags.add(Tag.objects.create(id=id_of(f"tag of {of}"), name=f"tag of {of}", organization=organization))
        branch = Branch.objects.create(id=id_of(f"branch of {of}"), name=f"branch of {of}", organization=organization)
        Book.objects.create(id=id_of(f"book of {of}"), name=f"book of {of}", branch=branch)
