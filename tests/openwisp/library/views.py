"""Each of the building blocks, on a view of its own."""
from django.urls import path
from openwisp_users.api import filters, mixins, permissions
from openwisp_users.api.authentication import BearerAuthentication
from rest_framework import generics, serializers
from django_filters.rest_framework import DjangoFilterBackend

from .models import Book, Branch, Shelf, Tag, Template


def serializer(model, names, *bases, **members):
    meta = type("Meta", (), {"model": model, "fields": ("id", "name", *names)})
    return type(f"{model.__name__}Serializer", (*bases, serializers.ModelSerializer), {"Meta": meta, **members})


BRANCH = serializer(Branch, ["organization"])
SHELF = serializer(Shelf, ["organization", "template"])
BOOK = serializer(Book, ["branch"])
TEMPLATE = serializer(Template, ["organization"])

Bearer = type("Bearer", (), {"authentication_classes": (BearerAuthentication,)})
Detail, List = generics.RetrieveUpdateDestroyAPIView, generics.ListCreateAPIView

urlpatterns = []


def view(route, *bases, model, serializer, **members):
    members = {"queryset": model.objects.order_by("name"), "serializer_class": serializer, **members}
    urlpatterns.append(path(route, type("View", bases, members).as_view()))


# The permission classes: who may touch an object, by its organization.
for name in ["Member", "Manager", "Owner"]:
    only = (getattr(permissions, f"IsOrganization{name}"),)
    view(f"{name.lower()}/branch/<uuid:pk>/", Bearer, Detail, model=Branch, serializer=BRANCH, permission_classes=only)
    view(f"{name.lower()}/shelf/<uuid:pk>/", Bearer, Detail, model=Shelf, serializer=SHELF, permission_classes=only)

# `organization_field`: the organization is that of a parent.
view(
    "manager/book/<uuid:pk>/",
    Bearer,
    Detail,
    model=Book,
    serializer=BOOK,
    permission_classes=(permissions.IsOrganizationManager,),
    organization_field="branch__organization",
)

# Model permissions, alone and together with the organization's manager.
view(
    "model/shelf/<uuid:pk>/",
    Bearer,
    Detail,
    model=Shelf,
    serializer=SHELF,
    permission_classes=(permissions.DjangoModelPermissions,),
)
view("protected/shelf/<uuid:pk>/", mixins.ProtectedAPIMixin, Detail, model=Shelf, serializer=SHELF)
view("protected/shelf/", mixins.ProtectedAPIMixin, mixins.FilterByOrganizationManaged, List, model=Shelf, serializer=SHELF)

for name, user_is in [("Membership", "member"), ("Managed", "manager"), ("Owned", "owner")]:
    # Querysets: what is out of sight is not there.
    scope = getattr(mixins, f"FilterByOrganization{name}")
    view(f"{user_is}s/shelf/", Bearer, scope, generics.ListAPIView, model=Shelf, serializer=SHELF)
    view(f"{user_is}s/shelf/<uuid:pk>/", Bearer, scope, Detail, model=Shelf, serializer=SHELF)
    view(
        f"{user_is}s/book/",
        Bearer,
        scope,
        generics.ListAPIView,
        model=Book,
        serializer=BOOK,
        organization_field="branch__organization",
    )

    # Children are there for whom the parent is there.
    def books(self):
        return generics.GenericAPIView.get_queryset(self).filter(branch=self.kwargs["branch"])

    def parents(self):
        return Branch.objects.filter(pk=self.kwargs["branch"])

    parent = getattr(mixins, f"FilterByParent{name}")
    inner = type("Books", (List,), {"get_queryset": books})
    view(
        f"{user_is}s/branch/<uuid:branch>/book/",
        Bearer,
        parent,
        inner,
        model=Book,
        serializer=BOOK,
        get_parent_queryset=parents,
    )

    # Related objects that may be chosen, shared ones too where the serializer says so.
    by = getattr(mixins, f"FilterSerializerByOrg{name}")
    view(
        f"{user_is}s/choose/",
        Bearer,
        generics.CreateAPIView,
        model=Shelf,
        serializer=serializer(Shelf, ["organization", "template"], by),
        permission_classes=(permissions.IsOrganizationMember,),
    )
    view(
        f"{user_is}s/choose-shared/",
        Bearer,
        generics.CreateAPIView,
        model=Shelf,
        serializer=serializer(Shelf, ["organization", "template"], by, include_shared=True),
        permission_classes=(permissions.IsOrganizationMember,),
    )

    # Query parameters whose choices are one's own.
    base = getattr(filters, f"Organization{name}Filter")
    meta = type("Meta", (base.Meta,), {"model": Shelf, "fields": [*base.Meta.fields, "tags", "template"]})
    view(
        f"{user_is}s/filtered/",
        Bearer,
        scope,
        generics.ListAPIView,
        model=Shelf,
        serializer=SHELF,
        filter_backends=[DjangoFilterBackend],
        filterset_class=type("Filter", (base,), {"Meta": meta}),
    )
