//! Where everything is, where nothing moves it: under [`PREFIX`], in whose place another prefix may be configured.

/// What the paths of the identity API begin with, unless `identity.prefix` says otherwise.
pub use crate::config::accounts::PREFIX;

/// The page that describes the API; what describes it stays beside the prefix, wherever that is.
pub const DOCS: &str = "/api/v1/docs/";
/// The same for programs.
pub const DESCRIPTION: &str = "/api/v1/docs/openapi.json";
/// The path of the token endpoint.
pub const TOKEN: &str = "/api/v1/users/token/";
/// The path of the login page.
pub const LOGIN: &str = "/api/v1/users/login/";
/// What the paths begin with at which people go to a provider, and come back from there.
pub const PROVIDERS: &str = "/api/v1/users/login/with/";
/// The path of the page with what is somebody's own.
pub const ACCOUNT: &str = "/api/v1/users/account/";
/// The path of the second step of a login.
pub const SECOND_FACTOR: &str = "/api/v1/users/login/code/";
/// The path at which people log in with a passkey, or show one behind a password.
pub const PASSKEY: &str = "/api/v1/users/login/passkey/";
/// The path of the page with somebody's passkeys.
pub const PASSKEYS: &str = "/api/v1/users/account/passkeys/";
/// The path of the page on which somebody lets a device in.
pub const DEVICE: &str = "/api/v1/users/device/";
/// Where a device asks to be let in.
pub const DEVICE_AUTHORIZATION: &str = "/api/v1/users/device/authorization/";
/// Where it asks for its token.
pub const DEVICE_TOKEN: &str = "/api/v1/users/device/token/";
/// Where it ends that.
pub const DEVICE_REVOCATION: &str = "/api/v1/users/device/revocation/";
/// The path of the logout page.
pub const LOGOUT: &str = "/api/v1/users/logout/";
/// The path at which who is logged in changes their password.
pub const CHANGE: &str = "/api/v1/users/user/password/change/";
/// The path at which a link is asked for.
pub const RESET: &str = "/api/v1/users/password/reset/";
/// The path at which a link's token is used.
pub const CONFIRM: &str = "/api/v1/users/password/reset/confirm/";
/// The path of the page on which who is logged in changes their password.
pub const CHANGE_PAGE: &str = "/api/v1/users/password/change/";
/// The path of the page on which a link is asked for.
pub const FORGOTTEN: &str = "/api/v1/users/password/forgotten/";
/// What the path of a link begins with.
pub const RESET_PAGE: &str = "/api/v1/users/password/reset/key/";
/// What the path of a link begins with that shows whose an e-mail address is.
pub const CONFIRM_EMAIL: &str = "/api/v1/users/email/confirm/";
/// What the paths of what pages are made with begin with.
pub const ASSETS: &str = "/api/v1/users/assets/";
/// Pages on which people log in, and what those lead to; what begins so is one too.
pub const OF_LOGINS: [&str; 10] = [
    LOGIN,
    LOGOUT,
    ACCOUNT,
    CHANGE_PAGE,
    FORGOTTEN,
    RESET_PAGE,
    CONFIRM_EMAIL,
    ASSETS,
    CHANGE_PAGE_COMPAT,
    FORGOTTEN_COMPAT,
];
/// What is ours outside of the prefix with `compat: openwisp`: links that an old installation has sent.
pub const COMPAT: [&str; 2] = [CHANGE_PAGE_COMPAT, FORGOTTEN_COMPAT];
/// [`CHANGE_PAGE`], where the reference has it.
pub const CHANGE_PAGE_COMPAT: &str = "/accounts/password/change/";
/// [`FORGOTTEN`], where the reference has it.
pub const FORGOTTEN_COMPAT: &str = "/accounts/password/reset/";
/// [`RESET_PAGE`], where the reference has it.
pub const RESET_PAGE_COMPAT: &str = "/accounts/password/reset/key/";
