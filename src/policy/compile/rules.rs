//! The rules of a route: for each method what it says, and what stands above it.

use super::{Base, Compiler, injected, place};
use crate::policy::CredentialNeed;
use crate::policy::access::Access;
use crate::policy::applicable::Needs;
use crate::policy::methods::Methods;
use crate::policy::options::inject::{Inject, InjectValue};
use crate::policy::options::org::Source;
use crate::policy::options::when::Condition;
use crate::policy::options::{Foreign, RawOptions, RuleContext, of_rule};
use crate::policy::origin;
use crate::policy::route::{Rule, Rules};
use crate::policy::source::RawRule;
use crate::yaml::{Span, Spanned};

impl Compiler<'_> {
    pub(super) fn rules(&mut self, base: &Base<'_>) -> Rules {
        let mut rules = Rules::default();
        let raw = &base.route.rules;
        let level = base.options.level.as_ref().map(|level| level.value);
        if raw.is_empty() {
            let Some(access) = level else {
                let Spanned { value, span } = &base.route.pattern;
                self.grants_nothing(base, *span, format!("`{}` grants nothing to anybody", value.text));
                return rules;
            };
            rules.all.push(self.rule(base, access, None, base.route.pattern.span, &RawOptions::default()));
            (rules.read, rules.write) = (Some(0), Some(0));
            return rules;
        }
        for RawRule { methods, span, options } in raw {
            let Some(access) = options.level.as_ref().map(|level| level.value).or(level) else {
                self.grants_nothing(base, *span, "this rule grants nothing to anybody".to_owned());
                continue;
            };
            let at = rules.all.len();
            rules.all.push(self.rule(base, access, Some(methods), *span, options));
            match methods {
                Methods::Read => rules.read = Some(at),
                Methods::Write => rules.write = Some(at),
                Methods::One(method) => rules.named.push((method.clone(), at)),
            }
        }
        rules
    }

    fn rule(
        &mut self,
        base: &Base<'_>,
        access: Access,
        methods: Option<&Methods>,
        span: Span,
        own: &RawOptions,
    ) -> Rule {
        let Base { file, route, binder, .. } = base;
        let origin = match &own.org {
            Some(org) => self.origin(&org.value, binder).unwrap_or_default(),
            None => base.origin.clone(),
        };
        let origin = origin::readable(origin, (access, methods), span, self.findings);
        let inject = match injected(own) {
            [] => base.inject.clone(),
            own => self.inject(&base.inject, &[own], binder),
        };
        let lists = own.list.is_some() || base.options.list.is_some();
        let place = place(access, &origin, methods, lists);
        // What the answer says comes too late for a header, also for one that the defaults name.
        let early = |inject: &&Inject| place.has(Needs::EarlyOrganization) || !inject.value.asks_organization();
        let inject =
            if inject.iter().all(|one| early(&one)) { inject } else { inject.iter().filter(early).cloned().collect() };
        let inject = match self.assertion.filter(|_| access.credential() != CredentialNeed::Ignored) {
            Some(name) => {
                let signed = Inject { name: name.clone(), value: InjectValue::Assertion };
                inject.iter().cloned().chain([signed]).collect()
            }
            None => inject,
        };
        own.check_applicable(std::iter::once(place), self.findings);
        let variables: Vec<_> = route.pattern.value.typed_variables().collect();
        let hosts: Vec<&str> = file.hosts.iter().map(|host| &*host.value.text).collect();
        let pattern = &route.pattern.value.text;
        let context = RuleContext { methods, place, variables: &variables, span, pattern, hosts: &hosts, binder };
        let options = of_rule(own, &base.options, &context, self.findings);
        let asks_permission =
            options.as_ref().is_some_and(|options| options.permissions.is_some() || options.model.is_some());
        let alone = methods.is_none().then_some(&route.options);
        let switch = own.user_permissions.as_ref().or(alone.and_then(|route| route.user_permissions.as_ref()));
        if let Some(switch) = switch.filter(|_| !asks_permission && place.has(Needs::Somebody)) {
            self.findings
                .error("no_meaning", switch.span, "`user_permissions` has no meaning here: no permission is asked for")
                .help("it takes `permissions` or a `model`; or leave it out");
        }
        let upgrade = own.upgrade.as_ref().or(base.options.upgrade.as_ref());
        if let Some(upgrade) = upgrade.filter(|_| place.has(Needs::Answer)) {
            self.findings
                .error(
                    "no_meaning",
                    upgrade.span,
                    "`upgrade` has no meaning here: a WebSocket has no answer that can be judged",
                )
                .help("name the organization in the request: `org: path.org`");
        }
        let list = own.list.as_ref().or(base.options.list.as_ref());
        if let Some(list) = list.filter(|_| place.reads_answer) {
            self.findings
                .error(
                    "no_meaning",
                    list.span,
                    "`list` has no meaning here: the answer is one object, whose organization `org` reads",
                )
                .help("leave `list` out, or name the organization in the request: `org: path.org`");
        }
        if access == Access::Permitted && !base.route.is_doubtful {
            self.permitted(span, asks_permission, place.has_organization);
        }
        let by_origin = origin.iter().flat_map(|item| &item.sources).filter_map(Source::lookup);
        let by_inject = inject.iter().filter_map(|inject| inject.value.lookup());
        let by_condition = options.iter().filter_map(|options| options.when.as_ref()).flat_map(Condition::lookups);
        // What a lookup found is the caller's business no more than a foreign organization is.
        let is_of_object = by_origin.clone().next().is_some() || place.reads_answer;
        let usual = if is_of_object { Foreign::NotFound } else { Foreign::Forbidden };
        let lookups = binder.closed(by_origin.chain(by_inject).chain(by_condition));
        let mut sources = origin.iter().flat_map(|item| &item.sources);
        let reads_body = sources.any(|source| matches!(source, Source::Body(..))) || binder.reads_body(&lookups);
        Rule {
            access,
            lookups,
            reads_body,
            reads_answer: place.reads_answer,
            appointed: self.managers_are_appointed,
            foreign: nearest(&own.foreign, &base.options.foreign).copied().unwrap_or(usual),
            origin,
            inject,
            schemes: nearest(&own.authenticate, &base.options.authenticate).cloned().unwrap_or_default(),
            forward_authorization: nearest(&own.forward_authorization, &base.options.forward_authorization)
                == Some(&true),
            options,
        }
    }
}

/// What is said here, else what is said above.
fn nearest<'a, T>(own: &'a Option<Spanned<T>>, above: &'a Option<Spanned<T>>) -> Option<&'a T> {
    own.as_ref().or(above.as_ref()).map(|said| &said.value)
}
