//! What a policy reads of its lookups: which columns, and an object as one would find it.

use super::Lookup;
use crate::facts::{Column, Object, Organization};
use crate::policy::Policy;
use crate::policy::options::inject::InjectValue;
use crate::policy::options::org::{By, Source};
use crate::policy::options::when::Condition;
use crate::policy::route::{Route, Rule};
use std::collections::BTreeSet;

impl Route {
    /// What its rules read of lookups: the number of each, with the column, and in which form an organization is read of it.
    fn reads(&self) -> impl Iterator<Item = (usize, Option<&str>, Option<By>)> {
        let args = self.lookups.iter().flat_map(|call| &call.args).map(|source| (source, false));
        let origins = self.rules().iter().flat_map(|rule| rule.origin.iter()).flat_map(|item| &item.sources);
        let sources = args.chain(origins.map(|source| (source, true))).filter_map(|(source, names)| match source {
            Source::Lookup(at, column, by) => Some((*at, column.as_deref(), names.then_some(*by))),
            _ => None,
        });
        let injected =
            self.rules().iter().flat_map(|rule| rule.inject.iter()).filter_map(|inject| match &inject.value {
                InjectValue::Lookup(at, column) => Some((*at, Some(&**column), None)),
                _ => None,
            });
        let options = self.rules().iter().filter_map(|rule| rule.options.as_ref());
        let conditions = options.filter_map(|options| options.when.as_ref()).flat_map(Condition::columns);
        sources.chain(injected).chain(conditions.map(|(at, column)| (at, Some(column), None)))
    }
}

impl Policy {
    fn reads_of<'p>(&'p self, lookup: &'p Lookup) -> impl Iterator<Item = (Option<&'p str>, Option<By>)> {
        let reads = self.routes().iter().flat_map(|route| route.reads().map(move |read| (route, read)));
        let reads = reads.filter_map(move |(route, (at, column, by))| {
            route.lookups.get(at).is_some_and(|call| *call.lookup == *lookup).then_some((column, by))
        });
        let fields = self.routes().iter().flat_map(Route::rules).flat_map(Rule::fields);
        let fields = fields.filter(move |field| *field.lookup == *lookup);
        let items = self.routes().iter().flat_map(Route::rules).filter_map(|rule| rule.list()?.lookup.as_deref());
        let items = items.filter(move |items| *items.lookup == *lookup);
        let values = fields.map(|field| (&field.column, field.by)).chain(items.map(|items| (&items.column, items.by)));
        reads.chain(values.map(|(column, by)| (column.as_deref(), Some(by))))
    }

    /// The columns of a lookup that something reads by name.
    #[must_use]
    pub fn columns_of(&self, lookup: &Lookup) -> BTreeSet<&str> {
        let known = self.lookups().iter().find(|known| ***known == *lookup);
        known.map(|known| self.reads_of(known).filter_map(|(column, _)| column).collect()).unwrap_or_default()
    }

    /// An object as a lookup would find it that belongs to this organization, or to none: for tools. Of other columns it has `columns`,
    /// and null for those that something reads besides.
    #[must_use]
    pub fn sample_object(
        &self,
        lookup: &Lookup,
        organization: Option<&Organization>,
        columns: &[(Box<str>, Column)],
    ) -> Object {
        let known = self.lookups().iter().find(|known| ***known == *lookup);
        let named = known.and_then(|known| self.reads_of(known).find_map(|(column, by)| Some((column, by?))));
        let (column, by) = named.unwrap_or((None, By::Id));
        let text = organization.map_or(Column::Null, |organization| {
            let text = match by {
                By::Id => organization.id.to_string(),
                By::Slug => organization.slug.as_str().to_owned(),
                By::External => organization.external_id.as_ref().map_or_else(String::new, |id| id.as_str().to_owned()),
            };
            Column::Text(text.into())
        });
        let mut object = vec![(column.unwrap_or("organization").into(), text)];
        object.extend(columns.iter().cloned());
        for column in self.columns_of(lookup) {
            if !object.iter().any(|(known, _)| **known == *column) {
                object.push((column.into(), Column::Null));
            }
        }
        Object::new(object)
    }
}
