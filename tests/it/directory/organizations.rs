//! Organizations: slugs that are never reused, and who may change what.

use super::{Backend, as_manager, join, organization, organization_with_slug, stories, user};
use postern::directory::name::{ExternalId, OrgName, PermissionName, Slug};
use postern::directory::{
    Blank, DirectoryError, Grants, List, NewOrganization, Noun, OrgRef, OrganizationEdit, Unique,
};
use postern::id::OrgId;

stories!(
    a_slug_is_made_of_the_name_and_numbered_when_taken,
    a_slug_is_unique,
    a_slug_is_never_reused_after_deletion_or_renaming,
    an_organization_may_take_back_its_own_slug,
    only_a_superuser_changes_a_slug,
    external_ids_are_unique,
    an_organization_goes_by_id_or_slug,
    an_edit_changes_what_it_names,
    a_deleted_organization_takes_memberships_along_even_its_owner_s,
    raw_sql_cannot_reuse_a_slug_either,
);

fn new_slug(slug: &str) -> OrganizationEdit {
    OrganizationEdit { slug: Some(Blank(Some(Slug::new(slug).unwrap()))), ..Default::default() }
}

async fn a_slug_is_made_of_the_name_and_numbered_when_taken(on: &dyn Backend) {
    let store = on.store();
    for slug in ["acme-inc", "acme-inc-2", "acme-inc-3", "acme-inc-4", "acme-inc-5"] {
        assert_eq!(organization(&store, "Acm\u{e9}, Inc.").await.slug, slug);
    }
    assert_eq!(organization(&store, "\u{65e5}\u{672c}").await.slug, "organization");
    store.delete_organization(&"acme-inc-5".into()).await.unwrap();
    assert_eq!(organization(&store, "Acme Inc").await.slug, "acme-inc-6", "five was used");
}

async fn a_slug_is_unique(on: &dyn Backend) {
    let store = on.store();
    organization_with_slug(&store, "acme").await.unwrap();
    let again = organization_with_slug(&store, "acme").await.unwrap_err();
    assert_eq!(again, DirectoryError::Taken { unique: Unique::Slug, value: "acme".into() });
}

async fn a_slug_is_never_reused_after_deletion_or_renaming(on: &dyn Backend) {
    let store = on.store();
    organization_with_slug(&store, "acme").await.unwrap();
    organization_with_slug(&store, "bolt").await.unwrap();
    store.delete_organization(&"acme".into()).await.unwrap();
    store.edit_organization(&"bolt".into(), new_slug("bolts")).await.unwrap();
    for slug in ["acme", "bolt"] {
        let error = organization_with_slug(&store, slug).await.unwrap_err();
        assert_eq!(error, DirectoryError::SlugOnceUsed { slug: slug.into() });
        let other = organization(&store, "Other").await;
        let error = store.edit_organization(&other.id.into(), new_slug(slug)).await.unwrap_err();
        assert_eq!(error, DirectoryError::SlugOnceUsed { slug: slug.into() });
    }
}

async fn an_organization_may_take_back_its_own_slug(on: &dyn Backend) {
    let store = on.store();
    let acme = organization_with_slug(&store, "acme").await.unwrap();
    store.edit_organization(&acme.id.into(), new_slug("acme-inc")).await.unwrap();
    let back = store.edit_organization(&acme.id.into(), new_slug("acme")).await.unwrap();
    assert_eq!(back.slug, "acme");
}

async fn only_a_superuser_changes_a_slug(on: &dyn Backend) {
    let store = on.store();
    organization_with_slug(&store, "acme").await.unwrap();
    user(&store, "ann").await;
    join(&store, "acme", "ann", true).await;
    let may = PermissionName::new("openwisp_users.change_organization").unwrap();
    store.edit_user_permissions(&"ann".into(), Grants { grant: vec![may], revoke: Vec::new() }).await.unwrap();
    let somebody = as_manager(&store, "ann").await;
    let refused = somebody.edit_organization(&"acme".into(), new_slug("other")).await;
    assert_eq!(refused, Err(DirectoryError::SlugImmutable));
    let same = somebody.edit_organization(&"acme".into(), new_slug("acme")).await.unwrap();
    assert_eq!(same.slug, "acme", "the same slug is no change");
}

async fn external_ids_are_unique(on: &dyn Backend) {
    let store = on.store();
    let with = |name: &str| NewOrganization {
        external_id: Some(ExternalId::new("legacy-7").unwrap()),
        ..NewOrganization::named(name).unwrap()
    };
    let first = store.create_organizations(vec![with("First")]).await.unwrap().remove(0);
    let error = store.create_organizations(vec![with("Second")]).await.unwrap_err().error;
    assert!(matches!(error, DirectoryError::Taken { unique: Unique::OrganizationExternalId, .. }));
    let found = store.directory().organization(&OrgRef::External("legacy-7".into())).await.unwrap().unwrap();
    assert_eq!(found.id, first.id);
}

async fn an_organization_goes_by_id_or_slug(on: &dyn Backend) {
    let store = on.store();
    let acme = organization(&store, "Acme").await;
    for name in ["acme", &acme.id.to_string()] {
        assert_eq!(store.organization_record(&name.into()).await.as_ref(), Ok(&acme));
    }
    for nothing in ["ACME", "Acme", "nothing", &OrgId::generate().to_string()] {
        let error = store.organization_record(&nothing.into()).await.unwrap_err();
        assert_eq!(error, DirectoryError::NotFound { noun: Noun::Organization, reference: nothing.into() });
    }
    // A slug may look like an id; then it does not name either of the two.
    organization_with_slug(&store, &acme.id.to_string()).await.unwrap();
    let error = store.delete_organization(&acme.id.to_string().into()).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Ambiguous { .. }));
    assert_eq!(store.organization_record(&acme.id.into()).await, Ok(acme));
}

async fn an_edit_changes_what_it_names(on: &dyn Backend) {
    let store = on.store();
    let acme = organization(&store, "Acme").await;
    let edit = OrganizationEdit {
        name: Some(OrgName::new("Acme Inc").unwrap()),
        external_id: Some(Some(ExternalId::new("7").unwrap())),
        is_active: Some(false),
        ..Default::default()
    };
    let edited = store.edit_organization(&"acme".into(), edit).await.unwrap();
    assert_eq!((edited.name.as_str(), edited.slug.as_str(), edited.is_active), ("Acme Inc", "acme", false));
    assert_eq!(edited.external_id.as_deref(), Some("7"));
    assert_eq!(store.organization_record(&acme.id.into()).await, Ok(edited));
}

async fn a_deleted_organization_takes_memberships_along_even_its_owner_s(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    user(&store, "ann").await;
    join(&store, "acme", "ann", true).await;
    store.delete_organization(&"acme".into()).await.unwrap();
    assert!(store.memberships(&List::default()).await.unwrap().rows.is_empty());
    store.delete_user(&"ann".into()).await.unwrap();
}

async fn raw_sql_cannot_reuse_a_slug_either(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    organization(&store, "Bolt").await;
    assert_eq!(on.sql("DELETE FROM organizations WHERE slug = 'acme'"), Ok(1));
    let id = OrgId::generate();
    assert!(on.sql(&format!("INSERT INTO organizations (id, name, slug) VALUES ('{id}', 'A', 'acme')")).is_err());
    // The embedded store's way to write over what is in the way; a syntax error elsewhere.
    let replaced =
        on.sql(&format!("INSERT OR REPLACE INTO organizations (id, name, slug) VALUES ('{id}', 'A', 'acme')"));
    assert!(replaced.is_err());
    assert!(on.sql("UPDATE organizations SET slug = 'acme' WHERE slug = 'bolt'").is_err());
    assert_eq!(on.sql("UPDATE organizations SET slug = 'bolt-2' WHERE slug = 'bolt'"), Ok(1));
    assert!(matches!(organization_with_slug(&store, "bolt").await, Err(DirectoryError::SlugOnceUsed { .. })));
}
