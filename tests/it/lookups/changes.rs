//! What is kept of answers, and for how long.

use super::{Legacy, MISSING, OF_A, OF_B};
use crate::support::{ORG_A, ORG_B, Who, eventually, eventually_within, get};
use std::time::Duration;

#[test]
fn an_answer_is_kept_and_a_trigger_drops_it() {
    let legacy = Legacy::new();
    let kept = format!("/kept/{OF_A}/");
    let asked = || legacy.gate.postern.metric("postern_lookups_total");
    // What was asked before the gate listens to the database's changes is asked once more.
    eventually("an answer is kept", || {
        let once = asked();
        assert_eq!(legacy.status(Who::uA, &kept), 200);
        (asked() - once < 0.5).then_some(())
    });
    // Without a trigger nobody knows of a change before its time has passed.
    legacy.sql(&format!("UPDATE device SET name = 'moved' WHERE id = '{OF_A}'"));
    assert_eq!(legacy.gate.forwarded(get(Who::uA, &kept)).header("x-name"), Some("K%C3%BCche"));

    // A policy that says that the trigger is installed is believed by `check`, and looked after by `doctor`.
    let policy = legacy.gate.postern.home().join("routes.yaml");
    let said = std::fs::read_to_string(&policy).unwrap().replace("cache: 1h", "cache: 1h\n    trigger: installed");
    std::fs::write(&policy, said).unwrap();
    assert!(legacy.gate.postern.try_cli(&["doctor"]).is_err());
    let trigger = legacy.gate.postern.cli(&["lookup", "trigger", "kept", "--table", "device", "--key", "id"]);
    legacy.sql(&trigger);
    // Printed twice, installed twice: the second time changes nothing.
    legacy.sql(&trigger);
    legacy.gate.postern.cli(&["doctor"]);
    legacy.sql(&format!("UPDATE device SET organization_id = '{ORG_B}' WHERE id = '{OF_A}'"));
    eventually_within(Duration::from_secs(5), "the change is known", || {
        (legacy.status(Who::uA, &kept) == 404).then_some(())
    });
    assert_eq!(legacy.status(Who::uB, &kept), 200);
    let once = asked();
    // A change of another object leaves this one's answer, or shares its place by chance.
    legacy.sql(&format!("UPDATE device SET name = 'other' WHERE id = '{OF_B}'"));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(legacy.status(Who::uB, &kept), 200);
    assert_eq!(asked(), once);
    legacy.sql(&format!("DELETE FROM device WHERE id = '{OF_A}'"));
    eventually("the end is known", || (legacy.status(Who::uB, &kept) == 404).then_some(()));
    legacy.sql("TRUNCATE device");
    eventually("the end of all is known", || (legacy.status(Who::uB, &format!("/kept/{OF_B}/")) == 404).then_some(()));
}

#[test]
fn that_there_is_no_object_is_never_kept() {
    let legacy = Legacy::new();
    let target = format!("/kept/{MISSING}/");
    assert_eq!(legacy.status(Who::uA, &target), 404);
    legacy.sql(&format!("INSERT INTO device VALUES ('{MISSING}', '{ORG_A}', 'new', 1)"));
    assert_eq!(legacy.status(Who::uA, &target), 200);
}

/// Attack 79: two hundred at the same time are one question.
#[test]
fn many_who_wait_for_one_object_make_one_question() {
    let legacy = Legacy::with(
        "version: 1\nlookups:\n  slow:\n    sql: SELECT organization_id FROM device, pg_sleep(0.3) WHERE id = $1\n    args: [path.id]\n\
         routes:\n  /slow/{id}/: { org: lookup.slow, level: member }\n",
    );
    let target = format!("/slow/{OF_A}/");
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..200).map(|_| scope.spawn(|| legacy.status(Who::uA, &target))).collect();
        assert!(asked.into_iter().all(|asked| asked.join().unwrap() == 200));
    });
    let questions = legacy.gate.postern.metric("postern_lookups_total");
    // Whoever came after the answer asks anew: nothing is kept here.
    assert!(questions <= 10.0, "{questions}");
}
