//! `postern shadow report`: where the policy in shadow mode and the service behind disagree.

use super::access_log::{AccessLine, Group, Tally, printable};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// In which way the two disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disagreement {
    /// It would be refused, and the service has served it.
    Served,
    /// It would pass, and the service has refused it.
    Refused,
    /// It would pass, but for some items of the list that the service has sent.
    Dropped,
}

/// Route, and the reason of the policy or the status of the service.
type Key = (Disagreement, Box<str>, Box<str>);

/// What access lines say of routes in shadow mode.
#[derive(Debug)]
pub struct Report {
    disagreements: Tally<Key>,
    /// Requests of rules in shadow mode.
    pub judged: u64,
    pub agreed: u64,
    /// Those whose answer would decide, and of which nobody can tell how.
    pub not_judged: u64,
    /// What no service has answered, or one that has failed.
    pub unanswered: u64,
    /// Lines of other requests.
    pub enforced: u64,
    /// What is no access line.
    pub unreadable: u64,
    /// Items of lists that would be dropped.
    pub items: u64,
}

impl Report {
    /// With so many examples of each disagreement.
    #[must_use]
    pub fn new(examples: usize) -> Self {
        let disagreements = Tally::new(examples);
        Self { disagreements, judged: 0, agreed: 0, not_judged: 0, unanswered: 0, enforced: 0, unreadable: 0, items: 0 }
    }

    pub fn add(&mut self, line: &AccessLine<'_>) {
        let Some(verdict) = line.shadow.as_deref() else {
            self.enforced += 1;
            return;
        };
        self.judged += 1;
        let route = || line.route.as_deref().unwrap_or("-").into();
        let is_known = verdict != "not_judged";
        // Of an answer that broke off this many are known to be others'.
        let passes = verdict == "allow" || !is_known;
        // With a code it is postern that has answered, or nobody.
        let disagreement = match line.status {
            _ if line.code.is_some() => None,
            101..=399 if passes && line.would_drop > 0 => {
                self.items = self.items.saturating_add(line.would_drop);
                Some((Disagreement::Dropped, route(), "items of others".into()))
            }
            _ if !is_known => {
                self.not_judged += 1;
                return;
            }
            101..=399 if !passes => Some((Disagreement::Served, route(), verdict.into())),
            401 | 403 | 404 if passes => Some((Disagreement::Refused, route(), line.status.to_string().into())),
            // A service that fails says nothing of rights.
            100..=499 => {
                self.agreed += 1;
                return;
            }
            _ => None,
        };
        match disagreement {
            Some(key) => self.disagreements.add(key, line),
            None => self.unanswered += 1,
        }
    }

    #[must_use]
    pub fn disagreements(&self) -> u64 {
        self.disagreements.total()
    }

    fn of(&self, kind: Disagreement) -> impl Iterator<Item = (&str, &str, &Group)> {
        let sorted = self.disagreements.sorted().into_iter().filter(move |((of, ..), _)| *of == kind);
        sorted.map(|((_, route, why), group)| (&**route, &**why, group))
    }

    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (kind, head) in [
            (Disagreement::Served, "would be refused, and the service serves it:"),
            (Disagreement::Refused, "would pass, and the service refuses it:"),
            (Disagreement::Dropped, "would pass, but for items of the lists that the service sends:"),
        ] {
            let mut groups = self.of(kind).peekable();
            if groups.peek().is_some() {
                let _ = writeln!(out, "{head}");
            }
            for (route, why, group) in groups {
                let _ = writeln!(out, "  {} {}: {}", printable(route), printable(why), group.count);
                for example in &group.examples {
                    let _ = writeln!(out, "    {}", example.words());
                }
            }
        }
        if self.items > 0 {
            let _ = writeln!(out, "{} items of lists would be dropped", self.items);
        }
        if self.disagreements.others > 0 {
            let _ = writeln!(out, "and {} on more routes than are told apart", self.disagreements.others);
        }
        let Self { judged, agreed, not_judged, unanswered, enforced, unreadable, .. } = self;
        let _ = writeln!(
            out,
            "{judged} requests of routes in shadow mode: {} disagree, {agreed} agree, {not_judged} not judged, {unanswered} without a service's word; {enforced} of \
             other routes; {unreadable} lines that are none",
            self.disagreements()
        );
        out
    }

    #[must_use]
    pub fn to_json(&self) -> Json {
        let list = |kind, of: &str| -> Vec<Json> {
            let told = |(route, why, group): (&str, &str, &Group)| json!({ "route": route, of: why, "count": group.count, "examples": group.examples });
            self.of(kind).map(told).collect()
        };
        json!({
            "would_be_refused": list(Disagreement::Served, "reason"),
            "would_pass": list(Disagreement::Refused, "status"),
            "would_drop": list(Disagreement::Dropped, "reason"), "items": self.items,
            "others": self.disagreements.others,
            "requests": self.judged, "disagree": self.disagreements(), "agree": self.agreed, "not_judged": self.not_judged, "unanswered": self.unanswered,
            "enforced": self.enforced, "unreadable": self.unreadable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::tools::access_log::read;

    #[test]
    fn what_the_service_and_the_policy_see_alike_is_counted_and_the_rest_is_listed() {
        let line = |more: &str| {
            format!(
                "{{\"ts\":1.5,\"request_id\":\"r\",\"client\":\"::1\",\"method\":\"GET\",\"path\":\"/x\\u001b\",\"route\":\"/x\",{more}}}\n"
            )
        };
        let log: String = [
            r#""status":200,"shadow":"org_foreign""#,
            r#""status":302,"shadow":"org_foreign""#,
            r#""status":101,"shadow":"origin_denied""#,
            r#""status":403,"shadow":"org_foreign""#,
            r#""status":200,"shadow":"allow""#,
            r#""status":404,"shadow":"allow""#,
            r#""status":409,"shadow":"allow""#,
            r#""status":200,"shadow":"allow","would_drop":3"#,
            r#""status":200,"shadow":"not_judged""#,
            r#""status":304,"shadow":"not_judged""#,
            r#""status":200,"shadow":"not_judged","would_drop":2"#,
            r#""status":500,"shadow":"allow""#,
            r#""status":502,"code":"upstream_unreachable","shadow":"org_foreign""#,
            r#""status":403,"code":"denied""#,
            r#""status":200"#,
        ]
        .map(line)
        .concat();
        let mut report = Report::new(1);
        report.unreadable = read(&mut (log + "nothing\n").as_bytes(), |line| report.add(line)).unwrap();
        let counts = (report.judged, report.disagreements(), report.agreed, report.unanswered, report.enforced);
        assert_eq!((counts, report.unreadable, report.not_judged), ((13, 6, 3, 2, 2), 1, 2));
        let text = report.to_text();
        assert!(
            text.starts_with(
                "would be refused, and the service serves it:\n  /x org_foreign: 2\n    GET /x\\u{1b} -> 200, "
            ),
            "{text}"
        );
        assert!(text.contains("would pass, and the service refuses it:\n  /x 404: 1\n"), "{text}");
        assert!(
            text.contains("  /x items of others: 2\n") && text.contains("\n5 items of lists would be dropped\n"),
            "{text}"
        );
        let json = report.to_json();
        assert_eq!((&json["would_drop"][0]["count"], &json["items"]), (&2.into(), &5.into()));
        assert_eq!(
            (&json["would_be_refused"][0]["count"], &json["would_pass"][0]["status"]),
            (&2.into(), &"404".into())
        );
    }
}
