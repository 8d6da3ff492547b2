//! The commands on permissions, groups and roles, as a shell or a script uses them.

use super::cli::{Shell, shells};
use postern::cli::output::Exit;
use serde_json::{Value, json};

shells!(
    what_is_not_understood_exits_2,
    rights_are_set_up_by_a_script_and_told_with_their_origin,
    every_verb_speaks_json,
    a_refusal_says_what_to_do,
    batches_are_kept_whole_or_not_at_all,
    who_may_do_everything_or_nothing_is_told_so,
);

/// Acme with the members ann and bob; the permissions `config.add_device` and `config.view_device`.
async fn tenant(sh: Shell) -> Shell {
    sh.run("org create Acme").await.ok();
    for user in ["ann", "bob", "out"] {
        sh.run(&format!("user create {user}")).await.ok();
    }
    for user in ["ann", "bob"] {
        sh.run(&format!("member add --org acme --user {user}")).await.ok();
    }
    for permission in ["config.add_device", "config.view_device"] {
        sh.run(&format!("permission create {permission}")).await.ok();
    }
    sh
}

async fn rights_are_set_up_by_a_script_and_told_with_their_origin(sh: Shell) {
    let sh = tenant(sh).await;
    sh.run("group create writers --permissions config.add_device,config.view_device --users bob").await.ok();
    sh.run("group add writers ann").await.ok();
    sh.run("group remove writers --user bob").await.ok();
    sh.run("role create editor --org acme --permission config.add_device").await.ok();
    sh.run("role add editor --org acme --user ann,bob").await.ok();
    sh.run("role create support --super").await.ok();
    sh.run("role grant support --super config.view_device").await.ok();
    sh.run("role add support bob").await.ok();
    sh.run("user grant ann config.view_device").await.ok();
    assert_eq!(
        sh.run("user permissions ann").await.ok(),
        "config.add_device\t\tgroup\twriters\n\
         config.add_device\tacme\trole\teditor\n\
         config.view_device\t\tgroup\twriters\n\
         config.view_device\t\tuser"
    );
    let bob = sh.run("user permissions bob --json").await.json();
    assert_eq!(
        bob,
        json!([
            { "permission": "config.add_device", "org": "acme", "through": "role", "name": "editor" },
            { "permission": "config.view_device", "org": null, "through": "super-role", "name": "support" },
        ])
    );
    assert_eq!(sh.run("group users writers").await.ok().split('\t').nth(1), Some("ann"));
    assert_eq!(sh.run("role users editor").await.ok().lines().count(), 2);
    assert_eq!(
        sh.run("role list --user bob").await.ok(),
        "\tsupport\ttrue\t1\tconfig.view_device\nacme\teditor\tfalse\t2\tconfig.add_device"
    );
    sh.run("user revoke ann config.view_device").await.ok();
    sh.run("role revoke editor config.add_device --org acme").await.ok();
    sh.run("group edit writers --permissions config.view_device --name readers").await.ok();
    assert_eq!(sh.run("user permissions ann").await.ok(), "config.view_device\t\tgroup\treaders");
    sh.run("group delete readers").await.ok();
    assert_eq!(sh.run("user permissions ann").await.ok(), "");
}

async fn every_verb_speaks_json(sh: Shell) {
    let sh = tenant(sh).await;
    let line = |line: &'static str| {
        let sh = &sh;
        async move { sh.run(&format!("{line} --json")).await.json() }
    };
    let made = line("permission create config.change_device --name Change").await;
    assert_eq!((&made["permission"], &made["name"]), (&json!("config.change_device"), &json!("Change")));
    assert_eq!(line("permission show config.change_device").await, made);
    assert_eq!(line("permission edit config.change_device --permission config.edit_device").await["id"], made["id"]);
    assert_eq!(line("permission delete config.edit_device").await["permission"], "config.edit_device");
    assert_eq!(line("permission list --limit 3").await.as_array().unwrap().len(), 3);

    let group = line("group create writers").await;
    assert_eq!(group, json!({ "id": group["id"], "name": "writers", "permissions": [], "users": 0 }));
    assert_eq!(line("group grant writers config.add_device").await["permissions"], json!(["config.add_device"]));
    assert_eq!(line("group add writers ann bob").await["users"], 2);
    assert_eq!(line("group users writers").await[1]["username"], "bob");
    assert_eq!(line("group list --user ann").await[0], line("group show writers").await);
    assert_eq!(line("group remove writers ann").await["users"], 1);
    assert_eq!(line("group revoke writers config.add_device").await["permissions"], json!([]));
    assert_eq!(line("group edit writers --name readers").await["name"], "readers");
    assert_eq!(line("group delete readers").await["id"], group["id"]);

    let role = line("role create editor --org acme --users ann").await;
    let keys: Vec<_> = role.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "name", "org", "org_id", "permissions", "super", "users"]);
    assert_eq!((&role["org"], &role["super"], &role["users"]), (&json!("acme"), &json!(false), &json!(1)));
    let support = line("role create support --super").await;
    assert_eq!((&support["org"], &support["super"]), (&Value::Null, &json!(true)));
    assert_eq!(line("role list --super").await, json!([support]));
    assert_eq!(line("role list --org acme").await, json!([role]));
    assert_eq!(line("role show editor").await, role);
    assert_eq!(line("role grant editor config.add_device").await["permissions"], json!(["config.add_device"]));
    assert_eq!(line("role edit editor --permissions=").await["permissions"], json!([]));
    assert_eq!(line("role remove editor ann").await["users"], 0);
    assert_eq!(line("role users editor").await, json!([]));
    assert_eq!(line("role delete editor --org acme").await["id"], role["id"]);
    assert_eq!(line("user grant ann config.add_device").await[0]["through"], "user");
    assert_eq!(line("user revoke ann config.add_device").await, json!([]));
}

async fn a_refusal_says_what_to_do(sh: Shell) {
    let sh = tenant(sh).await;
    sh.run("role create editor --org acme").await.ok();
    sh.run("role create editor --super").await.ok();
    for (line, error, hint) in [
        ("user grant ann config.add_devcie", "no permission `config.add_devcie`", "postern permission create"),
        ("user grant ann add_device", "permission is not valid", ""),
        ("permission create config.add_device", "this permission already exists", "choose another"),
        ("group show nobody", "no group `nobody`", "group list"),
        ("group create Operator", "a group with this name already exists", "choose another"),
        ("group add Operator nobody", "no user `nobody`", "by id, username"),
        ("role add editor out --org acme", "`out` is not a member of `acme`", "postern member add --org acme"),
        ("role show editor", "more than one role", "--org ORG or --super"),
        ("role show nothing --org acme", "no role `nothing`", "role list"),
        ("role create editor --org acme", "a role with this name in this organization", "choose another"),
        ("role create editor --super", "a super role with this name", "choose another"),
    ] {
        let said = sh.run(line).await;
        // A value that is none needs no hint, and is wrong usage.
        let exit = match hint {
            "" => Exit::Usage,
            "choose another" => Exit::Exists,
            _ => Exit::No,
        };
        assert_eq!((said.exit, said.out.as_str()), (exit, ""), "{line}: {said:?}");
        let told = &said.err;
        assert!(told.starts_with("error: ") && told.contains(error), "{line}: {told}");
        assert_eq!(told.contains("\nhint: "), !hint.is_empty(), "{line}: {told}");
        assert!(told.contains(hint), "{line}: {told}");
    }
}

async fn what_is_not_understood_exits_2(sh: Shell) {
    for line in [
        "permission create",
        "permission edit a.b",
        "group create",
        "group edit Operator",
        "group grant Operator",
        "group add Operator",
        "role create editor",
        "role create editor --org acme --super",
        "role show editor --org acme --super",
        "role create --batch x --super",
        "user grant ann",
    ] {
        assert_eq!(sh.run(line).await.exit, Exit::Usage, "{line}");
    }
}

async fn batches_are_kept_whole_or_not_at_all(sh: Shell) {
    let sh = tenant(sh).await;
    let permissions = sh.file("permissions", "{\"permission\":\"a.b\"}\n{\"permission\":\"a.c\",\"name\":\"C\"}\n");
    sh.run(&format!("permission create --batch {permissions}")).await.ok();
    let groups = sh.file("groups", "{\"name\":\"readers\",\"permissions\":[\"a.b\"],\"users\":[\"ann\",\"bob\"]}\n");
    sh.run(&format!("group create --batch {groups}")).await.ok();
    let roles = sh.file(
        "roles",
        "{\"name\":\"editor\",\"org\":\"acme\",\"permissions\":[\"a.c\"],\"users\":[\"ann\"]}\n\
         {\"name\":\"support\",\"super\":true}\n",
    );
    sh.run(&format!("role create --batch {roles}")).await.ok();
    assert_eq!(sh.run("user permissions ann").await.ok(), "a.b\t\tgroup\treaders\na.c\tacme\trole\teditor");
    for (noun, text, line, why) in [
        ("permission", "{\"permission\":\"a.d\"}\n{\"permission\":\"a b\"}\n", 2, "permission is not valid"),
        ("group", "{\"name\":\"x\"}\n{\"name\":\"y\",\"users\":[\"nobody\"]}\n", 2, "no user `nobody`"),
        ("group", "{\"name\":\"x\",\"user\":[]}\n", 1, "unknown field `user`"),
        ("role", "{\"name\":\"x\"}\n", 1, "org is not valid: it is missing"),
        ("role", "{\"name\":\"x\",\"org\":\"acme\",\"super\":true}\n", 1, "a super role has no organization"),
        ("role", "{\"name\":\"x\",\"org\":\"acme\",\"users\":[\"out\"]}\n", 1, "is not a member"),
    ] {
        let bad = sh.file("bad.jsonl", text);
        let said = sh.run(&format!("{noun} create --batch {bad}")).await;
        let told = said.refused();
        assert!(told.contains(&format!("bad.jsonl:{line}:")) && told.contains(why), "{text}: {told}");
    }
    assert_eq!(sh.run("group list").await.ok().lines().count(), 3, "nothing of the bad ones was kept");
}

async fn who_may_do_everything_or_nothing_is_told_so(sh: Shell) {
    let sh = tenant(sh).await;
    sh.run("user grant ann config.add_device").await.ok();
    sh.run("user edit ann --active=false").await.ok();
    sh.run("user edit bob --superuser").await.ok();
    assert!(sh.run("user permissions ann").await.err.contains("inactive and may do nothing"));
    assert!(sh.run("user permissions bob").await.err.contains("superuser and may do everything"));
}
