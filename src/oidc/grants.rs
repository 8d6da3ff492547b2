//! What a claim makes of somebody here: of what `grants` name, exactly what the claim says, and nothing of it where it says so no more.

use super::settings::Grant;
use crate::directory::Ties;
use std::collections::BTreeMap;

/// What somebody is with these values of the claim.
#[must_use]
pub fn ties(grants: &[Grant], values: &[impl AsRef<str>]) -> Ties {
    let mut organizations: BTreeMap<&str, Option<bool>> = BTreeMap::new();
    let mut groups: BTreeMap<&str, bool> = BTreeMap::new();
    let mut staff = None;
    for grant in grants {
        let has = values.iter().any(|value| value.as_ref() == &*grant.value);
        if let Some((slug, is_manager)) = &grant.organization {
            let level = organizations.entry(slug).or_default();
            *level = (*level).max(has.then_some(*is_manager));
        }
        if let Some(group) = &grant.group {
            *groups.entry(group).or_default() |= has;
        }
        if grant.staff {
            staff = Some(staff.unwrap_or_default() || has);
        }
    }
    let organizations = organizations.into_iter().map(|(slug, level)| (slug.to_owned(), level)).collect();
    let groups = groups.into_iter().map(|(name, is_in)| (name.to_owned(), is_in)).collect();
    Ties { organizations, groups, staff }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Grant;
    use super::ties;

    fn grant(value: &str, organization: Option<(&str, bool)>, group: Option<&str>, staff: bool) -> Grant {
        let organization = organization.map(|(slug, is_manager)| (slug.into(), is_manager));
        Grant { value: value.into(), organization, group: group.map(Into::into), staff }
    }

    #[test]
    fn what_is_named_follows_the_claim_and_the_highest_level_counts() {
        let grants = [
            grant("a", Some(("acme", true)), None, false),
            grant("b", Some(("acme", false)), Some("Editors"), false),
            grant("c", Some(("bolt", false)), Some("Editors"), true),
        ];
        let all = ties(&grants, &["b", "a", "unknown"]);
        assert_eq!(all.organizations, [("acme".to_owned(), Some(true)), ("bolt".to_owned(), None)]);
        assert_eq!((all.groups, all.staff), (vec![("Editors".to_owned(), true)], Some(false)));
        let none = ties(&grants, &[] as &[&str]);
        assert_eq!(none.organizations, [("acme".to_owned(), None), ("bolt".to_owned(), None)]);
        assert_eq!((none.groups, none.staff), (vec![("Editors".to_owned(), false)], Some(false)));
        assert_eq!(ties(&grants[..2], &["a"]).staff, None, "nobody said anything of staff");
    }
}
