//! Multipart forms: what decides in a form that passes is what Django finds there, and nothing else.

use crate::identity::python;
use postern::policy::load;
use postern::tools::suite;
use postern::yaml::Findings;
use serde_json::{Value, json};

const POLICY: &str = "version: 1\nroutes: { /x: { POST: { level: member, org: body.org as slug } } }\n";
const GIVEN: &str = "given: { organizations: { acme: {}, bolt: {} }, users: { ann: { acme: member } } }\n";
const FORMS: usize = 4000;

/// The same numbers each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    /// Mostly the first.
    fn odd<'a>(&mut self, usual: &'a str, others: &[&'a str]) -> &'a str {
        match self.below(12) {
            0 => others[self.below(others.len())],
            _ => usual,
        }
    }

    fn part(&mut self, name: &str, value: &str) -> String {
        let quoted = self.odd("\"", &["", "'", "\"\"", "\\\""]);
        let key = self.odd("name", &["NAME", "name*", "name ", "filename", "na\r\n me", "name*0"]);
        let value =
            self.odd(value, &["bolt", "", "acme\r\n--x", "acme\n", "YWNtZQ==", "acme\r\n\r\n", "--x--", "acme--x"]);
        let besides = self.odd(
            "",
            &[
                "; filename=\"\"",
                "; filename=\"a\"",
                "; filename=\"a\\\"; name=org\"",
                "; name=\"org\"",
                "; filename*=utf-8''a",
                ";",
                "; x=\"a;b\"",
                "; name*=utf-8''org",
            ],
        );
        let more = self.odd(
            "",
            &[
                "\r\nContent-Type: text/plain",
                "\r\nContent-Transfer-Encoding: base64",
                "\r\nContent-Disposition: form-data; name=\"org\"",
                "\nX: y",
                "\r\n X: y",
                "\r\nX: y",
                "\r\nContent-Type: text/plain; charset=utf-16",
                "\r\nX: y\r\n",
                "\r",
            ],
        );
        let (begin, end) = (
            self.odd("\r\n", &["\n", " \r\n", "\r\n\r\n", "y\r\n", "--\r\n", ""]),
            self.odd("\r\n", &["\n", "\r", ""]),
        );
        let kind = self.odd(
            "Content-Disposition: form-data; ",
            &[
                "content-disposition:form-data;",
                "Content-Disposition: attachment; ",
                "Content_Disposition: form-data; ",
                "Content-Disposition : form-data; ",
                "Content-Disposition: form-data ",
            ],
        );
        format!("--x{begin}{kind}{key}={quoted}{name}{quoted}{besides}{more}\r\n\r\n{value}{end}")
    }

    fn form(&mut self) -> (String, String) {
        let mut body = self.odd("", &["\r\n", "before", "before\r\n", "--x--"]).to_owned();
        for _ in 0..1 + self.below(3) {
            let names = if self.below(6) == 0 { 8 } else { 3 };
            let name = ["org", "a", "a", "ORG", "org[]", "%6frg", "or", " org"][self.below(names)];
            let value = if name == "org" { "acme" } else { "bolt" };
            body += &self.part(name, value);
        }
        body += self.odd("--x--\r\n", &["--x--", "--x-", "--x\r\n", "", "--x--\r\nbehind", "--x-- "]);
        let others =
            ["; boundary=\"x\"", "; boundary=y; boundary=x", "; boundary=x; charset=utf-8", "; boundary=x,y", ""];
        (format!("multipart/form-data{}", self.odd("; boundary=x", &others)), body)
    }
}

#[test]
fn a_form_that_passes_says_to_django_what_was_judged() {
    let policy = load(&[("routes.yaml", POLICY)], None).unwrap();
    let mut dice = Dice(0x0f0f);
    let forms: Vec<(String, String)> = (0..FORMS).map(|_| dice.form()).collect();
    let cases: Vec<Value> = forms
        .iter()
        .map(|(content_type, body)| {
            json!({ "as": "ann", "POST": "/x", "body": body, "headers": { "Content-Type": content_type }, "expect": "allow" })
        })
        .collect();
    let mut findings = Findings::new();
    let id = findings.add_source("forms".to_owned(), format!("{GIVEN}tests: {}\n", Value::from(cases)));
    let suite = suite::read(id, &mut findings);
    let report = suite.unwrap_or_else(|| panic!("{}", findings.to_lines())).run(&policy);
    let passed: Vec<_> = report.outcomes.iter().map(|(_, outcome)| outcome.verdict == "allow").collect();
    let asked: Vec<_> = forms.iter().zip(&passed).filter(|(_, passed)| **passed).map(|(form, _)| form).collect();
    assert!(asked.len() > FORMS / 20 && asked.len() < FORMS / 2, "{} of {FORMS} pass", asked.len());
    let read = python("multipart_forms.py", &json!(asked));
    for (form, read) in asked.iter().zip(read.as_array().unwrap()) {
        let named = |list: &Value| -> Vec<Value> {
            let spells = |name: &Value| name.as_str().is_some_and(|name| name.to_lowercase().contains("org"));
            let entries = list.as_array().unwrap_or_else(|| panic!("{form:?} {read}"));
            entries.iter().filter(|entry| spells(&entry[0]) || spells(entry)).cloned().collect()
        };
        assert_eq!(named(&read["fields"]), [json!(["org", "acme"])], "{form:?}");
        assert_eq!(named(&read["files"]), Vec::<Value>::new(), "{form:?}");
    }
}
