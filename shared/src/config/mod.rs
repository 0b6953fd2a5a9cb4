//! The configuration: `config.yaml` of ConfigMap `autopilot-config`, or a file.
//!
//! Keys are the original's (`providers`, `gitops`, `min_poll_interval`) and ours (`metricsLag`,
//! `cancelAfter`, `suspend`). All times are whole seconds, as a number or as text. What has been parsed
//! cannot be wrong, except that a metric provider of a type that is not supported is kept by name: only the
//! rules that ask for it are in error.

mod error;
mod field;
mod github;
mod prometheus;
mod raw;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

pub use error::ConfigError;
pub use github::Github;
pub use prometheus::{Auth, PrometheusParams, SecretSource};
pub use secret::Secret;

use field::{DAY, field, required, seconds};

/// Type of a metric provider that is supported.
const PROMETHEUS: &str = "prometheus";
/// Type of a forge that is supported.
const GITHUB: &str = "github-scm";
/// Suffix of the types of forges.
const FORGE: &str = "-scm";

/// The configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Sources of metrics; never empty, names are unique.
    pub metric_providers: Vec<MetricProvider>,
    /// The folder where approvals become pull requests. `None` for approvals without pull requests. In the file it
    /// stands under `providers` or under `gitops`.
    pub github: Option<Github>,
    /// Forges that are configured but not supported: they have no effect.
    pub other_forges: Vec<OtherForge>,
    /// Shortest time between two steps of the engine. Default 5 s.
    pub min_poll_interval: Duration,
    /// Time by which metrics may lag behind an action: until then only a changed value counts. Default 300 s.
    pub metrics_lag: Duration,
    /// Time for which the conditions must not hold before a pending approval is withdrawn. Default 600 s.
    pub cancel_after: Duration,
    /// `true`: as if every rule were suspended. Default `false`.
    pub suspend: bool,
}

/// A source of metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricProvider {
    /// Unique name; rules ask for it by name or by type.
    pub name: String,
    /// `prometheus`, or a type that is not supported.
    pub type_: String,
    /// Connection settings. `None` if the type is not supported.
    pub prometheus: Option<PrometheusParams>,
}

/// A forge that is not supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherForge {
    /// Name in the file; may be empty.
    pub name: String,
    /// Type, for instance `bitbucket-scm`.
    pub type_: String,
}

/// The reason why a rule has no metric provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No provider has this name or type.
    #[error("no metric provider has the name or type {wanted:?}; configured are {configured}")]
    Unknown {
        /// Name or type that the rule asks for.
        wanted: String,
        /// Names and types of all providers, as a list for people.
        configured: String,
    },
    /// There is one, but its type is not supported.
    #[error(
        "metric provider {name:?} is of type {type_:?}, which is not supported; use one of type prometheus"
    )]
    Unsupported {
        /// Name in the configuration.
        name: String,
        /// Type that is not supported.
        type_: String,
    },
}

/// A metric provider that can be asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prometheus<'a> {
    /// Name in the configuration.
    pub name: &'a str,
    /// Connection settings.
    pub params: &'a PrometheusParams,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            metric_providers: vec![MetricProvider {
                name: "default".to_owned(),
                type_: PROMETHEUS.to_owned(),
                prometheus: Some(PrometheusParams::default()),
            }],
            github: None,
            other_forges: Vec::new(),
            min_poll_interval: Duration::from_secs(5),
            metrics_lag: Duration::from_secs(300),
            cancel_after: Duration::from_secs(600),
            suspend: false,
        }
    }
}

impl Config {
    /// Reads a configuration. An empty text is the default one.
    ///
    /// # Errors
    /// The first thing that is wrong; see [`ConfigError`].
    pub fn parse(yaml: &str) -> Result<Config, ConfigError> {
        let file = raw::read(yaml)?;
        let mut config = Config::default();
        if let Some(value) = &file.min_poll_interval {
            config.min_poll_interval = seconds(value, "min_poll_interval", 1, 3600)?;
        }
        if let Some(value) = &file.metrics_lag {
            config.metrics_lag = seconds(value, "metricsLag", 0, DAY)?;
        }
        if let Some(value) = &file.cancel_after {
            config.cancel_after = seconds(value, "cancelAfter", 0, DAY)?;
        }
        config.suspend = file.suspend.unwrap_or(false);

        let mut metrics = Vec::new();
        let mut names = BTreeSet::new();
        for (i, provider) in file.providers.unwrap_or_default().iter().enumerate() {
            let at = format!("providers[{i}]");
            let name = required(provider.name.as_deref(), &at, "name")?;
            let type_ = required(provider.type_.as_deref(), &at, "type")?;
            if !names.insert(name.to_owned()) {
                return Err(field(format!("{at}.name"), format!("{name:?} is taken; names are unique")));
            }
            match (&provider.github, type_) {
                (Some(settings), GITHUB) => {
                    if provider.params.is_some() {
                        return Err(field(
                            format!("{at}.params"),
                            "the settings of github-scm stand under github",
                        ));
                    }
                    set_github(&mut config, Github::parse(settings, &format!("{at}.github"))?, &at)?;
                }
                (None, GITHUB) => {
                    return Err(field(
                        format!("{at}.github"),
                        "missing; give user, repo, folder, author and email",
                    ));
                }
                (Some(_), _) => {
                    return Err(field(format!("{at}.github"), "belongs to a provider of type github-scm"));
                }
                (None, forge) if forge.ends_with(FORGE) => {
                    config.other_forges.push(OtherForge { name: name.to_owned(), type_: forge.to_owned() })
                }
                (None, _) => {
                    let params = provider.params.clone().unwrap_or_default();
                    metrics.push(MetricProvider {
                        name: name.to_owned(),
                        type_: type_.to_owned(),
                        prometheus: (type_ == PROMETHEUS)
                            .then(|| PrometheusParams::parse(&params, &format!("{at}.params")))
                            .transpose()?,
                    });
                }
            }
        }
        if !metrics.is_empty() {
            config.metric_providers = metrics;
        }

        if let Some(gitops) = &file.gitops {
            let type_ = required(gitops.type_.as_deref(), "gitops", "type")?;
            let params = match &gitops.params {
                Some(params) if params.as_object().is_some_and(|map| !map.is_empty()) => params,
                _ => {
                    return Err(field(
                        "gitops.params",
                        "missing; give the settings of the forge, key by key",
                    ));
                }
            };
            if type_ == GITHUB {
                let github = raw::github(params).map_err(|problem| field("gitops.params", problem))?;
                set_github(&mut config, Github::parse(&github, "gitops.params")?, "gitops")?;
            } else {
                config.other_forges.push(OtherForge {
                    name: gitops.name.clone().unwrap_or_default(),
                    type_: type_.to_owned(),
                });
            }
        }
        Ok(config)
    }

    /// Returns the provider that a rule asks for: by name, else by type. A rule that asks for none (or for the empty
    /// name) gets the one named `default`, else the first that is supported.
    ///
    /// # Errors
    /// There is none, or it is of a type that is not supported.
    pub fn provider(&self, wanted: Option<&str>) -> Result<Prometheus<'_>, ProviderError> {
        let all = || self.metric_providers.iter();
        let wanted = wanted.map(str::trim).filter(|w| !w.is_empty());
        let found = match wanted {
            Some(wanted) => all().find(|p| p.name == wanted).or_else(|| all().find(|p| p.type_ == wanted)),
            None => all()
                .find(|p| p.name == "default")
                .or_else(|| all().find(|p| p.prometheus.is_some()))
                .or_else(|| all().next()),
        };
        let Some(provider) = found else {
            let configured: Vec<String> = all().map(|p| format!("{:?} ({})", p.name, p.type_)).collect();
            return Err(ProviderError::Unknown {
                wanted: wanted.unwrap_or("default").to_owned(),
                configured: configured.join(", "),
            });
        };
        match &provider.prometheus {
            Some(params) => Ok(Prometheus { name: &provider.name, params }),
            None => {
                Err(ProviderError::Unsupported { name: provider.name.clone(), type_: provider.type_.clone() })
            }
        }
    }
}

fn set_github(config: &mut Config, github: Github, at: &str) -> Result<(), ConfigError> {
    if config.github.is_some() {
        return Err(field(at, "a second github-scm; only one is possible, leave one out"));
    }
    config.github = Some(github);
    Ok(())
}
