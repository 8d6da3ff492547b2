//! Whether people can log in as the configuration says: at its providers, and with second factors.

use super::Findings;
use crate::config::Config;
use crate::directory::Directory;
use crate::oidc::provider::Provider;
use tokio::runtime::Handle;

/// Whether the organizations are there whose members must have a second factor.
pub(super) async fn second_factors(store: &Directory, config: &Config, findings: &mut Findings) {
    let Some(settings) = &config.identity.accounts.mfa else { return };
    match settings.unknown_organizations(store).await {
        Ok(unknown) if unknown.is_empty() => {}
        Ok(unknown) => {
            let detail = format!("`organizations` names some that are not there: {}", unknown.join(", "));
            findings.add("second factors", "warning", detail);
        }
        Err(error) => findings.of("second factors", Err(error.into())),
    }
}

/// Whether each provider says where its endpoints and keys are, and that it is the configured issuer.
pub(super) async fn providers(config: &Config, findings: &mut Findings) {
    for settings in &config.identity.accounts.providers {
        let check = format!("provider {}", settings.name);
        match Provider::probe(settings.clone(), Handle::current()).await {
            Ok(keys) => findings.add(check, "ok", format!("is {}, with {keys} keys", settings.issuer)),
            Err(problem) => findings.add(check, "failed", format!("{}: {problem}", settings.issuer)),
        }
    }
}
