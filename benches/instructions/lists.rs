//! What it costs to keep the caller's half of a list, beside what `serde_json` takes to find out that it is JSON.

use super::Work;
use super::tools::Bench;
use postern::answers::{List, Said, Shape};
use serde::de::IgnoredAny;
use std::hint::black_box;
use std::sync::Arc;
use uuid::Uuid;

/// Thousands of bytes of a page: rows of 540 bytes, of which an API of devices has many.
const THOUSANDS: u64 = 54;
const ROW: usize = 540;
const OURS: Uuid = Uuid::from_u128(0x0a8a_c5f8_1d2b_4c54_9d2e_0000_0000_0000);

/// Everything here, of each thousand bytes.
pub const BENCHES: [Bench; 2] = [
    ("1,000 bytes of a list, half of it kept", 10_200, THOUSANDS, filtering),
    ("the same, validated by serde_json", 12_000, THOUSANDS, validating),
];

/// A hundred devices, of two organizations in turn.
fn page() -> String {
    let row = |number: u128| {
        let organization = Uuid::from_u128(OURS.as_u128() + number % 2);
        let row = format!(
            r#"{{"id":"{}","name":"device-{number}","organization":"{organization}","mac_address":"00:11:22:33:44:{:02x}","key":"f7b2c1d09e8a4b5c6d7e8f9012345678","last_ip":"10.0.0.{}","management_ip":null,"model":"Router v1","os":"Linux 6.1","system":"AR9344","config":{{"status":"applied","error_reason":"","backend":"plain","templates":[],"context":{{}}}},"is_deactivated":false,"uptime":12345.5,"created":"2026-11-01T00:00:00Z","modified":"2026-11-01T00:00:00Z","notes":""#,
            Uuid::from_u128(number),
            number % 256,
            number % 256,
        );
        format!("{row}{}\"}}", "x".repeat(ROW - row.len() - 2))
    };
    let rows: Vec<_> = (0..100).map(row).collect();
    format!(r#"{{"count":100,"results":[{}]}}"#, rows.join(","))
}

fn filtering() -> Work {
    let (page, envelope) = (page(), Box::default());
    let shape = Arc::new(Shape { items: ["results".into()].into(), org: ["organization".into()].into(), envelope });
    Box::new(move |_| {
        let mut filter = List::new(Arc::clone(&shape), 1 << 20);
        let mut out = Vec::with_capacity(page.len());
        let mut keep = |said: &Said<'_>| matches!(said, Said::Text(text) if Uuid::try_parse(text) == Ok(OURS));
        for piece in page.as_bytes().chunks(16 * 1024) {
            filter.feed(piece, &mut keep, &mut out).expect("a list");
        }
        assert_eq!(black_box(filter.finish()).expect("a whole list").kept, 50);
    })
}

fn validating() -> Work {
    let page = page();
    Box::new(move |_| {
        black_box(serde_json::from_str::<IgnoredAny>(&page)).expect("JSON");
    })
}
