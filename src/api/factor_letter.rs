//! The letter that tells somebody that an app or a passkey of theirs was set up or removed: who did it may have been somebody else.

use super::Api;
use super::paths::ACCOUNT;
use crate::directory::Viewer;
use crate::id::UserId;
use crate::mail::templates::{Kind, Values};

/// Posts it, where letters are sent and they have an address. What it tells of has been done, so what goes wrong is told to the log alone.
pub(super) async fn post(api: &Api, user: UserId) {
    let (Some(mail), Some(site)) = (&api.mail, api.links.site()) else { return };
    let Some(link) = api.links.absolute(&api.links.at(ACCOUNT)) else { return };
    match api.store.as_seen_by(Viewer::Operator).user(&user.into()).await {
        Ok(user) => {
            let Some(email) = &user.email else { return };
            let values = Values { site, username: &user.username, link: &link, ..Values::default() };
            mail.post(email.clone(), Kind::SecondFactor, &user.language, &values);
        }
        Err(error) => {
            mail.counts.failed.inc();
            tracing::warn!(%error, "a letter about a second factor could not be written");
        }
    }
}
