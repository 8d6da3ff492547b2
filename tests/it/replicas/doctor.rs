//! What `postern doctor` says of a deployment that is not well: nothing that is not so.

use super::Site;
use std::process::Command;

#[test]
fn the_doctor_accuses_nobody_falsely() {
    let site = Site::new(2, &[("cache.max_staleness", "1s")]);
    let standby = site.server.standby();
    site.sql(
        "CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA public TO clerk;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk;
         REVOKE INSERT, UPDATE, DELETE ON schema_migrations, settings, changes, changes_kept, totals FROM clerk",
    );
    let urls: Vec<_> = site.replicas.iter().map(|replica| format!("http://{}/me/x", replica.postern.data)).collect();
    let examine = |database: &str, urls: &[String]| -> serde_json::Value {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).args([
            "--database",
            &database.replace("postgres@", "clerk@"),
            "doctor",
            "--json",
        ]);
        let output = command.args(urls.iter().flat_map(|url| ["--url", url])).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let detail = |said: &serde_json::Value, check: &str| {
        let found = said.as_array().unwrap().iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("{check}: {said}"));
        format!("{}: {}", found["state"].as_str().unwrap(), found["detail"].as_str().unwrap())
    };
    // One replica has lost everything, and knows nothing by now.
    for wire in [&site.replicas[1].database, &site.replicas[1].redis] {
        wire.deaf(true);
    }
    std::thread::sleep(std::time::Duration::from_secs(2));
    let said = examine(&site.server.url("postern"), &urls);
    assert!(detail(&said, "rights").starts_with("ok"), "{said}");
    let used = detail(&said, "connections").split(' ').nth(1).unwrap().parse::<u32>().unwrap();
    assert!(used >= 3, "those of the replicas, whose role is another: {said}");
    assert!(detail(&said, "outbox").contains("of this role"), "{said}");
    assert!(detail(&said, &urls[0]).contains("a revocation held after"), "{said}");
    let cut_off = detail(&said, &urls[1]);
    assert!(cut_off.contains("does not know a token") && cut_off.contains("503"), "{cut_off}");
    let said = examine(&standby.url("postern"), &[]);
    assert!(detail(&said, "schema").contains("it takes no writes; give the address of the primary"), "{said}");
}
