//! What a route must have as a whole, and what of it nothing uses.

use super::{Base, Compiler, injected};
use crate::policy::options::inject::RawInject;
use crate::policy::options::org;
use crate::policy::route::Rules;
use crate::yaml::Span;

impl Compiler<'_> {
    pub(super) fn grants_nothing(&mut self, base: &Base<'_>, span: Span, message: String) {
        if !base.route.is_doubtful {
            let help = "say who may pass: `level: member`, or `deny` to close it";
            self.findings.error("grants_nothing", span, message).help(help);
        }
    }

    /// `permitted` asks for permissions, in an organization.
    pub(super) fn permitted(&mut self, span: Span, asks_permission: bool, has_organization: bool) {
        if !asks_permission {
            self.findings
                .error("permission_needed", span, "`permitted` asks for a permission, and none is named")
                .help("say which: `permissions: [app.codename]`, or `model: app.model`");
        }
        if !has_organization {
            self.findings
                .error("org_needed", span, "`permitted` asks in an organization, and there is none")
                .help("say where it comes from: `org: path.org`; or ask `authenticated` with the permissions");
        }
    }

    pub(super) fn variables_are_used(&mut self, base: &Base<'_>) {
        let Base { route, .. } = base;
        let options = || [&*route.above, &route.options].into_iter().chain(route.rules.iter().map(|r| &r.options));
        for name in route.pattern.value.variables().filter(|name| promises(name)) {
            let by_origin = options().filter_map(|o| o.org.as_ref()).any(|o| org::uses(&o.value, name, self.lookups));
            let by_inject = options().flat_map(injected).any(|i| i.uses(name, self.lookups));
            let by_condition =
                options().filter_map(|o| o.when.as_ref()).any(|when| when.value.uses(name, self.lookups));
            if !by_origin && !by_inject && !by_condition {
                let message =
                    format!("the variable `{name}` is not used, and its name promises that somebody looks at it");
                self.findings
                    .warning("unused_variable", route.pattern.span, message)
                    .help(format!("use `path.{name}` in `org`, `inject` or `when`; or give it no name: `{{_}}`"));
            }
        }
    }

    /// A route that injects `org.…` by its own words must have an `org` somewhere; defaults are for those that do.
    pub(super) fn organizations_are_there(&mut self, base: &Base<'_>, rules: &Rules) {
        let options = std::iter::once(&base.route.options).chain(base.route.rules.iter().map(|r| &r.options));
        let org = base.route.above.org.is_some() || options.clone().any(|o| o.org.is_some());
        if org || rules.all.iter().any(|r| !r.origin.is_empty()) {
            return;
        }
        for span in options.flat_map(injected).filter_map(RawInject::asks_organization) {
            self.findings
                .error("org_needed", span, "there is no organization: the route has no `org`")
                .help("say where it comes from: `org: path.org`");
        }
    }
}

/// Whether the name of a variable says whose something is: a reader takes it for granted that this is looked at.
fn promises(name: &str) -> bool {
    const WORDS: [&str; 15] = [
        "account",
        "company",
        "customer",
        "member",
        "org",
        "organisation",
        "organization",
        "orgs",
        "owner",
        "team",
        "tenant",
        "user",
        "userid",
        "username",
        "workspace",
    ];
    // `org_id`, `orgId`, `tenantSlug`
    let mut words: Vec<String> = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if c == '_' || (was_small && c.is_ascii_uppercase()) {
            words.push(String::new());
        }
        was_small = c.is_ascii_lowercase();
        if let Some(word) = words.last_mut()
            && c != '_'
        {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.iter().any(|word| WORDS.contains(&word.as_str()))
}
