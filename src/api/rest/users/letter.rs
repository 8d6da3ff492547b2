//! The letter to somebody new: a link by which they show that their e-mail address is theirs.

use super::super::Call;
use crate::directory::{List, Person, Viewer};
use crate::login::links;
use crate::mail::templates::{Kind, Values};

/// Posts it, where letters are sent, to each address that nobody has shown to be theirs. Whoever was made is there already, so what goes
/// wrong is told to the log alone.
pub(super) async fn ask_to_confirm(call: &Call, person: &Person) {
    let (api, user) = (&call.api, &person.user);
    let (Some(mail), Some(site)) = (&api.mail, api.links.site()) else { return };
    let addresses = match api.store.as_seen_by(Viewer::Operator).emails(&List::of_user(user.id)).await {
        Ok(addresses) => addresses.rows,
        Err(error) => {
            mail.counts.failed.inc();
            return tracing::warn!(%error, "a letter to somebody new could not be written");
        }
    };
    for address in addresses.iter().filter(|address| !address.verified) {
        let token = links::confirmation(&api.store, address);
        let Some(link) = token.and_then(|token| api.links.confirm_email(user.id, &token)) else { continue };
        let values = Values { site, username: &user.username, link: &link, ..Values::default() };
        mail.post(address.email.clone(), Kind::EmailConfirmation, &user.language, &values);
    }
}
