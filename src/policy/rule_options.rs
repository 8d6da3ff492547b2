//! What a rule may ask or limit beyond level, organization and headers. Most rules say none of it and pay for none.
//!
//! As written ([`RawRuleOptions`]) these options stand in the defaults, in a route and in a rule; compiled ([`RuleOptions`]) the
//! nearest one counts, and one that could never apply where it was written is reported.

use super::access::Access;
use super::meaning::{Needs, Place};
use super::methods::Methods;
use super::pattern::Kind;
use super::permission::{self, Model, Permissions};
use super::shared::{self, RawShared, Shared};
use super::throttle::{self, CountedBy, RawThrottle, Throttle};
use super::timeout::{self, Timeout};
use super::upgrade::{RawUpgrade, Upgrade};
use super::when::{self, Condition, RawWhen, Scope};
use crate::yaml::{Findings, Key, Node, Span, Spanned};

/// The rare options of a rule.
#[derive(Debug, Default)]
pub struct RuleOptions {
    /// What the caller must have.
    pub permissions: Permissions,
    /// The model whose permissions the method asks.
    pub model: Option<Model>,
    /// Who may touch shared objects, where the rule says it.
    pub shared: Option<Shared>,
    /// What must be true besides.
    pub when: Option<Condition>,
    pub throttle: Option<Throttle>,
    /// How long, where it is not as usual.
    pub timeout: Option<Timeout>,
    /// Bytes of a request's body at most, where it is not as usual.
    pub body_limit: Option<u64>,
    /// A body must not name again what the query names.
    pub strict_source: bool,
    /// Whether a connection may become a WebSocket.
    pub upgrade: Option<Upgrade>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct RawRuleOptions {
    permissions: Option<Spanned<Permissions>>,
    model: Option<Spanned<Model>>,
    shared: Option<Spanned<RawShared>>,
    when: Option<Spanned<RawWhen>>,
    throttle: Option<Spanned<RawThrottle>>,
    timeout: Option<Spanned<Timeout>>,
    body_limit: Option<Spanned<u64>>,
    strict_source: Option<Spanned<bool>>,
    upgrade: RawUpgrade,
}

impl RawRuleOptions {
    /// Reads the option of that key.
    pub(super) fn read(&mut self, key: &Key, node: &Node, findings: &mut Findings) {
        match key.text.as_str() {
            "permissions" => self.permissions = permission::permissions(node, findings),
            "model" => self.model = permission::model(node, findings),
            "shared" => self.shared = shared::read(node, findings).map(|value| Spanned { value, span: key.span }),
            "timeout" => self.timeout = timeout::read(node, findings).map(|value| Spanned { value, span: key.span }),
            "body_limit" => {
                let size = node.expect_size("`body_limit`", findings);
                self.body_limit = size.map(|value| Spanned { value, span: key.span });
            }
            "strict_source" => {
                let is = node.expect_bool("`strict_source`", findings);
                self.strict_source = is.map(|value| Spanned { value, span: key.span });
            }
            "upgrade" => self.upgrade.read_upgrade(node, findings),
            "origins" => self.upgrade.read_origins(node, findings),
            "throttle" => self.throttle = throttle::read(node, findings),
            "when" => self.when = when::read(node, findings),
            _ => {}
        }
    }

    /// What is said here, and from above what is not; maps merge by key.
    pub(super) fn over(&self, above: &Self) -> Self {
        fn merged<T: Copy>(
            own: Option<&Spanned<T>>,
            above: Option<&Spanned<T>>,
            over: fn(T, T) -> T,
        ) -> Option<Spanned<T>> {
            match (own, above) {
                (Some(own), Some(above)) => Some(Spanned { value: over(own.value, above.value), span: own.span }),
                (own, above) => own.or(above).cloned(),
            }
        }
        Self {
            permissions: self.permissions.clone().or_else(|| above.permissions.clone()),
            model: self.model.clone().or_else(|| above.model.clone()),
            shared: merged(self.shared.as_ref(), above.shared.as_ref(), RawShared::over),
            when: self.when.clone().or_else(|| above.when.clone()),
            throttle: self.throttle.clone().or_else(|| above.throttle.clone()),
            timeout: merged(self.timeout.as_ref(), above.timeout.as_ref(), Timeout::over),
            body_limit: self.body_limit.clone().or_else(|| above.body_limit.clone()),
            strict_source: self.strict_source.clone().or_else(|| above.strict_source.clone()),
            upgrade: self.upgrade.over(&above.upgrade),
        }
    }

    /// Whether the variable of the path is used.
    pub(super) fn uses(&self, variable: &str) -> bool {
        self.when.as_ref().is_some_and(|when| when.value.uses(variable))
    }

    /// The options, where they stand, and what a rule must be for them to mean something.
    pub(super) fn written(&self) -> Vec<(&'static str, Span, Needs)> {
        let list = [
            ("permissions", self.permissions.as_ref().map(|p| p.span), Needs::Somebody),
            ("model", self.model.as_ref().map(|m| m.span), Needs::Somebody),
            ("shared", self.shared.as_ref().map(|s| s.span), Needs::Organization),
            ("when", self.when.as_ref().map(|w| w.span), Needs::Passage),
            ("body_limit", self.body_limit.as_ref().map(|b| b.span), Needs::Body),
            ("strict_source", self.strict_source.as_ref().map(|s| s.span), Needs::Query),
        ];
        list.into_iter().filter_map(|(name, span, needs)| Some((name, span?, needs))).collect()
    }

    /// Who is counted, and where that is said.
    pub(super) fn counts(&self) -> Option<(CountedBy, Span)> {
        self.throttle.as_ref().map(|throttle| (throttle.value.by, throttle.span))
    }
}

/// What of a rule its options may speak of.
#[derive(Clone, Copy)]
pub(super) struct RuleContext<'a> {
    /// The methods that it is for; `None`: those of a route that is one level.
    pub(super) methods: Option<&'a Methods>,
    /// The variables of the path.
    pub(super) variables: &'a [(&'a str, Kind)],
    pub(super) span: Span,
    pub(super) pattern: &'a str,
    pub(super) hosts: &'a [&'a str],
}

/// Compiles a rule's options: its own, else the route's, else the defaults'.
pub(super) fn compile(
    [defaults, route, own]: [&RawRuleOptions; 3],
    place: Place,
    rule: RuleContext<'_>,
    findings: &mut Findings,
) -> Option<Box<RuleOptions>> {
    if let (Some(Methods::One(method)), Some(model)) = (rule.methods, &own.model) {
        permission::model_of_method(method, model.span, &model.value, findings);
    }
    let mut options = RuleOptions::default();
    if place.knows_somebody() {
        let permissions = [own, route, defaults].into_iter().find_map(|o| o.permissions.as_ref());
        options.permissions = permissions.map(|p| p.value.clone()).unwrap_or_default();
        options.model = [own, route, defaults].into_iter().find_map(|o| o.model.as_ref()).map(|m| m.value.clone());
        if place.asks_organization() {
            let said = [own, route, defaults].into_iter().filter_map(|o| o.shared.as_ref()).map(|s| s.value);
            options.shared = said.reduce(RawShared::over).map(RawShared::checked);
        }
    }
    if let Some(when) = [own, route, defaults].into_iter().find_map(|o| o.when.as_ref()) {
        let scope = Scope {
            variables: rule.variables,
            user: place.access != Access::Public,
            organization: place.has_organization && place.access != Access::Public,
            rule: rule.span,
        };
        // Nobody gets so far where everybody is refused.
        if place.access != Access::Deny {
            options.when = when.value.bind(scope, findings);
        }
    }
    let of_rule = own.throttle.as_ref().map(|throttle| (throttle, rule.methods));
    let above = [route, defaults].into_iter().find_map(|o| o.throttle.as_ref()).map(|throttle| (throttle, None));
    if let Some((Spanned { value, .. }, methods)) = of_rule.or(above)
        && place.access != Access::Deny
        // One from above counts where it could be written: `by: user` no public rule, which knows nobody.
        && place.can_count(value.by)
    {
        // A throttle above the rules is one limit for all of them; a rule's own is its own.
        options.throttle = value.at((rule.hosts, rule.pattern, methods));
    }
    options.timeout =
        [own, route, defaults].into_iter().filter_map(|o| o.timeout.as_ref()).map(|t| t.value).reduce(Timeout::over);
    options.body_limit = [own, route, defaults].into_iter().find_map(|o| o.body_limit.as_ref()).map(|b| b.value);
    let strict = [own, route, defaults].into_iter().find_map(|o| o.strict_source.as_ref());
    options.strict_source = strict.is_some_and(|strict| strict.value) && place.has(Needs::Query);
    let upgrades = [&defaults.upgrade, &route.upgrade, &own.upgrade];
    options.upgrade = RawUpgrade::compile(upgrades, rule.methods, findings);
    options.says_something().then(|| Box::new(options))
}

impl RuleOptions {
    fn says_something(&self) -> bool {
        let Self { permissions, model, shared, when, throttle, timeout, body_limit, strict_source, upgrade } = self;
        !permissions.is_empty()
            || model.is_some()
            || shared.is_some()
            || when.is_some()
            || throttle.is_some()
            || timeout.is_some()
            || body_limit.is_some()
            || *strict_source
            || upgrade.is_some()
    }
}
