//! Whether everybody can use the pages, in a browser that runs no scripts of theirs.

use super::{chromium, everybody_can_use, gate};

#[test]
fn everybody_can_use_the_pages_of_the_rooms() {
    let gate = gate();
    let mut browser = chromium(&gate, "su", "/postern/");
    everybody_can_use(&mut browser, &gate, &[("", "/postern/"), ("", "/postern/nothing/")]);
    let mut browser = chromium(&gate, "mA", "/postern/");
    everybody_can_use(&mut browser, &gate, &[("", "/postern/")]);
}
