//! From the configuration to what the engine works with: settings and one client per metric provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use autopilot_shared::config::{Auth, Config, PrometheusParams, SecretSource};
use jiff::SignedDuration;

use crate::decide::{ForgeSettings, Settings};
use crate::query::{Client, Credentials, Endpoint, Provider, SecretFrom};

/// A provider that can be asked.
#[derive(Clone, Debug)]
pub struct Source {
    /// Asks.
    pub provider: Arc<Provider>,
    /// Samples matched by a PVC's name count only for PVCs older than this, in seconds.
    pub lookback: i64,
    params: PrometheusParams,
}

impl Source {
    /// Whether nothing may happen while a scrape target is down.
    pub fn heeds_targets(&self) -> bool {
        !self.params.ignore_unhealthy_targets
    }
}

/// The configuration in force.
#[derive(Debug)]
pub struct InForce {
    /// As it was read.
    pub config: Config,
    /// For decisions.
    pub settings: Settings,
    sources: BTreeMap<String, Result<Source, String>>,
}

impl InForce {
    /// Takes a configuration into force. Providers that did not change keep their client.
    pub fn new(config: Config, before: Option<&InForce>) -> Self {
        let settings = Settings {
            metrics_lag: signed(config.metrics_lag),
            cancel_after: signed(config.cancel_after),
            suspended: config.suspend,
            forge: config.github.as_ref().map(|g| ForgeSettings {
                sync_limit: signed(g.sync_limit),
                deletion_limit: signed(g.deletion_limit),
            }),
        };
        let mut force = InForce { config, settings, sources: BTreeMap::new() };
        let names: Vec<Option<String>> =
            force.config.metric_providers.iter().map(|p| Some(p.name.clone())).chain([None]).collect();
        for wanted in names {
            let Ok(found) = force.config.provider(wanted.as_deref()) else {
                continue;
            };
            let (name, params) = (found.name.to_owned(), found.params.clone());
            let kept = before.and_then(|b| b.sources.get(&name)).and_then(|s| s.as_ref().ok());
            let source = match kept.filter(|kept| kept.params == params) {
                Some(kept) => Ok(kept.clone()),
                None => Client::new(endpoint(&params)).map_err(|e| e.to_string()).map(|client| Source {
                    provider: Arc::new(Provider::new(client)),
                    lookback: signed(params.lookback).as_secs(),
                    params,
                }),
            };
            force.sources.insert(name, source);
        }
        force
    }

    /// The provider that a rule wants: its name, and where to ask.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub fn source(&self, wanted: Option<&str>) -> Result<(&str, &Source), String> {
        let found = self.config.provider(wanted).map_err(|e| e.to_string())?;
        match self.sources.get(found.name) {
            Some(Ok(source)) => Ok((found.name, source)),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("provider {} is not ready", found.name)),
        }
    }
}

fn endpoint(params: &PrometheusParams) -> Endpoint {
    let secret = |source: &SecretSource| match source {
        SecretSource::Inline(secret) => SecretFrom::Text(secret.expose().to_owned()),
        SecretSource::File(path) => SecretFrom::File(path.clone()),
    };
    Endpoint {
        url: params.url.clone(),
        credentials: match &params.auth {
            Auth::None => Credentials::None,
            Auth::Basic { username, password } => {
                Credentials::Basic { username: username.clone(), password: secret(password) }
            }
            Auth::Bearer(token) => Credentials::Bearer(secret(token)),
        },
        ca_file: params.ca_file.clone(),
        timeout: params.timeout,
        max_answer: usize::try_from(params.max_answer).unwrap_or(usize::MAX),
    }
}

fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
