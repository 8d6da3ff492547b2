//! Lookups: what services, or their databases, say of objects.
//!
//! A question ([`LookupKey`]) is asked once, however many wait for its answer, and its answer is kept for as long as the policy says and
//! nothing told that the object has changed (`follow`). That there is no such object is never kept, and neither is a failure.

mod cache;
mod database;
mod follow;
mod http;
pub mod mysql;
mod postgres;
pub mod trigger;

pub use database::{Database, DatabaseError};
pub use http::Services;

use crate::decision::{FoundItems, LookupAnswer, LookupFailure};
use crate::fact_cache::flight::Flights;
use crate::facts::Object;
use crate::policy::{Lookup, LookupKey, Question};
use cache::Kept;
use futures_util::future::{join, join_all};
use futures_util::stream::{self, Stream, StreamExt};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::runtime::Handle;

/// Questions of one request that are asked at once, at most: as many as a database has connections, where nothing else is said.
const AT_ONCE: usize = 8;

/// Objects of one page that a service is asked about, at most: one by one.
const MOST_OF_A_SERVICE: usize = 500;

const BROKEN_OFF: LookupFailure = LookupFailure("the lookup was broken off");
const NO_DATABASE: LookupFailure = LookupFailure("no database of the lookup's name is configured");

/// What was asked and answered, since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Questions that were put to a database or a service.
    pub asked: AtomicU64,
    /// Those that got no usable answer.
    pub failed: AtomicU64,
}

/// All services that are asked and their databases, and what is kept of their answers. Asked by all workers.
#[derive(Debug)]
pub struct Lookups {
    databases: HashMap<Box<str>, Arc<Database>>,
    services: Arc<Services>,
    kept: Arc<Kept>,
    flights: Flights<LookupKey, LookupAnswer>,
    /// Of pages, by all that they ask about.
    pages: Flights<LookupKey, Result<Arc<FoundItems>, LookupFailure>>,
    /// Where questions are put: connections outlive the worker that needed them first.
    control: Handle,
    pub counts: Counts,
}

impl Lookups {
    /// Nothing is connected to before it is asked.
    #[must_use]
    pub fn new(databases: Vec<Database>, services: Services, control: Handle) -> Self {
        let databases = databases.into_iter().map(|database| (database.name.clone(), Arc::new(database))).collect();
        Self {
            databases,
            services: Arc::new(services),
            kept: Arc::new(Kept::default()),
            flights: Flights::default(),
            pages: Flights::default(),
            control,
            counts: Counts::default(),
        }
    }

    /// Follows what the databases' triggers tell.
    pub fn follow(&self) {
        for database in self.databases.values() {
            self.control.spawn(follow::follow(Arc::clone(database), Arc::clone(&self.kept)));
        }
    }

    /// The answer, where it is kept.
    #[must_use]
    pub fn remembered(&self, key: &LookupKey, now: Instant) -> Option<LookupAnswer> {
        key.lookup.cache?;
        self.kept.get(key, now).map(|object| Ok(Some(object)))
    }

    /// Asks.
    pub async fn find(&self, key: &LookupKey) -> LookupAnswer {
        self.flights.join(key.clone(), || self.load(key.clone())).await
    }

    /// Asks all of them: where several objects of one database's lookup are each named by one argument, by one question for those; some of
    /// the others at once.
    pub async fn find_all(&self, keys: Vec<LookupKey>) -> Vec<(LookupKey, LookupAnswer)> {
        let (mut alone, mut together): (Vec<LookupKey>, Vec<Vec<LookupKey>>) = Default::default();
        for key in keys {
            let is_like = |page: &&mut Vec<LookupKey>| page.first().is_some_and(|first| first.lookup == key.lookup);
            match (&key.lookup.question, &*key.args) {
                (Question::Sql(_), [_]) => match together.iter_mut().find(is_like) {
                    Some(page) => page.push(key),
                    None => together.push(vec![key]),
                },
                _ => alone.push(key),
            }
        }
        for page in together.extract_if(.., |page| page.len() == 1) {
            alone.extend(page);
        }
        let pages = join_all(together.into_iter().map(|page| self.find_together(page)));
        let (mut found, pages) = join(self.answers(alone).collect::<Vec<_>>(), pages).await;
        found.extend(pages.into_iter().flatten());
        found
    }

    /// Asks about objects of one lookup by one question.
    async fn find_together(&self, keys: Vec<LookupKey>) -> Vec<(LookupKey, LookupAnswer)> {
        let Some(lookup) = keys.first().map(|key| Arc::clone(&key.lookup)) else { return Vec::new() };
        let args = keys.iter().filter_map(|key| key.args.first().cloned()).collect();
        let found = self.find_page(&lookup, args).await;
        let answer = |key: &LookupKey| match (&found, key.args.first()) {
            (Ok(found), Some(arg)) => Ok(found.get(arg).cloned()),
            (Ok(_), None) => Ok(None),
            (Err(failure), _) => Err(*failure),
        };
        let answers: Vec<LookupAnswer> = keys.iter().map(answer).collect();
        keys.into_iter().zip(answers).collect()
    }

    fn answers(&self, keys: Vec<LookupKey>) -> impl Stream<Item = (LookupKey, LookupAnswer)> {
        let find = move |key: LookupKey| async move {
            let answer = self.find(&key).await;
            (key, answer)
        };
        stream::iter(keys).map(find).buffered(AT_ONCE)
    }

    /// Asks about many objects, each named by one argument: a database by one question for all that are not kept, a service for each of them.
    /// What is not there is left out.
    ///
    /// # Errors
    /// Nothing is known of any of them.
    pub async fn find_page(
        &self,
        lookup: &Arc<Lookup>,
        mut args: Vec<Box<str>>,
    ) -> Result<Arc<FoundItems>, LookupFailure> {
        args.sort_unstable();
        let page = LookupKey { lookup: Arc::clone(lookup), args: args.clone().into() };
        self.pages
            .join(page, || async {
                let found = match &lookup.question {
                    Question::Sql(_) => self.page_of_a_database(lookup, args).await,
                    Question::Http(_) => self.page_of_a_service(lookup, args).await,
                };
                found.map(Arc::new)
            })
            .await
    }

    async fn page_of_a_service(&self, lookup: &Arc<Lookup>, args: Vec<Box<str>>) -> Result<FoundItems, LookupFailure> {
        if args.len() > MOST_OF_A_SERVICE {
            return Err(LookupFailure("the items of the answer name more objects than a service is asked about"));
        }
        let key = |arg: Box<str>| LookupKey { lookup: Arc::clone(lookup), args: [arg].into() };
        let now = crate::clock::monotonic();
        let (mut found, mut asked) = (FoundItems::new(), Vec::new());
        for key in args.into_iter().map(key) {
            match self.remembered(&key, now) {
                Some(Ok(Some(object))) => put(&mut found, &key, object),
                _ => asked.push(key),
            }
        }
        // One that is not answered ends the page: the others are not asked.
        let mut answers = pin!(self.answers(asked));
        while let Some((key, answer)) = answers.next().await {
            if let Some(object) = answer? {
                put(&mut found, &key, object);
            }
        }
        Ok(found)
    }

    async fn page_of_a_database(&self, lookup: &Arc<Lookup>, args: Vec<Box<str>>) -> Result<FoundItems, LookupFailure> {
        let now = crate::clock::monotonic();
        let (mut found, mut asked) = (FoundItems::new(), Vec::new());
        for arg in args {
            let key = LookupKey { lookup: Arc::clone(lookup), args: [arg.clone()].into() };
            match self.remembered(&key, now) {
                Some(Ok(Some(object))) => {
                    found.insert(arg, object);
                }
                _ => asked.push((key, arg)),
            }
        }
        if asked.is_empty() {
            return Ok(found);
        }
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
        let versions: Vec<_> = asked.iter().map(|(key, _)| self.kept.version(key)).collect();
        let texts = asked.iter().map(|(_, arg)| arg.clone()).collect();
        let task = self.control.spawn(self.question_for_all(Arc::clone(lookup), texts));
        let objects = task.await.unwrap_or(Err(BROKEN_OFF)).inspect_err(|_| {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        })?;
        for (((key, arg), version), object) in asked.into_iter().zip(versions).zip(objects) {
            let Some(object) = object else { continue };
            if let Some(time) = lookup.cache {
                self.kept.put(&key, Arc::clone(&object), version, crate::clock::monotonic() + time);
            }
            found.insert(arg, object);
        }
        Ok(found)
    }

    /// Whether a lookup can be asked as it is written, and what it gives.
    ///
    /// # Errors
    /// In words.
    pub async fn check(&self, lookup: &Lookup) -> Result<Vec<String>, String> {
        match &lookup.question {
            Question::Sql(statement) => match self.database(&statement.database) {
                Some(database) => database.check(statement).await,
                None => Err("no database of its name is configured".to_owned()),
            },
            Question::Http(resource) => self.services.check(resource).await,
        }
    }

    /// The databases that are asked with an account that may do more than read.
    pub async fn writable(&self) -> Vec<&str> {
        let mut found = Vec::new();
        for database in self.databases.values() {
            if database.may_write().await {
                found.push(&*database.name);
            }
        }
        found.sort_unstable();
        found
    }

    /// Whether a database has the trigger that tells when the lookup's objects change.
    pub async fn has_trigger(&self, lookup: &Lookup) -> bool {
        for database in self.databases.values() {
            if database.has_trigger(&lookup.name).await {
                return true;
            }
        }
        false
    }

    async fn load(&self, key: LookupKey) -> LookupAnswer {
        self.counts.asked.fetch_add(1, Ordering::Relaxed);
        let version = self.kept.version(&key);
        let task = self.control.spawn(self.question(key.clone()));
        let answer = task.await.unwrap_or(Err(BROKEN_OFF));
        match (&answer, key.lookup.cache) {
            (Ok(Some(object)), Some(time)) => {
                self.kept.put(&key, Arc::clone(object), version, crate::clock::monotonic() + time);
            }
            (Err(_), _) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        answer
    }

    /// What asks, wherever it is driven from.
    fn question(&self, key: LookupKey) -> impl Future<Output = LookupAnswer> + Send + use<> {
        let database = match &key.lookup.question {
            Question::Sql(statement) => self.database(&statement.database).cloned(),
            Question::Http(_) => None,
        };
        let services = Arc::clone(&self.services);
        async move {
            let LookupKey { lookup, args } = &key;
            match (&lookup.question, database) {
                (Question::Sql(statement), Some(database)) => database.ask(lookup, statement, args).await,
                (Question::Sql(_), None) => Err(NO_DATABASE),
                (Question::Http(resource), _) => services.ask(lookup, resource, args).await,
            }
        }
    }

    /// What asks about many objects, each by one argument; the answers are in their order.
    fn question_for_all(
        &self,
        lookup: Arc<Lookup>,
        args: Vec<Box<str>>,
    ) -> impl Future<Output = Result<Vec<Option<Arc<Object>>>, LookupFailure>> + Send + use<> {
        let database = match &lookup.question {
            Question::Sql(statement) => self.database(&statement.database).cloned(),
            Question::Http(_) => None,
        };
        async move {
            match (&lookup.question, database) {
                (Question::Sql(statement), Some(database)) => database.ask_all(&lookup, statement, &args).await,
                (Question::Sql(_), None) => Err(NO_DATABASE),
                (Question::Http(_), _) => Err(NO_DATABASE),
            }
        }
    }

    /// The database of that name; a policy without a configuration names none, and there is only one.
    fn database(&self, name: &str) -> Option<&Arc<Database>> {
        let only = || self.databases.values().next().filter(|_| name.is_empty() && self.databases.len() == 1);
        self.databases.get(name).or_else(only)
    }
}

fn put(found: &mut FoundItems, key: &LookupKey, object: Arc<Object>) {
    if let [arg] = &*key.args {
        found.insert(arg.clone(), object);
    }
}
