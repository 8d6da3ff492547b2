//! `identity.django_session` — Django's settings of sessions, by their names without `SESSION_`.

use super::sesame::fallbacks;
use crate::config::keys::{Reader, Section, Shape, TEXT, TIME, custom, keys, one_of};
use crate::config::secret::SECRET;
use crate::identity::django::{Engine, Settings};
use crate::yaml::Node;

struct DjangoSession;

keys! {
    DjangoSession for Settings {
        key, SECRET, "SECRET_KEY";
        fallbacks, custom(Shape::List(&Shape::Secret), fallbacks), "SECRET_KEY_FALLBACKS";
        engine, one_of!("database" => Engine::Database, "cache" => Engine::Cache, "signed_cookies" => Engine::SignedCookies),
            "SESSION_ENGINE: `database` is `cached_db` too; `cache` is that of `openwisp.cache`. [database]";
        cookie ("cookie_name"), TEXT, "SESSION_COOKIE_NAME [sessionid]";
        age ("cookie_age"), TIME, "SESSION_COOKIE_AGE, for those in signed cookies. [14d]";
    }
}

pub(super) const SHAPE: Shape = Shape::Map(DjangoSession::KEYS, 0);

/// Reads the section; what was reported is left out.
pub(super) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Settings> {
    let map = node.expect_map("`django_session`", reader.findings)?;
    let settings = reader.read::<DjangoSession>(key, "`django_session`", map);
    if settings.key.is_none() {
        let message = "`django_session` has no `key`: a session is Django's by its SECRET_KEY";
        reader.findings.error("missing_key", node.span, message).help("write `key: { env: DJANGO_SECRET_KEY }`");
    }
    Some(settings)
}
