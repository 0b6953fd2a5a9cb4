//! From the configuration to what the engine works with: settings and one client per metric provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use autopilot_shared::config::{Auth, Config, PrometheusParams, SecretSource};
use jiff::SignedDuration;

use crate::decide::{ForgeSettings, Settings};
use crate::prometheus::{Client, Credentials, Endpoint, Provider, SecretFrom};

/// A provider that can be asked.
#[derive(Clone, Debug)]
pub struct Source {
    /// Asks.
    pub provider: Arc<Provider>,
    /// Samples matched by a PVC's name count only for PVCs older than this, in seconds.
    pub lookback: i64,
    params: PrometheusParams,
    /// The file with authorities, as it was when it was read.
    authorities: Stamp,
}

/// When a file was written, and its size; nothing when there is none.
type Stamp = Option<(SystemTime, u64)>;

impl Source {
    fn new(params: PrometheusParams) -> Result<Self, String> {
        // Looked at before it is read: what comes in between is read once more.
        let authorities = stamp(&params);
        let client = Client::new(endpoint(&params)).map_err(|e| e.to_string())?;
        let (provider, lookback) = (Arc::new(Provider::new(client)), signed(params.lookback).as_secs());
        Ok(Source { provider, lookback, params, authorities })
    }

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
            unknown: false,
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
                None => Source::new(params),
            };
            force.sources.insert(name, source);
        }
        force
    }

    /// Makes the clients anew that could not be made, and those whose file with authorities has changed: it may be mounted
    /// late, and is replaced before its certificates end.
    pub fn renew(&mut self) {
        let old = |source: &Result<Source, String>| match source {
            Ok(source) => source.authorities != stamp(&source.params),
            Err(_) => true,
        };
        let names: Vec<String> =
            self.sources.iter().filter(|(_, source)| old(source)).map(|(name, _)| name.clone()).collect();
        for name in names {
            let Ok(found) = self.config.provider(Some(&name)) else { continue };
            let new = Source::new(found.params.clone());
            // One that worked goes on with what it had read until the file can be read again.
            if new.is_ok() || self.sources.get(&name).is_none_or(Result::is_err) {
                self.sources.insert(name, new);
            }
        }
    }

    /// Whether the configuration has a provider of this name.
    pub fn has_provider(&self, name: &str) -> bool {
        self.sources.contains_key(name)
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

fn stamp(params: &PrometheusParams) -> Stamp {
    let file = params.ca_file.as_ref()?.metadata().ok()?;
    Some((file.modified().ok()?, file.len()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_authorities_may_come_late_and_change() {
        let folder = std::env::temp_dir().join(format!("autopilot-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("ca.pem");
        let text = format!(
            "providers:\n- name: default\n  type: prometheus\n  params: url=https://prometheus:9090,ca_file={}\n",
            file.display()
        );
        let mut force = InForce::new(Config::parse(&text).unwrap(), None);
        let client = |force: &InForce| force.source(None).map(|(_, source)| Arc::as_ptr(&source.provider));
        assert!(client(&force).unwrap_err().contains("ca.pem"), "there is no such file yet");
        std::fs::write(&file, crate::prometheus::tls::tests::AUTHORITY).unwrap();
        force.renew();
        let first = client(&force).unwrap();
        force.renew();
        assert_eq!(client(&force).unwrap(), first, "nothing has changed");
        std::fs::write(&file, format!("# renewed\n{}", crate::prometheus::tls::tests::AUTHORITY)).unwrap();
        force.renew();
        let second = client(&force).unwrap();
        assert_ne!(second, first);
        // Half written: what was read goes on.
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n").unwrap();
        force.renew();
        assert_eq!(client(&force).unwrap(), second);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
