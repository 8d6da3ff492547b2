//! All paths of records, once: the router, the slash that is added where it is missing, and the API's description derive from this list.

use super::super::paths::PREFIX;
use super::super::{Api, Client, Origin};
use super::{
    Audience, Endpoint, Methods, Verb, emails, groups, history, holders, keys, magic_link, me, members, nothing,
    organizations, own_emails, own_profile, permissions, roles, run, tokens, user_access, user_members, user_password,
    users,
};
use crate::compat::openwisp::serializer::Field;
use crate::directory::Field as RecordField;
use crate::id::{GroupId, OrgId, RoleId, TokenId, UserId};
use axum::Router;
use axum::extract::{Extension, RawPathParams, Request, State};
use axum::routing::{MethodRouter, any};
use serde_json::Value as Json;
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

pub(super) static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    vec![
        route("organization/", || organizations::Organizations),
        route("organization/{id}/", organizations::One),
        route("organization/{id}/history/", history::OfOrganization),
        route("organization/{id}/member/", members::Members),
        route("organization/{id}/member/{user}/", members::One),
        route("organization/{id}/role/", |id: OrgId| roles::Roles(Some(id))),
        route("organization/{id}/role/{role}/", |id: OrgId, role: RoleId| roles::One(Some(id), role)),
        route("organization/{id}/role/{role}/user/", |id: OrgId, role: RoleId| holders::OfRole(Some(id), role)),
        route("organization/{id}/role/{role}/history/", |id: OrgId, role: RoleId| history::OfRole(Some(id), role)),
        route("super-role/", || roles::Roles(None)),
        route("super-role/{role}/", |role: RoleId| roles::One(None, role)),
        route("super-role/{role}/user/", |role: RoleId| holders::OfRole(None, role)),
        route("super-role/{role}/history/", |role: RoleId| history::OfRole(None, role)),
        route("permission/", || permissions::Permissions),
        route("permission/{number}/", permissions::One),
        route("me/", || me::Me),
        route("me/profile/", || own_profile::Profile),
        route("me/email/", || own_emails::Emails),
        route("me/email/{number}/", own_emails::One),
        route("me/email/{number}/confirm/", own_emails::Confirm),
        route("me/token/", || tokens::Tokens),
        route("me/token/{id}/", tokens::One),
        route("me/token/{id}/rotate/", tokens::Rotate),
        route("me/token/{id}/revoke/", tokens::Revoke),
        route("user/", || users::Users),
        route("user/bulk/", || users::Bulk),
        route("user/{id}/", users::One),
        route("user/{id}/password/", user_password::Password),
        route("user/{id}/magic-link/", magic_link::MagicLink),
        route("user/{id}/email/", emails::Emails),
        route("user/{id}/email/{number}/", emails::One),
        route("user/{id}/membership/", user_members::Memberships),
        route("user/{id}/membership/{organization}/", |user: UserId, organization: OrgId| {
            members::One(organization, user)
        }),
        route("user/{id}/token/", user_access::Tokens),
        route("user/{id}/token/{token}/", user_access::OneToken),
        route("user/{id}/token/{token}/revoke/", user_access::RevokeToken),
        route("user/{id}/session/", user_access::Sessions),
        route("user/{id}/session/{session}/", user_access::OneSession),
        route("user/{id}/history/", history::OfUser),
        route("group/", || groups::Groups),
        route("group/{number}/", groups::One),
        route("group/{number}/user/", holders::OfGroup),
        route("group/{number}/history/", history::OfGroup),
    ]
});

/// A path, and what is there.
pub(super) struct Route {
    /// Below the API's prefix; `{…}` are its keys.
    pub path: &'static str,
    /// Of its keys, in their order.
    pub shapes: Vec<Shape>,
    pub about: About,
    serve: Box<dyn Fn() -> MethodRouter<Arc<Api>> + Send + Sync>,
}

/// What is told of an endpoint, to whoever does not ask it.
pub(super) struct About {
    pub permission: &'static str,
    /// Of all its methods, where HTTP's would say another.
    pub action: Option<&'static str>,
    pub methods: Methods,
    pub has_versions: bool,
    pub listed: &'static [RecordField],
    pub is_confirmed: bool,
    pub columns: &'static [&'static str],
    pub fields: fn(Audience) -> &'static [Field],
    pub deleted_with: &'static [Field],
    pub told: fn(Audience, Verb) -> Json,
}

/// What a key of a path looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Uuid,
    Number,
}

/// A key of a path.
trait Key: Sized {
    const SHAPE: Shape;

    fn read(text: &str) -> Option<Self>;
}

macro_rules! keys {
    ($($id:ident),+) => {$(
        impl Key for $id {
            const SHAPE: Shape = Shape::Uuid;

            fn read(text: &str) -> Option<Self> {
                keys::uuid(text).map($id)
            }
        }
    )+};
}

keys!(OrgId, UserId, RoleId, TokenId);

impl Key for Uuid {
    const SHAPE: Shape = Shape::Uuid;

    fn read(text: &str) -> Option<Self> {
        keys::uuid(text)
    }
}

impl Key for i64 {
    const SHAPE: Shape = Shape::Number;

    fn read(text: &str) -> Option<Self> {
        keys::is_number(text).then(|| keys::number(text))
    }
}

impl Key for GroupId {
    const SHAPE: Shape = Shape::Number;

    fn read(text: &str) -> Option<Self> {
        i64::read(text).map(Self)
    }
}

/// What makes an endpoint of the keys of its path.
trait Make<Keys>: Clone + Send + Sync + 'static {
    type Endpoint: Endpoint + 'static;

    fn shapes() -> Vec<Shape>;

    /// `None` where a key is not of its shape: nothing is there.
    fn make(&self, keys: &[&str]) -> Option<Self::Endpoint>;
}

impl<F: Fn() -> E + Clone + Send + Sync + 'static, E: Endpoint + 'static> Make<()> for F {
    type Endpoint = E;

    fn shapes() -> Vec<Shape> {
        Vec::new()
    }

    fn make(&self, _: &[&str]) -> Option<E> {
        Some(self())
    }
}

impl<F: Fn(A) -> E + Clone + Send + Sync + 'static, A: Key, E: Endpoint + 'static> Make<(A,)> for F {
    type Endpoint = E;

    fn shapes() -> Vec<Shape> {
        vec![A::SHAPE]
    }

    fn make(&self, keys: &[&str]) -> Option<E> {
        Some(self(A::read(keys.first()?)?))
    }
}

impl<F: Fn(A, B) -> E + Clone + Send + Sync + 'static, A: Key, B: Key, E: Endpoint + 'static> Make<(A, B)> for F {
    type Endpoint = E;

    fn shapes() -> Vec<Shape> {
        vec![A::SHAPE, B::SHAPE]
    }

    fn make(&self, keys: &[&str]) -> Option<E> {
        Some(self(A::read(keys.first()?)?, B::read(keys.get(1)?)?))
    }
}

fn route<Keys, M: Make<Keys>>(path: &'static str, make: M) -> Route {
    let about = About {
        permission: M::Endpoint::PERMISSION,
        action: M::Endpoint::ACTION,
        methods: M::Endpoint::METHODS,
        has_versions: M::Endpoint::HAS_VERSIONS,
        listed: M::Endpoint::LISTED,
        is_confirmed: M::Endpoint::IS_CONFIRMED,
        columns: M::Endpoint::COLUMNS,
        fields: M::Endpoint::fields,
        deleted_with: M::Endpoint::DELETED_WITH,
        told: M::Endpoint::told,
    };
    Route { path, shapes: M::shapes(), about, serve: Box::new(move || serve(path, make.clone())) }
}

fn serve<Keys, M: Make<Keys>>(path: &'static str, make: M) -> MethodRouter<Arc<Api>> {
    any(
        move |State(api): State<Arc<Api>>,
              client: Extension<Client>,
              origin: Extension<Origin>,
              keys: RawPathParams,
              request: Request| async move {
            let keys: Vec<&str> = keys.iter().map(|(_, key)| key).collect();
            match make.make(&keys) {
                Some(endpoint) => run(&endpoint, path, api, (client.0, origin.0), request).await,
                None => nothing(path, api, (client.0, origin.0), request).await,
            }
        },
    )
}

/// The routes of all resources.
pub(crate) fn router() -> Router<Arc<Api>> {
    ROUTES.iter().fold(Router::new(), |router, route| router.route(&format!("{PREFIX}{}", route.path), (route.serve)()))
}

/// The paths of all lists and records, below the prefix, but for what is one's own.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.path).filter(|path| !path.starts_with("me/"))
}

/// Whether a path without the slash at its end is one of them.
pub(in super::super) fn is_path(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|path| ROUTES.iter().any(|route| route.is_at(path)))
}

impl Route {
    fn is_at(&self, path: &str) -> bool {
        let mut shapes = self.shapes.iter();
        let mut parts = path.split('/');
        let is_alike = self.path.trim_end_matches('/').split('/').all(|part| match parts.next() {
            Some(key) if part.starts_with('{') => shapes.next().is_some_and(|shape| shape.has(key)),
            other => other == Some(part),
        });
        is_alike && parts.next().is_none()
    }
}

impl Shape {
    fn has(self, key: &str) -> bool {
        match self {
            Self::Uuid => keys::uuid(key).is_some(),
            Self::Number => keys::is_number(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ROUTES, is_path};

    const ID: &str = "10000000-0000-4000-8000-0000000000aa";

    #[test]
    fn each_path_has_a_shape_for_each_of_its_keys() {
        for route in &*ROUTES {
            assert_eq!(route.path.matches('{').count(), route.shapes.len(), "{}", route.path);
            assert!(route.path.ends_with('/'), "{}", route.path);
        }
    }

    #[test]
    fn a_slash_is_added_where_a_path_with_it_is_there() {
        for path in ["user", "me", "me/token", "user/ID", "user/ID/email/7", "organization/ID/role/ID", "group/7"] {
            assert!(is_path(&format!("/api/v1/users/{}", path.replace("ID", ID))), "{path}");
        }
        for path in
            ["", "users", "user/x", "user/7", "group/ID", "user/ID/email/x", "user/ID/other", "me/token/ID/x", "user//"]
        {
            assert!(!is_path(&format!("/api/v1/users/{}", path.replace("ID", ID))), "{path}");
        }
        assert!(!is_path("/api/v1/other/user"));
    }
}
