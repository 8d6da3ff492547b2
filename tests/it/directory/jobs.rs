//! Who does what is done once a day, and whom it concerns.

use super::{Backend, stories, user};
use jiff::civil::{Date, date};
use postern::directory::{Aging, UserEdit};
use postern::id::UserId;
use std::collections::BTreeSet;
use std::sync::Arc;

const TODAY: Date = date(2026, 3, 1);

stories!(
    of_many_who_take_a_job_one_has_it_each_day,
    a_job_that_breaks_off_is_taken_by_another,
    who_has_expired_is_deactivated_and_told_once,
    reminders_are_noted_once_a_day_that_they_are_about,
);

async fn of_many_who_take_a_job_one_has_it_each_day(on: &dyn Backend) {
    let stores = [on.store(), on.another().await, on.another().await];
    for day in [TODAY, date(2026, 3, 2)] {
        let tries: Vec<_> = (0..30)
            .map(|at| {
                let store = Arc::clone(&stores[at % 3]);
                tokio::spawn(async move { store.directory().claim_job("job", day, 600).await.unwrap() })
            })
            .collect();
        let mut taken = 0;
        for one in tries {
            taken += usize::from(one.await.unwrap());
        }
        assert_eq!(taken, 1, "{day}");
    }
    let store = stores[0].directory();
    assert!(!store.claim_job("job", TODAY, 600).await.unwrap(), "yesterday is over");
    assert!(store.claim_job("another", TODAY, 600).await.unwrap());
}

async fn a_job_that_breaks_off_is_taken_by_another(on: &dyn Backend) {
    let view = on.store();
    let store = view.directory();
    // Nobody holds it for any time.
    assert!(store.claim_job("job", TODAY, 0).await.unwrap());
    assert!(!store.keep_job("job", TODAY, 600).await.unwrap(), "it is lost already");
    assert!(store.claim_job("job", TODAY, 600).await.unwrap(), "so another takes it");
    assert!(store.keep_job("job", TODAY, 600).await.unwrap());
    let last = store.jobs().await.unwrap().remove(0);
    assert_eq!((last.name.as_str(), last.day, last.finished), ("job", TODAY, None));
    store.finish_job("job", TODAY, "all of it".to_owned()).await.unwrap();
    let last = store.jobs().await.unwrap().remove(0);
    assert!(last.finished.is_some() && last.outcome == "all of it");
    assert!(!store.claim_job("job", TODAY, 600).await.unwrap() && !store.keep_job("job", TODAY, 600).await.unwrap());
}

/// Users with a last day, and an address that is verified or not.
async fn expiring(on: &dyn Backend, name: &str, last: Date, verified: bool) -> UserId {
    let store = on.store();
    let id = user(&store, name).await.id;
    let edit = UserEdit { expiration_date: Some(Some(last)), ..UserEdit::default() };
    store.edit_user(&id.into(), edit).await.unwrap();
    on.sql(&format!(
        "INSERT INTO email_addresses (user_id, email, verified, is_primary) VALUES ('{id}', '{name}@example.org', {verified}, true)"
    ))
    .unwrap();
    id
}

async fn taken(on: &dyn Backend, kind: &'static str, first: Date) -> BTreeSet<(String, String, Date)> {
    let notices = on.store().directory().take_notices(kind, first).await.unwrap();
    notices.into_iter().map(|notice| (notice.username, notice.email, notice.about)).collect()
}

async fn who_has_expired_is_deactivated_and_told_once(on: &dyn Backend) {
    let (yesterday, view) = (date(2026, 2, 28), on.store());
    let store = view.directory();
    expiring(on, "gone", yesterday, true).await;
    expiring(on, "unverified", yesterday, false).await;
    expiring(on, "last-day", TODAY, true).await;
    let away = expiring(on, "away", yesterday, true).await;
    let edit = UserEdit { is_active: Some(false), ..UserEdit::default() };
    view.edit_user(&away.into(), edit).await.unwrap();
    assert_eq!(store.deactivate_expired(TODAY).await, Ok(2));
    assert_eq!(store.deactivate_expired(TODAY).await, Ok(0));
    for (name, is_active) in [("gone", false), ("unverified", false), ("last-day", true)] {
        assert_eq!(view.user(&name.into()).await.unwrap().is_active, is_active, "{name}");
    }
    assert!(taken(on, "account_expired", TODAY).await.is_empty(), "too long ago to be told");
    let told = [("gone".to_owned(), "gone@example.org".to_owned(), yesterday)];
    assert_eq!(taken(on, "account_expired", yesterday).await, BTreeSet::from(told));
    assert!(taken(on, "account_expired", yesterday).await.is_empty(), "once");
    assert_eq!(store.forget_notices(TODAY).await, Ok(1));
    // Notices go with their users.
    expiring(on, "soon", yesterday, true).await;
    store.deactivate_expired(TODAY).await.unwrap();
    view.delete_user(&"soon".into()).await.unwrap();
    assert_eq!(store.forget_notices(date(2030, 1, 1)).await, Ok(0));
}

async fn reminders_are_noted_once_a_day_that_they_are_about(on: &dyn Backend) {
    let view = on.store();
    let store = view.directory();
    let week = date(2026, 3, 8);
    expiring(on, "soon", week, true).await;
    expiring(on, "unverified", week, false).await;
    expiring(on, "later", date(2026, 3, 9), true).await;
    assert_eq!(store.note_expiring(TODAY, week).await, Ok(1));
    assert_eq!(store.note_expiring(TODAY, week).await, Ok(0));
    let soon = |about| BTreeSet::from([("soon".to_owned(), "soon@example.org".to_owned(), about)]);
    assert_eq!(taken(on, "account_expiration", TODAY).await, soon(week));
    // Whoever is given more time is told of that day too.
    let last = date(2026, 3, 5);
    let edit = UserEdit { expiration_date: Some(Some(last)), ..UserEdit::default() };
    view.edit_user(&"soon".into(), edit).await.unwrap();
    assert_eq!(store.note_expiring(TODAY, week).await, Ok(1));
    assert_eq!(taken(on, "account_expiration", TODAY).await, soon(last));

    // Passwords of 30 days, and of 10 for staff.
    let hash = || Some(postern::password::PasswordHash::from_stored("pbkdf2_sha256$1$salt$aGFzaA=="));
    for (name, chosen, staff) in [("soon", date(2026, 2, 1), false), ("later", date(2026, 2, 22), true)] {
        view.set_password(&name.into(), hash(), chosen).await.unwrap();
        let edit = UserEdit { is_staff: Some(staff), ..UserEdit::default() };
        view.edit_user(&name.into(), edit).await.unwrap();
    }
    view.set_password(&"unverified".into(), hash(), date(2026, 2, 1)).await.unwrap();
    let aging = |is_staff, first, last, days| Aging { is_staff, chosen: (first, last), days };
    let nobody = UserId(uuid::Uuid::nil());
    let users = aging(false, date(2026, 1, 30), date(2026, 2, 6), 30);
    assert_eq!(store.note_aging(users, nobody).await, Ok((1, None)));
    assert_eq!(store.note_aging(users, nobody).await, Ok((0, None)));
    assert_eq!(store.note_aging(aging(true, date(2026, 2, 19), date(2026, 2, 26), 10), nobody).await, Ok((1, None)));
    let told = taken(on, "password_expiration", TODAY).await;
    let days: Vec<(&str, Date)> = told.iter().map(|(name, _, about)| (name.as_str(), *about)).collect();
    assert_eq!(days, [("later", date(2026, 3, 4)), ("soon", date(2026, 3, 3))]);
    // Nobody is told of a password that is none.
    on.sql("UPDATE users SET password = '!' || password").unwrap();
    assert_eq!(store.forget_notices(date(2030, 1, 1)).await, Ok(4));
    assert_eq!(store.note_aging(users, nobody).await, Ok((0, None)));
}
