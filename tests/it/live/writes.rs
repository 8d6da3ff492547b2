//! What postern changes is in Django's tables, as Django would have written it.

use super::{Live, token_of};

#[test]
fn the_command_line_changes_django_s_records() {
    let live = Live::new();
    live.cli(&["user", "create", "zed", "--email", "zed@example.org", "--external-id", "old-7"]);
    let row = |column: &str| {
        live.text(&format!("SELECT {column}::text FROM public.openwisp_users_user WHERE username = 'zed'"))
    };
    assert_eq!(
        (row("email"), row("is_active"), row("left(password, 1)")),
        ("zed@example.org".to_owned(), "true".to_owned(), "!".to_owned())
    );
    live.cli(&["user", "edit", "zed", "--first-name", "Zed", "--expiration-date", "2031-02-03", "--staff"]);
    assert_eq!(
        (row("first_name"), row("expiration_date"), row("is_staff")),
        ("Zed".to_owned(), "2031-02-03".to_owned(), "true".to_owned())
    );
    let shown = live.cli(&["user", "show", "zed", "--json"]);
    assert!(shown.contains("old-7") && shown.contains("2031-02-03"), "{shown}");
    for taken in [&["user", "create", "zed"][..], &["user", "create", "other", "--email", "ZED@example.org"]] {
        assert!(live.refused(taken).contains("already exists"), "{taken:?}");
    }

    live.cli(&["org", "create", "Zorg"]);
    live.cli(&["member", "add", "--org", "zorg", "--user", "zed", "--manager"]);
    let owner = "SELECT u.username FROM public.openwisp_users_organizationowner w
                 JOIN public.openwisp_users_organizationuser m ON m.id = w.organization_user_id
                 JOIN public.openwisp_users_organization o ON o.id = m.organization_id
                 JOIN public.openwisp_users_user u ON u.id = m.user_id WHERE o.slug = 'zorg'";
    assert_eq!(live.text(owner), "zed");
    assert!(live.refused(&["member", "remove", "--org", "zorg", "--user", "zed"]).contains("owns `zorg`"));
    live.cli(&["member", "add", "--org", "zorg", "--user", "alpha_manager"]);
    live.cli(&["org", "owner", "zorg", "--user", "alpha_manager"]);
    assert_eq!(live.text(owner), "alpha_manager");
    live.cli(&["member", "remove", "--org", "zorg", "--user", "zed"]);

    live.cli(&["group", "create", "Readers"]);
    live.cli(&["group", "grant", "Readers", "openwisp_users.view_user"]);
    live.cli(&["group", "add", "Readers", "zed"]);
    let count = |table: &str| {
        live.text(&format!("SELECT count(*)::text FROM public.{table} x JOIN public.openwisp_users_user u ON u.id = x.user_id WHERE u.username = 'zed'"))
    };
    assert_eq!(count("openwisp_users_user_groups"), "1");
    assert!(live.refused(&["permission", "create", "app.fly_kite"]).contains("Django's migrations"));

    let token = live.cli(&["token", "create", "--user", "zed"]);
    let token = token.split_whitespace().find(|word| word.starts_with("pst_")).unwrap().to_owned();
    live.soon(&token, "/me/x", 200);
    assert_eq!(count("authtoken_token"), "0", "Django has one token a user, and no scopes: it is postern's own");
    live.cli(&["user", "delete", "zed"]);
    live.soon(&token, "/me/x", 401);
    assert_eq!(live.text("SELECT count(*)::text FROM postern.user_more"), "0");
}

#[test]
fn what_only_django_can_delete_is_left_to_it() {
    let live = Live::new();
    live.sql(
        "CREATE TABLE public.other_module (id int, user_id uuid NOT NULL REFERENCES public.openwisp_users_user DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO public.other_module SELECT 1, id FROM public.openwisp_users_user WHERE username = 'alpha_member'",
    );
    let refused = live.refused(&["user", "delete", "alpha_member"]);
    assert!(refused.contains("other modules refer to this user"), "{refused}");
    assert_eq!(live.text("SELECT count(*)::text FROM public.openwisp_users_user WHERE username = 'alpha_member'"), "1");
}

#[test]
fn a_token_of_django_s_that_is_revoked_is_gone_there() {
    let live = Live::new();
    let token = token_of(&live, "alpha_manager");
    live.soon(&token, "/me/x", 200);
    let listed = live.cli(&["token", "list", "--user", "alpha_manager", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    live.cli(&["token", "revoke", &id]);
    live.soon(&token, "/me/x", 401);
    assert_eq!(live.text(&format!("SELECT count(*)::text FROM public.authtoken_token WHERE key = '{token}'")), "0");
    assert!(live.cli(&["token", "list", "--user", "alpha_manager"]).contains("revoked"));
}
