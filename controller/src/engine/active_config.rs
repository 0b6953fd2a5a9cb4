//! From the configuration to what the engine works with: settings and one client per metric provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use autopilot_shared::config::{Auth, Config, PrometheusParams, ProviderError, SecretSource};
use jiff::SignedDuration;

use crate::decide::{ForgeSettings, Settings};
use crate::prometheus::{Client, ClientError, Credentials, Endpoint, Provider, SecretFrom};

/// A provider that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The client of the provider.
    pub(crate) provider: Arc<Provider>,
    /// Samples matched by a PVC's name count only for PVCs older than this, in seconds.
    pub(crate) lookback: i64,
    params: PrometheusParams,
    /// The file with authorities when it was read. `None` if there was none.
    authorities: Option<FileStamp>,
}

/// A version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    modified: SystemTime,
    size: u64,
}

impl FileStamp {
    /// Returns the stamp of the file with authorities. `None` if there is no such file.
    fn of_authorities(params: &PrometheusParams) -> Option<Self> {
        let file = params.ca_file.as_ref()?.metadata().ok()?;
        Some(FileStamp { modified: file.modified().ok()?, size: file.len() })
    }
}

/// Why a provider cannot be asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The configuration has none of that name, or no default.
    #[error(transparent)]
    Unknown(#[from] ProviderError),
    /// Its client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no client for it.
    #[error("provider {0} is not ready")]
    NotReady(String),
}

impl Source {
    fn new(params: PrometheusParams) -> Result<Self, SourceError> {
        // Looked at before it is read: what comes in between is read once more.
        let authorities = FileStamp::of_authorities(&params);
        let client = Client::new(endpoint(&params))?;
        let (provider, lookback) = (Arc::new(Provider::new(client)), signed(params.lookback).as_secs());
        Ok(Source { provider, lookback, params, authorities })
    }

    /// Returns whether nothing may happen while a scrape target is down.
    pub(crate) fn heeds_targets(&self) -> bool {
        !self.params.ignore_unhealthy_targets
    }
}

/// The configuration in force.
#[derive(Debug)]
pub(crate) struct ActiveConfig {
    config: Config,
    settings: Settings,
    sources: BTreeMap<String, Result<Source, SourceError>>,
}

impl ActiveConfig {
    /// Takes a configuration into force. Providers that did not change keep their client.
    pub(crate) fn new(config: Config, before: Option<&ActiveConfig>) -> Self {
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
        let mut force = ActiveConfig { config, settings, sources: BTreeMap::new() };
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

    /// As it was read.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The settings that decisions need.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Lets nothing start, because nobody knows what is wanted.
    pub(crate) fn suspend(&mut self, forge: ForgeSettings) {
        self.settings.unknown = true;
        self.settings.forge = Some(forge);
    }

    /// Makes the clients anew that could not be made, and those whose file with authorities has changed: it may be mounted
    /// late, and is replaced before its certificates end.
    pub(crate) fn renew(&mut self) {
        let old = |source: &Result<Source, SourceError>| match source {
            Ok(source) => source.authorities != FileStamp::of_authorities(&source.params),
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

    /// Returns whether the configuration has a provider of this name.
    pub(crate) fn has_provider(&self, name: &str) -> bool {
        self.sources.contains_key(name)
    }

    /// Returns the provider that a rule wants: its name, and where to ask.
    pub(crate) fn source(&self, wanted: Option<&str>) -> Result<(&str, &Source), SourceError> {
        let found = self.config.provider(wanted)?;
        match self.sources.get(found.name) {
            Some(Ok(source)) => Ok((found.name, source)),
            Some(Err(why)) => Err(why.clone()),
            None => Err(SourceError::NotReady(found.name.to_owned())),
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
        let mut force = ActiveConfig::new(Config::parse(&text).unwrap(), None);
        let client =
            |force: &ActiveConfig| force.source(None).map(|(_, source)| Arc::as_ptr(&source.provider));
        assert!(client(&force).unwrap_err().to_string().contains("ca.pem"), "there is no such file yet");
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
