//! The letter with a link, written and posted while nobody waits for it.

use super::super::Api;
use crate::directory::StoreError;
use crate::mail::Mailer;
use crate::mail::templates::{Kind, Values};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Requests that are being looked into.
pub(in crate::api) const AT_ONCE: usize = 64;

/// Writes to whom an identifier means, some time. Returns at once, and says nothing.
pub(super) fn write_to(api: &Arc<Api>, identifier: String, organization: Option<String>) {
    let Some(mail) = api.mail.clone() else {
        if !api.told_of_mail.swap(true, Ordering::Relaxed) {
            tracing::warn!("somebody asks for a new password, and no letters are sent: `mail` is not configured");
        }
        return;
    };
    let Ok(place) = Arc::clone(&api.letters).try_acquire_owned() else {
        mail.counts.dropped.inc();
        return tracing::warn!("a letter is not written: too many are asked for");
    };
    let api = Arc::clone(api);
    tokio::spawn(async move {
        if let Err(error) = write(&api, &mail, &identifier, organization).await {
            mail.counts.failed.inc();
            tracing::warn!(%error, "a letter could not be written");
        }
        drop(place);
    });
}

async fn write(
    api: &Api,
    mail: &Arc<Mailer>,
    identifier: &str,
    organization: Option<String>,
) -> Result<(), StoreError> {
    let resets = api.resets();
    for person in api.login.whom(identifier, organization).await? {
        if !api.login.limits().may_write_to(person.user).await {
            mail.counts.dropped.inc();
            continue;
        }
        let Some((token, to)) = api.login.link(person.user, &resets).await? else { continue };
        // Without it there is no `mail`.
        let (Some(link), Some(site)) = (api.links.reset(person.user, &token), api.links.site()) else { continue };
        let values = Values { site, username: &person.username, link: &link, ..Values::default() };
        mail.post(to, Kind::PasswordReset, &person.language, &values);
    }
    Ok(())
}
