//! Refusals: the stable reason codes, each with its status and what the caller may read about it.

use crate::request_target::field::FieldError;
use crate::request_target::host::HostError;
use crate::request_target::{TargetError, query};
use http::{HeaderValue, StatusCode};
use std::borrow::Cow;
use std::num::NonZeroU32;

/// Why a request was refused. The codes are part of the public interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    NoRoute,
    /// The route does not have the method.
    MethodNotAllowed,
    /// The target has no single meaning.
    BadTarget,
    /// The front in front of postern could forward another target than it tells.
    AmbiguousTarget,
    /// The message has no single extent.
    BadFraming,
    /// A header that decides cannot be judged by.
    BadField,
    /// Two readers could find two values.
    Ambiguous,
    /// There is no credential, and there must be one.
    CredentialsMissing,
    /// The credential is not good, or of a scheme that the route does not take.
    CredentialsInvalid,
    /// The user is not active.
    UserInactive,
    /// The credential is good, but not for this.
    ScopeExceeded,
    /// Nothing shows that a page of this origin sent the session's cookie.
    CsrfFailed,
    /// The session began with a password that is too old by now.
    PasswordExpired,
    /// Who must show a second factor does not come in by this, which cannot ask for it.
    SecondFactorRequired,
    /// The session has not shown its user's second factor.
    SecondFactorMissing,
    /// It was not shown as lately as the rule wants it.
    SecondFactorStale,
    /// The request names no organization that could be read.
    OrgMissing,
    /// The organization is not the caller's, is disabled or does not exist.
    OrgForeign,
    /// The caller's level in the organization is too low.
    OrgLevelMissing,
    /// The object belongs to no organization, and the caller may not touch such.
    SharedDenied,
    /// A field of the body points at what is not there, or not of the organization.
    FieldForeign,
    PermissionMissing,
    /// Only superusers pass.
    SuperuserOnly,
    /// Only staff passes.
    StaffOnly,
    /// The rule's condition does not hold.
    ConditionFalse,
    Denied,
    /// The page's origin is not allowed.
    OriginDenied,
    Throttled,
    /// The body is longer than the route reads.
    BodyTooLarge,
    /// The body cannot be read.
    BodyInvalid,
    /// The body is of a type that cannot be judged.
    BodyType,
    /// The body decides, and the front that asks sends none.
    BodyUnseen,
    /// Only postern's own proxy can do what the route says.
    ProxyOnly,
    /// The object does not exist.
    LookupNotFound,
    /// The object's organization could not be looked up.
    LookupFailed,
    /// The upstream's answer cannot be judged.
    AnswerUnreadable,
    /// The upstream refuses or fails, where its answer would have decided.
    UpstreamError,
    /// The upstream cannot be reached, or ends the connection without an answer.
    UpstreamUnreachable,
    /// The upstream's answer is not valid HTTP.
    UpstreamInvalid,
    /// The upstream took too long.
    UpstreamTimeout,
    /// The upstream has as many requests as it may, and too many wait.
    UpstreamOverloaded,
    /// None of the upstream's addresses is healthy.
    UpstreamUnhealthy,
    /// The store that knows the answer is down.
    StoreUnavailable,
    /// What the upstream would be told does not fit in a header.
    IdentityTooLarge,
}

impl Reason {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 44] = [
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::BadTarget,
        Self::AmbiguousTarget,
        Self::BadFraming,
        Self::BadField,
        Self::Ambiguous,
        Self::CredentialsMissing,
        Self::CredentialsInvalid,
        Self::UserInactive,
        Self::ScopeExceeded,
        Self::CsrfFailed,
        Self::PasswordExpired,
        Self::SecondFactorRequired,
        Self::SecondFactorMissing,
        Self::SecondFactorStale,
        Self::OrgMissing,
        Self::OrgForeign,
        Self::OrgLevelMissing,
        Self::SharedDenied,
        Self::FieldForeign,
        Self::PermissionMissing,
        Self::SuperuserOnly,
        Self::StaffOnly,
        Self::ConditionFalse,
        Self::Denied,
        Self::OriginDenied,
        Self::Throttled,
        Self::BodyTooLarge,
        Self::BodyInvalid,
        Self::BodyType,
        Self::BodyUnseen,
        Self::ProxyOnly,
        Self::LookupNotFound,
        Self::LookupFailed,
        Self::AnswerUnreadable,
        Self::UpstreamError,
        Self::UpstreamUnreachable,
        Self::UpstreamInvalid,
        Self::UpstreamTimeout,
        Self::UpstreamOverloaded,
        Self::UpstreamUnhealthy,
        Self::StoreUnavailable,
        Self::IdentityTooLarge,
    ];

    /// Everything about a reason in one place: code, status, title, detail.
    ///
    /// The detail is for the caller and tells nothing that they may not know.
    const fn facts(self) -> (&'static str, StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::NoRoute => ("no_route", S::NOT_FOUND, "Not found", "There is nothing at this path."),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                S::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "The path does not have this method.",
            ),
            Self::BadTarget => (
                "bad_target",
                S::BAD_REQUEST,
                "Bad request target",
                "The request target could be read in more than one way.",
            ),
            Self::AmbiguousTarget => (
                "ambiguous_target",
                S::BAD_REQUEST,
                "Bad request target",
                "The request target could be read in more than one way on its way.",
            ),
            Self::BadFraming => ("bad_framing", S::BAD_REQUEST, "Bad request", "The request is not valid HTTP."),
            Self::BadField => (
                "bad_field",
                S::BAD_REQUEST,
                "Bad header field",
                "A header that decides does not reach the service as it was judged.",
            ),
            Self::Ambiguous => (
                "ambiguous",
                S::BAD_REQUEST,
                "Ambiguous request",
                "Something is there more than once, or in more than one spelling.",
            ),
            Self::CredentialsMissing => {
                ("credentials_missing", S::UNAUTHORIZED, "Authentication required", "The request has no credentials.")
            }
            Self::CredentialsInvalid => {
                ("credentials_invalid", S::UNAUTHORIZED, "Invalid credentials", "The credentials are not valid here.")
            }
            Self::UserInactive => {
                ("user_inactive", S::UNAUTHORIZED, "User inactive", "The user is inactive or deleted.")
            }
            Self::ScopeExceeded => {
                ("scope_exceeded", S::FORBIDDEN, "Forbidden", "The credentials are not good for this.")
            }
            Self::CsrfFailed => {
                ("csrf_failed", S::FORBIDDEN, "Forbidden", "Nothing shows that a page of this site sent the request.")
            }
            Self::PasswordExpired => (
                "password_expired",
                S::FORBIDDEN,
                "Password expired",
                "Your password has expired. Update it to continue.",
            ),
            Self::SecondFactorRequired => (
                "second_factor_required",
                S::FORBIDDEN,
                "Second factor required",
                "You must log in on the login page, where a second factor is asked for.",
            ),
            Self::SecondFactorMissing => (
                "second_factor_missing",
                S::UNAUTHORIZED,
                "Second factor missing",
                "This session has not shown a second factor. Show it on the page that asks for codes.",
            ),
            Self::SecondFactorStale => (
                "second_factor_stale",
                S::UNAUTHORIZED,
                "Second factor too old",
                "A second factor must have been shown more lately than this. Show it on the page that asks for codes.",
            ),
            Self::OrgMissing => (
                "org_missing",
                S::BAD_REQUEST,
                "Organization missing",
                "The request does not name an organization in the way that the route reads it.",
            ),
            Self::OrgForeign => ("org_foreign", S::FORBIDDEN, "Forbidden", "You do not belong to this organization."),
            Self::OrgLevelMissing => {
                ("org_level_missing", S::FORBIDDEN, "Forbidden", "Your level in the organization is too low for this.")
            }
            Self::SharedDenied => {
                ("shared_denied", S::FORBIDDEN, "Forbidden", "You may not do this to a shared object.")
            }
            Self::FieldForeign => (
                "field_foreign",
                S::FORBIDDEN,
                "Forbidden",
                "A field of the body points at something that does not exist, or that does not belong there.",
            ),
            Self::PermissionMissing => {
                ("permission_missing", S::FORBIDDEN, "Forbidden", "You lack the permission for this.")
            }
            Self::SuperuserOnly => ("superuser_only", S::FORBIDDEN, "Forbidden", "Only superusers may do this."),
            Self::StaffOnly => ("staff_only", S::FORBIDDEN, "Forbidden", "Only staff may do this."),
            Self::ConditionFalse => {
                ("condition_false", S::FORBIDDEN, "Forbidden", "The condition of the route does not hold.")
            }
            Self::Denied => ("denied", S::FORBIDDEN, "Forbidden", "Nobody may do this."),
            Self::OriginDenied => {
                ("origin_denied", S::FORBIDDEN, "Forbidden", "The origin of the page is not allowed.")
            }
            Self::Throttled => ("throttled", S::TOO_MANY_REQUESTS, "Too many requests", "Request was throttled."),
            Self::BodyTooLarge => {
                ("body_too_large", S::PAYLOAD_TOO_LARGE, "Body too large", "The body is longer than allowed.")
            }
            Self::BodyInvalid => ("body_invalid", S::BAD_REQUEST, "Invalid body", "The body cannot be read."),
            Self::BodyType => (
                "body_type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "The body's type cannot be read here.",
            ),
            Self::BodyUnseen => {
                ("body_unseen", S::FORBIDDEN, "Forbidden", "The body of this request cannot be judged here.")
            }
            Self::ProxyOnly => ("proxy_only", S::FORBIDDEN, "Forbidden", "This cannot be judged here."),
            Self::LookupNotFound => ("lookup_not_found", S::NOT_FOUND, "Not found", "There is no such object."),
            Self::LookupFailed => (
                "lookup_failed",
                S::SERVICE_UNAVAILABLE,
                "Service unavailable",
                "The request cannot be judged at the moment.",
            ),
            Self::AnswerUnreadable => {
                ("answer_unreadable", S::BAD_GATEWAY, "Bad gateway", "The answer of the service cannot be judged.")
            }
            Self::UpstreamError => {
                ("upstream_error", S::BAD_GATEWAY, "Not served", "The service behind the gateway did not serve this.")
            }
            Self::UpstreamUnreachable => (
                "upstream_unreachable",
                S::BAD_GATEWAY,
                "Bad gateway",
                "The service behind the gateway cannot be reached, or gave no answer.",
            ),
            Self::UpstreamInvalid => (
                "upstream_invalid",
                S::BAD_GATEWAY,
                "Bad gateway",
                "The service behind the gateway gave an answer that is not valid.",
            ),
            Self::UpstreamTimeout => (
                "upstream_timeout",
                S::GATEWAY_TIMEOUT,
                "Gateway timeout",
                "The service behind the gateway took too long.",
            ),
            Self::UpstreamOverloaded => (
                "upstream_overloaded",
                S::SERVICE_UNAVAILABLE,
                "Service unavailable",
                "The service behind the gateway has too many requests.",
            ),
            Self::UpstreamUnhealthy => (
                "upstream_unhealthy",
                S::SERVICE_UNAVAILABLE,
                "Service unavailable",
                "The service behind the gateway is not well.",
            ),
            Self::StoreUnavailable => (
                "store_unavailable",
                S::SERVICE_UNAVAILABLE,
                "Service unavailable",
                "The request cannot be judged at the moment.",
            ),
            Self::IdentityTooLarge => (
                "identity_too_large",
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "Too many organizations",
                "You belong to more organizations than this route can tell its service.",
            ),
        }
    }

    #[must_use]
    pub const fn code(self) -> &'static str {
        self.facts().0
    }

    /// Whether a rule in shadow mode only records it. What a request must be for anybody to judge it, what a policy closes, and what keeps
    /// postern and its services from harm stays in force; a service's own failure is no verdict.
    #[must_use]
    pub const fn is_shadowed(self) -> bool {
        match self {
            Self::BadField
            | Self::Ambiguous
            | Self::CredentialsMissing
            | Self::CredentialsInvalid
            | Self::UserInactive
            | Self::ScopeExceeded
            | Self::CsrfFailed
            | Self::PasswordExpired
            | Self::SecondFactorRequired
            | Self::SecondFactorMissing
            | Self::SecondFactorStale
            | Self::OrgMissing
            | Self::OrgForeign
            | Self::OrgLevelMissing
            | Self::SharedDenied
            | Self::PermissionMissing
            | Self::FieldForeign
            | Self::SuperuserOnly
            | Self::StaffOnly
            | Self::ConditionFalse
            | Self::OriginDenied
            | Self::Throttled
            | Self::BodyInvalid
            | Self::BodyType
            | Self::LookupNotFound
            | Self::LookupFailed
            | Self::StoreUnavailable => true,
            Self::NoRoute
            | Self::MethodNotAllowed
            | Self::BadTarget
            | Self::AmbiguousTarget
            | Self::BadFraming
            | Self::Denied
            | Self::BodyTooLarge
            | Self::BodyUnseen
            | Self::ProxyOnly
            | Self::AnswerUnreadable
            | Self::UpstreamError
            | Self::UpstreamUnreachable
            | Self::UpstreamInvalid
            | Self::UpstreamTimeout
            | Self::UpstreamOverloaded
            | Self::UpstreamUnhealthy
            | Self::IdentityTooLarge => false,
        }
    }

    /// The status, where the policy does not say another (`foreign:`).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.facts().1
    }

    /// The title: the same for every occurrence (RFC 9457, 3.1.3).
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.facts().2
    }

    /// What the caller may read.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        self.facts().3
    }
}

/// A request that was refused.
#[derive(Clone, Debug)]
pub struct Denial {
    pub reason: Reason,
    /// The status to answer with.
    pub status: StatusCode,
    /// The `Allow` header of a 405.
    pub allow: Option<HeaderValue>,
    /// The number of the route that refused; `None` before there was one.
    pub route: Option<usize>,
    /// Within how many seconds a second factor must have been shown, where that is what it lacks.
    pub max_age: Option<NonZeroU32>,
    /// What is wrong with the request itself, for the caller; `None` where the reason says it all.
    pub fault: Option<&'static str>,
    /// What an operator should know; for logs, never for the caller.
    pub hint: Option<&'static str>,
}

impl From<TargetError> for Denial {
    fn from(error: TargetError) -> Self {
        Self::new(Reason::BadTarget).with_fault(error.reason())
    }
}

impl From<HostError> for Denial {
    fn from(error: HostError) -> Self {
        Self::new(Reason::BadTarget).with_fault(error.reason())
    }
}

impl From<query::Ambiguous> for Denial {
    fn from(error: query::Ambiguous) -> Self {
        Self::new(Reason::Ambiguous).with_fault(error.reason())
    }
}

impl From<FieldError> for Denial {
    fn from(error: FieldError) -> Self {
        let reason = match error {
            FieldError::Repeated | FieldError::Spelling => Reason::Ambiguous,
            FieldError::Dropped | FieldError::NotAscii => Reason::BadField,
        };
        Self::new(reason).with_fault(error.reason())
    }
}

impl Denial {
    /// A refusal with the usual status of its reason.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason, status: reason.status(), allow: None, route: None, max_age: None, fault: None, hint: None }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with what is wrong with the request: a sentence without its capital and its full stop, which repeats nothing that
    /// was sent.
    #[must_use]
    pub fn with_fault(self, fault: &'static str) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// The same with a word for the operator.
    #[must_use]
    pub fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// The same with the route that refused.
    #[must_use]
    pub fn at(self, route: usize) -> Self {
        Self { route: Some(route), ..self }
    }

    /// What the caller is told is the reason. A foreign organization under 404 is told like a missing route, and so is an object that is
    /// not there: nothing says that there is something to find.
    #[must_use]
    pub fn told_as(&self) -> Reason {
        if self.is_hidden() { Reason::NoRoute } else { self.reason }
    }

    /// Whether the caller is not told the reason.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
            && matches!(self.reason, Reason::OrgForeign | Reason::LookupNotFound | Reason::UpstreamError)
    }

    /// What the caller reads: what is wrong with the request, where that is known; else what its reason says.
    #[must_use]
    pub fn detail(&self) -> Cow<'static, str> {
        match self.fault {
            Some(fault) => Cow::Owned(sentence(fault)),
            None => Cow::Borrowed(self.told_as().detail()),
        }
    }

    /// The body of its answer, `application/problem+json` (RFC 9457).
    #[must_use]
    pub fn problem(&self) -> String {
        let told = self.told_as();
        let code = told.code();
        let mut problem = serde_json::json!({
            "type": format!("urn:postern:reason:{code}"),
            "title": told.title(),
            "status": self.status.as_u16(),
            "detail": self.detail(),
            "code": code,
        });
        // As the challenge calls it (RFC 9470, section 3).
        if let (Some(max_age), Some(members)) = (self.max_age, problem.as_object_mut()) {
            members.insert("max_age".to_owned(), max_age.get().into());
        }
        problem.to_string()
    }
}

fn sentence(text: &str) -> String {
    let (first, rest) = text.split_at_checked(1).unwrap_or((text, ""));
    format!("{}{rest}.", first.to_ascii_uppercase())
}
