//! Arguments of lookups over HTTP: what is asked is what the policy says, with each argument in its own place, to every reader.

use super::reader;
use percent_encoding::percent_decode_str;
use postern::policy::{Lookup, Question, load};
use std::sync::{Arc, OnceLock};

const POLICY: &str = "version: 1
lookups:
  build: { http: { get: '/api/{1}/x-{2}/?id={3}&fixed=1', org: /org }, args: [path.a, path.b, query.c] }
routes:
  /x/{a}/{b}: { org: lookup.build, read: member }
";

fn lookup() -> &'static Arc<Lookup> {
    static LOOKUP: OnceLock<Arc<Lookup>> = OnceLock::new();
    LOOKUP.get_or_init(|| {
        let policy = load(&[("routes.yaml", POLICY)], None).unwrap_or_else(|found| panic!("{}", found.to_lines()));
        Arc::clone(policy.lookups().first().expect("a lookup"))
    })
}

/// Checks the promise for any arguments; tells whether they name something that is asked for.
pub fn check(args: [&str; 3]) -> bool {
    let Question::Http(resource) = &lookup().question else { panic!("it asks a service") };
    let Some(target) = resource.target(&args.map(Box::from)) else { return false };
    assert!(reader::check(&target), "{target:?} is read in two ways");
    let uri: http::Uri = target.parse().expect("a target");
    assert_eq!(uri.path_and_query().map(|all| all.as_str()), Some(&*target));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned();
    let segments: Vec<_> = uri.path().split('/').map(decoded).collect();
    let own = format!("x-{}", args[1]);
    assert_eq!(segments, ["", "api", args[0], &own, ""], "{target:?}");
    // A form's reader takes `+` for a blank, and some `;` for a separator.
    let query = uri.query().expect("a query");
    assert!(!query.contains(['+', ';']), "{target:?}");
    let pairs: Vec<_> = query.split('&').map(|pair| pair.split_once('=').expect("a pair")).collect();
    assert_eq!(pairs.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["id", "fixed"], "{target:?}");
    assert_eq!(pairs.iter().map(|(_, value)| decoded(value)).collect::<Vec<_>>(), [args[2], "1"], "{target:?}");
    true
}
