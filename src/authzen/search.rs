//! Who may, what may they do, and to which things (AuthZEN 1.0, 8).
//!
//! A search goes through candidates in one order, asks of each what an evaluation would ask, and stops when the page is full or when it
//! has looked at so many: a page may be short, and its token says that there is more to look at.

use super::evaluate::{Decision, Evaluator, HAVE, Handle, LEVELS, USERS, Unavailable, level};
use super::json::Map;
use super::page::Page;
use super::question::{Action, Entity, Question, Wanted};
use super::settings::Ids;
use super::{Authzen, wrong};
use crate::decision::Denial;
use crate::directory::{HeldRole, Holders, StoreError};
use crate::facts::Snapshot;
use crate::id::{OrgId, RoleId, UserId};
use crate::policy::METHODS;
use serde_json::{Value, json};
use std::sync::Arc;

/// Candidates that are looked at for a page.
const LOOKED_AT: u32 = 1_000;

/// Some candidates behind a place, in their order.
struct Candidates<T> {
    /// The place of each, and what else is known of it.
    list: Vec<(String, T)>,
    /// There are no others behind them.
    are_all: bool,
}

impl<T> Candidates<T> {
    /// All of these that lie behind a place; they are sorted here.
    fn of(all: impl IntoIterator<Item = (String, T)>, after: &str) -> Self {
        let mut list: Vec<_> = all.into_iter().filter(|(place, _)| place.as_str() > after).collect();
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { list, are_all: true }
    }

    /// What the store gave of them, asked for so many.
    fn read(list: Vec<(String, T)>) -> Self {
        let are_all = list.len() < LOOKED_AT as usize;
        Self { list, are_all }
    }
}

/// A page that is being filled.
struct Results {
    list: Vec<Value>,
    limit: usize,
    /// The last place that was looked at.
    last: String,
    /// There is more behind it.
    more: bool,
}

impl Results {
    fn is_full(&self) -> bool {
        self.list.len() >= self.limit
    }
}

impl From<StoreError> for Unavailable {
    fn from(_: StoreError) -> Self {
        Self
    }
}

impl Authzen {
    pub(super) async fn search(
        &self,
        wanted: Wanted,
        evaluator: &mut Evaluator<'_, impl Handle>,
        asked: &Map<'_>,
        asker: &Snapshot,
    ) -> Result<Value, Denial> {
        let question = Question::read(asked, None, Some(wanted)).map_err(wrong)?;
        let page = self.pages.read(wanted, asked, asker.user.id).map_err(wrong)?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let mut results = Results { list: Vec::new(), limit, last: page.after.clone(), more: false };
        match wanted {
            Wanted::Subject => self.subjects(evaluator, &question, &page, &mut results).await?,
            Wanted::Resource => self.resources(evaluator, &question, &page, &mut results).await?,
            Wanted::Action => self.actions(evaluator, &question, &page, &mut results).await?,
        }
        let next = match results.more {
            true => self.pages.token(&page, &results.last).ok_or(Unavailable)?,
            false => String::new(),
        };
        Ok(json!({ "page": { "next_token": next, "count": results.list.len() }, "results": results.list }))
    }

    async fn subjects(
        &self,
        evaluator: &Evaluator<'_, impl Handle>,
        question: &Question<'_>,
        page: &Page,
        results: &mut Results,
    ) -> Result<(), Unavailable> {
        if !USERS.contains(&question.subject.kind) {
            return Ok(());
        }
        let after = UserId::parse(&page.after).unwrap_or_default();
        let ids = self.store.holders(&holders(question), after, LOOKED_AT).await?;
        let candidates = Candidates::read(ids.into_iter().map(|id| (id.to_string(), id)).collect());
        for (place, id) in &candidates.list {
            if results.is_full() {
                results.more = true;
                return Ok(());
            }
            if let Some(user) = self.store.user_snapshot(*id).await?.map(Arc::new)
                && evaluator.decide_of(question, Some(&user)).await? == Decision::Permit
                && let Some(id) = self.settings.subject.of(&user.user)
            {
                results.list.push(json!({ "type": question.subject.kind, "id": id }));
            }
            results.last.clone_from(place);
        }
        results.more = !candidates.are_all;
        Ok(())
    }

    async fn resources(
        &self,
        evaluator: &mut Evaluator<'_, impl Handle>,
        question: &Question<'_>,
        page: &Page,
        results: &mut Results,
    ) -> Result<(), Unavailable> {
        let user = match self.settings.subject.key(question.subject.id) {
            Some(key) if USERS.contains(&question.subject.kind) => evaluator.user(&key).await?,
            _ => None,
        };
        let kind = question.resource.kind;
        let candidates = match (kind, &user) {
            ("organization", Some(user)) => self.organizations(user, question.action.name, page).await?,
            ("permission", Some(_)) if question.action.name == HAVE => self.permissions(page).await?,
            ("route", _) => {
                let routes = evaluator.policy().routes().iter();
                let told = routes.map(|route| (route.pattern.to_string(), Value::Null));
                Candidates::of(told, &page.after)
            }
            ("role", Some(user)) if question.action.name == HAVE => self.roles(user, page).await?,
            _ => match self.settings.resource(kind).and_then(|own| own.ids) {
                Some(Ids::Organizations) => self.all_organizations(page).await?,
                Some(Ids::Users) => {
                    let after = UserId::parse(&page.after).unwrap_or_default();
                    let all = self.store.holders(&Holders::Anybody, after, LOOKED_AT).await?;
                    Candidates::read(all.into_iter().map(|id| (id.to_string(), Value::Null)).collect())
                }
                // Nothing is known of the others.
                None => return Ok(()),
            },
        };
        self.fill(Wanted::Resource, evaluator, question, candidates, results).await
    }

    async fn actions(
        &self,
        evaluator: &mut Evaluator<'_, impl Handle>,
        question: &Question<'_>,
        page: &Page,
        results: &mut Results,
    ) -> Result<(), Unavailable> {
        let named = |names: &[&str]| {
            Candidates::of(names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect::<Vec<_>>(), &page.after)
        };
        let candidates = match question.resource.kind {
            "route" => named(&METHODS),
            "permission" | "role" => named(&[HAVE]),
            "organization" => {
                let Candidates { list, are_all } = self.permissions(page).await?;
                let end = list.last().filter(|_| !are_all).map(|(place, _)| place.clone());
                let levels = LEVELS.iter().map(|(name, _)| ((*name).to_owned(), Value::Null));
                let levels = levels.filter(|(place, _)| end.as_ref().is_none_or(|end| place <= end));
                Candidates { are_all, ..Candidates::of(levels.chain(list), &page.after) }
            }
            kind => {
                let actions = self.settings.resource(kind).map(|resource| resource.actions.as_slice());
                let names: Vec<&str> = actions.unwrap_or_default().iter().map(|(name, _)| &**name).collect();
                named(&names)
            }
        };
        self.fill(Wanted::Action, evaluator, question, candidates, results).await
    }

    /// Asks about each candidate, for as long as there is room.
    async fn fill(
        &self,
        wanted: Wanted,
        evaluator: &mut Evaluator<'_, impl Handle>,
        question: &Question<'_>,
        candidates: Candidates<Value>,
        results: &mut Results,
    ) -> Result<(), Unavailable> {
        for (looked_at, (place, properties)) in candidates.list.into_iter().enumerate() {
            if results.is_full() || looked_at == LOOKED_AT as usize {
                results.more = true;
                return Ok(());
            }
            let (asked, mut told) = match wanted {
                Wanted::Action => {
                    let action = Action { name: &place, properties: None };
                    (Question { action, ..*question }, json!({ "name": place }))
                }
                _ => {
                    let resource = Entity { id: &place, ..question.resource };
                    (Question { resource, ..*question }, json!({ "type": resource.kind, "id": place }))
                }
            };
            if evaluator.decide(&asked).await? == Decision::Permit {
                if let (Some(told), false) = (told.as_object_mut(), properties.is_null()) {
                    told.insert("properties".to_owned(), properties);
                }
                results.list.push(told);
            }
            results.last = place;
        }
        results.more = !candidates.are_all;
        Ok(())
    }

    /// The organizations in which somebody may stand so: their own, or all where they hold it everywhere.
    async fn organizations(
        &self,
        user: &Snapshot,
        action: &str,
        page: &Page,
    ) -> Result<Candidates<Value>, Unavailable> {
        let is_everywhere = match level(action) {
            Some(_) => user.user.is_superuser,
            None => user.has_permission_everywhere(action),
        };
        if is_everywhere {
            return self.all_organizations(page).await;
        }
        let own = user.memberships().iter().map(|membership| &membership.organization);
        Ok(Candidates::of(own.map(|own| with_slug(own.id, own.slug.as_str())), &page.after))
    }

    async fn all_organizations(&self, page: &Page) -> Result<Candidates<Value>, Unavailable> {
        let after = OrgId::parse(&page.after).unwrap_or_default();
        let all = self.store.organizations_after(after, LOOKED_AT).await?;
        Ok(Candidates::read(all.iter().map(|(id, slug)| with_slug(*id, slug)).collect()))
    }

    /// The roles that somebody holds, by their ids.
    async fn roles(&self, user: &Snapshot, page: &Page) -> Result<Candidates<Value>, Unavailable> {
        let after = RoleId::parse(&page.after).unwrap_or_default();
        let held = self.store.roles_held(user.user.id, None, after, LOOKED_AT).await?;
        let told = |role: HeldRole| (role.id.to_string(), json!({ "name": role.name, "organization": role.slug }));
        Ok(Candidates::read(held.into_iter().map(told).collect()))
    }

    async fn permissions(&self, page: &Page) -> Result<Candidates<Value>, Unavailable> {
        let all = self.store.permissions_after(&page.after, LOOKED_AT).await?;
        Ok(Candidates::read(all.into_iter().map(|codename| (codename, Value::Null)).collect()))
    }
}

fn with_slug(id: OrgId, slug: &str) -> (String, Value) {
    (id.to_string(), json!({ "slug": slug }))
}

/// Who can be what a question asks for: nobody else has to be asked.
fn holders(question: &Question<'_>) -> Holders {
    let (action, resource) = (question.action.name, question.resource);
    match resource.kind {
        "organization" if level(action).is_some() => Holders::Members(resource.id.to_owned()),
        "organization" => Holders::Permission(action.to_owned()),
        "permission" => Holders::Permission(resource.id.to_owned()),
        "role" => Holders::Role(resource.id.to_owned()),
        _ => Holders::Anybody,
    }
}
