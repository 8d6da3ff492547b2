//! What to change where a front does not keep its word.

use crate::fronts::Front;

/// What a front must do.
#[derive(Clone, Copy)]
pub(super) enum Promise {
    /// Nobody but postern says whose a request is.
    Identity,
    /// The service does not see the credential.
    Credential,
    /// What is forwarded is what was judged.
    Target,
    /// Clients do not say what was asked for.
    Question,
    /// Refusals reach the client as they are.
    Refusal,
    /// Each request is asked about.
    Fresh,
    /// Bodies go on as they came, and end where postern thinks.
    Body,
    /// What a service says of identity stays behind.
    Answer,
}

impl Promise {
    /// The line to change, where the front is known.
    pub(super) const fn line(self, front: Option<Front>) -> &'static str {
        match (self, front) {
            (Self::Identity, Some(Front::Nginx)) => {
                "`proxy_set_header NAME $…;` for each of them where requests are forwarded, `auth_request_set $… $upstream_http_…;` beside it, `underscores_in_headers off` and `ignore_invalid_headers on`"
            }
            (Self::Identity, Some(Front::Caddy)) => {
                "`copy_headers` must have each of them, and nothing may remove headers that `Connection` names behind it"
            }
            (Self::Identity, Some(Front::Traefik)) => "`authResponseHeaders` must have each of them",
            (Self::Identity, Some(Front::Envoy)) => {
                "`allowed_headers` must show postern all headers (`safe_regex: .*`), and `allowed_upstream_headers` must have each of them"
            }
            (Self::Identity, Some(Front::EnvoyGrpc)) => {
                "no `allowed_headers` and no `disallowed_headers` in the filter: what postern is not shown it cannot take away"
            }
            (Self::Identity, Some(Front::Haproxy)) => {
                "`replaced` of postern.lua must have each of them, and what `x-postern-remove` names must be taken away"
            }
            (Self::Identity, _) => {
                "the front must put what postern tells in the place of the client's header, in every spelling, and remove it where that is empty"
            }
            (Self::Credential, Some(Front::Nginx)) => {
                "`proxy_set_header Authorization $told_authorization;`, `proxy_set_header Cookie $told_cookie;` with what `auth_request_set` took from the answer"
            }
            (Self::Credential, Some(Front::Caddy)) => "`copy_headers` must have `Authorization` and `Cookie`",
            (Self::Credential, Some(Front::Haproxy)) => {
                "`replaced` of postern.lua must have `authorization` and `cookie`"
            }
            (Self::Credential, Some(Front::Envoy)) => {
                "`allowed_upstream_headers` must have `authorization` and `cookie`"
            }
            (Self::Credential, _) => {
                "the front must replace `Authorization` and `Cookie` by those of postern's answer, and remove them where those are empty"
            }
            (Self::Target, Some(Front::Nginx)) => {
                "`proxy_pass http://NAME;` without a path behind the name, and no `rewrite … break` or `try_files` before it"
            }
            (Self::Target, Some(Front::Caddy)) => "no `rewrite`, `uri` or `handle_path` before `reverse_proxy`",
            (Self::Target, Some(Front::Envoy | Front::EnvoyGrpc)) => {
                "`normalize_path: false`, `merge_slashes: false`, `path_with_escaped_slashes_action: KEEP_UNCHANGED`, no `prefix_rewrite`"
            }
            (Self::Target, Some(Front::Haproxy)) => "no `http-request normalize-uri`, `set-path` or `replace-path`",
            (Self::Target, _) => "the front must forward the target as it came",
            (Self::Question, Some(Front::Nginx)) => {
                "`proxy_set_header X-Original-URI $request_uri;` and `X-Original-Method $request_method;` where postern is asked, and `auth_request` in every location that forwards"
            }
            (Self::Question, Some(Front::Caddy | Front::Traefik)) => {
                "the front itself must set X-Forwarded-Method, -Uri and -Host, and forward nothing that it has not asked about"
            }
            (Self::Question, Some(Front::Haproxy)) => {
                "`http-request lua.postern` in every frontend, before anything that forwards, and nothing that lets a request by"
            }
            (Self::Question, Some(Front::Envoy | Front::EnvoyGrpc)) => {
                "`envoy.filters.http.ext_authz` among the `http_filters`, and no `disabled: true` for it on a route of the service"
            }
            (Self::Question, _) => {
                "the front must say itself what was asked for, and forward nothing that it has not asked about"
            }
            (Self::Refusal, Some(Front::Nginx)) => {
                "`error_page 401 403 500 = @postern_refusal;` and the location of that name, as `postern integrate nginx` prints them"
            }
            (Self::Refusal, Some(Front::Envoy)) => "`allowed_client_headers` must not be set to less than all",
            (Self::Refusal, _) => "the front must pass status, headers and body of a refusal on",
            (Self::Fresh, Some(Front::Nginx)) => "no `proxy_cache` for the question, nor for what it lets through",
            (Self::Fresh, _) => "no cache of verdicts, and none of answers, before postern",
            (Self::Body, _) => "the front must refuse what is framed ambiguously (RFC 9112, 6.3), and change no body",
            (Self::Answer, Some(Front::Nginx)) => {
                "`proxy_hide_header NAME;` for each header that the service must not tell"
            }
            (Self::Answer, _) => "remove headers of the service's answers that begin with `X-Postern-`",
        }
    }
}
