"""Objects that belong to organizations, or to what belongs to one, or to nobody."""
from django.db import models
from openwisp_users.mixins import OrgMixin, ShareableOrgMixin
from openwisp_utils.base import UUIDModel


class Branch(OrgMixin, UUIDModel):
    """Of one organization, always."""

    name = models.CharField(max_length=32)


class Template(ShareableOrgMixin, UUIDModel):
    """Of one organization, or of all."""

    name = models.CharField(max_length=32)


class Tag(OrgMixin, UUIDModel):
    """What many shelves have, of their own organization."""

    name = models.CharField(max_length=32)


class Shelf(ShareableOrgMixin, UUIDModel):
    """Of one organization, or of all, and related to others."""

    name = models.CharField(max_length=32)
    template = models.ForeignKey(Template, on_delete=models.CASCADE, null=True, blank=True)
    tags = models.ManyToManyField(Tag, blank=True)


class Book(UUIDModel):
    """Of the organization that its branch belongs to."""

    name = models.CharField(max_length=32)
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE)
