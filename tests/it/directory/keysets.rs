//! Lists read part by part, each behind the last record of the one before.

use super::{Backend, as_manager, join, organization, stories};
use postern::directory::name::PermissionName;
use postern::directory::{Grants, Keyset, List, NewUser, Page, UserRecord, View};
use std::collections::{BTreeMap, BTreeSet};

stories!(
    parts_in_a_row_are_the_whole_list_in_every_order,
    what_comes_and_goes_meanwhile_doubles_and_loses_nothing,
    a_manager_walks_through_what_they_see,
);

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides as u64) as usize
    }
}

/// Users who share most of what they are ordered by, and lack some of it.
async fn crowd(on: &dyn Backend, count: u32) {
    on.crowd(count);
    for sql in [
        "UPDATE users SET created = CAST(substr(username, 2) AS integer) % 7, created_micros = CAST(substr(username, 2) AS integer) % 3",
        "UPDATE users SET first_name = 'n' || (CAST(substr(username, 2) AS integer) % 5), last_login = CAST(substr(username, 2) AS integer) % 4
         WHERE CAST(substr(username, 2) AS integer) % 2 = 0",
        "UPDATE users SET expiration_date = '2030-01-01' WHERE CAST(substr(username, 2) AS integer) % 3 = 0",
        "UPDATE users SET email = username || '@x.example' WHERE CAST(substr(username, 2) AS integer) % 4 <> 0",
    ] {
        on.sql(sql).unwrap();
    }
}

fn ids(rows: &[UserRecord]) -> Vec<String> {
    rows.iter().map(|user| user.id.to_string()).collect()
}

/// All parts of a list, forwards or from its end; `between` is done behind each.
async fn walk(
    store: &View,
    list: &List,
    size: u32,
    backwards: bool,
    mut between: impl AsyncFnMut(usize),
) -> Vec<String> {
    let (mut all, mut keyset) = (Vec::new(), Keyset { from: None, backwards });
    for turn in 0.. {
        assert!(turn < 1_000, "it goes on for ever");
        let page = Page { limit: Some(size), offset: 0 };
        let part = store.users(&List { keyset: Some(keyset.clone()), page, ..list.clone() }).await.unwrap();
        let Some(reach) = part.reach else { break };
        let rows = ids(&part.rows);
        assert!(rows.len() <= size as usize);
        all = if backwards { [rows, all].concat() } else { [all, rows].concat() };
        if !reach.goes_on {
            break;
        }
        keyset.from = Some(if backwards { reach.first } else { reach.last });
        between(turn).await;
    }
    all
}

async fn parts_in_a_row_are_the_whole_list_in_every_order(on: &dyn Backend) {
    const FIELDS: [&str; 8] =
        ["username", "email", "first_name", "expiration_date", "last_login", "created", "created_micros", "id"];
    crowd(on, 90).await;
    let (store, mut dice) = (on.store(), Dice(1));
    for case in 0..60 {
        let mut order: Vec<String> = Vec::new();
        for _ in 0..dice.throw(4) {
            let field = FIELDS[dice.throw(FIELDS.len())];
            order.push(if dice.throw(2) == 0 { field.to_owned() } else { format!("-{field}") });
        }
        let search = (dice.throw(3) == 0).then(|| "1".to_owned());
        let list = List { order, search, ..List::default() };
        let size = 1 + u32::try_from(dice.throw(40)).unwrap();
        let whole = ids(&store.users(&list).await.unwrap().rows);
        for backwards in [false, true] {
            let walked = walk(&store, &list, size, backwards, async |_| {}).await;
            assert_eq!(walked, whole, "{case}: {list:?} by {size}, backwards: {backwards}");
        }
    }
}

async fn what_comes_and_goes_meanwhile_doubles_and_loses_nothing(on: &dyn Backend) {
    crowd(on, 120).await;
    let store = on.store();
    let number = std::cell::Cell::new(0);
    let newest = ["-created", "-created_micros", "-id"];
    for order in [newest.as_slice(), &["username"], &["expiration_date", "-first_name"], &["-last_login"]] {
        let list = List { order: order.iter().map(|name| (*name).to_owned()).collect(), ..List::default() };
        let before = ids(&store.users(&list).await.unwrap().rows);
        let mut dice = Dice(7);
        let mut gone = BTreeSet::new();
        let walked = walk(&store, &list, 7, false, async |turn: usize| {
            let new = NewUser::named(&format!("{}x{}", ['A', 'u', 'z'][turn % 3], number.get())).unwrap();
            number.set(number.get() + 1);
            store.create_users(vec![new]).await.unwrap();
            let one = &before[dice.throw(before.len())];
            if gone.insert(one.clone()) {
                store.delete_user(&one.as_str().into()).await.unwrap();
            }
        })
        .await;
        let mut times = BTreeMap::new();
        walked.iter().for_each(|id| *times.entry(id).or_insert(0) += 1);
        assert!(times.values().all(|times| *times == 1), "{order:?}: somebody is there twice");
        for id in before.iter().filter(|id| !gone.contains(*id)) {
            assert!(times.contains_key(id), "{order:?}: {id} was there all the time");
        }
    }
}

async fn a_manager_walks_through_what_they_see(on: &dyn Backend) {
    crowd(on, 40).await;
    let store = on.store();
    organization(&store, "Acme").await;
    organization(&store, "Bolt").await;
    for number in 0..20 {
        join(&store, if number % 2 == 0 { "acme" } else { "bolt" }, &format!("u{number}"), number == 0).await;
    }
    let view = PermissionName::new("openwisp_users.view_user").unwrap();
    let grants = Grants { grant: vec![view], revoke: Vec::new() };
    store.edit_user_permissions(&"u0".into(), grants).await.unwrap();
    let manager = as_manager(&store, "u0").await;
    let list = List { order: vec!["-username".to_owned()], ..List::default() };
    let whole = ids(&manager.users(&list).await.unwrap().rows);
    assert_eq!(whole.len(), 10);
    assert_eq!(walk(&manager, &list, 3, false, async |_| {}).await, whole);
}
