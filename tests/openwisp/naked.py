"""Takes the authorization out of openwisp-users and openwisp-ipam: whoever asks gets everything."""
from openwisp_ipam.api import utils, views
from openwisp_users.api import authentication, mixins, permissions
from rest_framework.permissions import IsAuthenticated


def undress():
    def yes(self, *args, **kwargs):
        return True

    for permission in [
        IsAuthenticated,
        permissions.BaseOrganizationPermission,
        permissions.IsOrganizationManager,
        permissions.IsOrganizationOwner,
        permissions.DjangoModelPermissions,
    ]:
        permission.has_permission = permission.has_object_permission = yes
    authentication.BearerAuthentication.authenticate = lambda self, request: None
    mixins.FilterByOrganization.get_organization_queryset = lambda self, qs: qs
    mixins.FilterByParent.get_organization_queryset = lambda self, qs: qs
    mixins.FilterSerializerByOrganization.filter_fields = lambda self: None
    mixins.QuerySetRequestMixin.get_queryset = lambda self, request: super(mixins.QuerySetRequestMixin, self).get_queryset(request)
    views.IpAddressOrgMixin.get_organization_filter = lambda self: None
    utils.AuthorizeCSVImport.assert_organization_permissions = lambda self, request: None
