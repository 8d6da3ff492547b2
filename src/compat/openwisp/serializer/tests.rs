use super::{Datum, Field, Keys, Shape, date, read};
use crate::compat::openwisp::charset::Charset;
use crate::compat::openwisp::json;
use crate::compat::openwisp::value::{Fields, Value};

fn sent(text: &str) -> Fields {
    json::fields(text.as_bytes(), Charset::UTF8).unwrap()
}

fn form(pairs: &[(&str, &str)]) -> Fields {
    Fields::of_form(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
}

const INNER: &[Field] = &[Field::new("organization", Shape::Key).required().nullable(), Field::flag("is_admin")];
const FIELDS: &[Field] = &[
    Field::text("name").required().at_most(3),
    Field::flag("is_active"),
    Field::new("groups", Shape::Keys(Keys::Numbers)),
    Field::new("url", Shape::Url).blank(),
    Field::date("birth_date"),
    Field::new("ties", Shape::First(INNER)),
];

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_the_fields() {
    let (_, errors) =
        read(FIELDS, &sent(r#"{"url": "bad", "name": "long", "groups": 1, "is_active": null, "ties": "x"}"#), false);
    assert_eq!(
        errors.to_json(),
        concat!(
            r#"{"name":["Ensure this field has no more than 3 characters."],"is_active":["This field may not be null."],"#,
            r#""groups":["Expected a list of items but got type \"int\"."],"url":["Enter a valid URL."],"#,
            r#""ties":{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}}"#
        )
    );
    let (data, errors) = read(FIELDS, &sent("{}"), true);
    assert!(errors.is_empty() && data.is_empty());
    assert_eq!(read(FIELDS, &sent("{}"), false).1.to_json(), r#"{"name":["This field is required."]}"#);
}

#[test]
fn a_form_without_a_box_says_no_and_without_a_list_none() {
    let (data, errors) = read(FIELDS, &form(&[("name", "a"), ("birth_date", ""), ("ties.organization", "x")]), false);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(data.flag("is_active"), Some(false));
    assert_eq!(data.keys("groups"), Some(&[][..]));
    assert_eq!(data.get("birth_date"), Some(&Datum::Null));
    let Some(Datum::Nested(ties)) = data.get("ties") else { panic!("nested") };
    assert_eq!(ties.keys("organization"), Some(&[Value::from("x")][..]));
    let (data, _) = read(FIELDS, &form(&[("groups", "1"), ("groups", "2")]), true);
    assert_eq!((data.flag("is_active"), data.keys("groups").map(<[_]>::len)), (None, Some(2)));
}

#[test]
fn of_a_list_the_first_counts() {
    let (data, errors) = read(FIELDS, &sent(r#"{"ties": [{"organization": null}, 5]}"#), true);
    assert!(errors.is_empty(), "{errors:?}");
    let Some(Datum::Nested(ties)) = data.get("ties") else { panic!("nested") };
    assert_eq!(ties.get("organization"), Some(&Datum::Null));
    let (_, errors) = read(FIELDS, &sent(r#"{"name": "a", "ties": []}"#), false);
    assert_eq!(errors.to_json(), r#"{"ties":{"organization":["This field is required."]}}"#);
}

#[test]
fn dates_are_read_as_python_reads_them() {
    for (text, day) in [
        ("1990-02-03", Some("1990-02-03")),
        ("1990-2-3", Some("1990-02-03")),
        ("19900203", Some("1990-02-03")),
        ("2020-W01-1", Some("2019-12-30")),
        ("2020W017", Some("2020-01-05")),
        ("2020-W017", None),
        ("2020W01-7", None),
        ("", None),
        ("03/02/1990", None),
        ("1990-02-03T00:00:00Z", None),
        ("1990-13-01", None),
        (" 1990-02-03", None),
        ("990-02-03", None),
    ] {
        assert_eq!(date(&text.into()).map(|day| day.to_string()).as_deref(), day, "{text}");
    }
}
