//! The connection to a Prometheus: address, credentials and limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigError;
use super::field::{DAY, address, field, number, seconds};
use super::raw::Params;
use super::secret::Secret;

/// Source: the original's operator and its reference.
const DEFAULT_URL: &str = "http://px-prometheus:9090";
const KEYS: &str = "url, username, password, password_file, token, token_file, ca_file, timeout, lookback, \
                    max_answer, ignore_unhealthy_targets";

/// Settings of a connection to a Prometheus.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusParams {
    /// `http://host:9090`, without a slash at the end and without `/api/v1`. Key `url`.
    pub url: String,
    /// Credentials. Keys `username`, `password` or `password_file`; or `token` or `token_file`.
    pub auth: Auth,
    /// A PEM file with authorities that are trusted in addition. Key `ca_file`.
    pub ca_file: Option<PathBuf>,
    /// Longest time that an answer may take. Default 10 s.
    pub timeout: Duration,
    /// The server's look-back (`--query.lookback-delta`): how old a sample of an instant query may be.
    /// Default 300 s.
    pub lookback: Duration,
    /// Most bytes that an answer may have, unpacked. Default 32 MiB.
    pub max_answer: u64,
    /// `true`: rules are evaluated although some scrape targets are down. Default `true`.
    pub ignore_unhealthy_targets: bool,
}

/// Credentials of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// No credentials.
    #[default]
    None,
    /// `Authorization: Basic`.
    Basic {
        /// Never empty.
        username: String,
        /// Never empty if it is inline.
        password: SecretSource,
    },
    /// `Authorization: Bearer`.
    Bearer(SecretSource),
}

/// Place of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In the configuration.
    Inline(Secret),
    /// In a file, read anew whenever it is needed: mounted secrets change.
    File(PathBuf),
}

impl Default for PrometheusParams {
    fn default() -> Self {
        PrometheusParams {
            url: DEFAULT_URL.to_owned(),
            auth: Auth::None,
            ca_file: None,
            timeout: Duration::from_secs(10),
            lookback: Duration::from_secs(300),
            max_answer: 32 << 20,
            ignore_unhealthy_targets: true,
        }
    }
}

impl PrometheusParams {
    pub(super) fn parse(params: &Params, at: &str) -> Result<Self, ConfigError> {
        let mut given = entries(params, at)?;
        let mut take = |key: &str| given.remove(key).filter(|value| !value.is_empty());
        let mut parsed = PrometheusParams::default();
        if let Some(text) = take("url") {
            parsed.url = address(&text, &format!("{at}.url"))?;
        }
        if let Some(text) = take("timeout") {
            parsed.timeout = seconds(&text, &format!("{at}.timeout"), 1, 600)?;
        }
        if let Some(text) = take("lookback") {
            parsed.lookback = seconds(&text, &format!("{at}.lookback"), 1, DAY)?;
        }
        if let Some(text) = take("max_answer") {
            parsed.max_answer = number(&text, &format!("{at}.max_answer"), 1024, 1 << 40, "bytes")?;
        }
        if let Some(text) = take("ignore_unhealthy_targets") {
            parsed.ignore_unhealthy_targets = text
                .parse()
                .map_err(|_| field(format!("{at}.ignore_unhealthy_targets"), "give true or false"))?;
        }
        parsed.ca_file = take("ca_file").map(PathBuf::from);

        let username = take("username");
        let mut secret = |key: &str| -> Result<Option<SecretSource>, ConfigError> {
            let file_key = format!("{key}_file");
            match (take(key), take(&file_key)) {
                (Some(_), Some(_)) => {
                    Err(field(format!("{at}.{file_key}"), format!("give {key} or {file_key}, not both")))
                }
                (Some(text), None) => Ok(Some(SecretSource::Inline(Secret::new(text)))),
                (None, Some(path)) => Ok(Some(SecretSource::File(PathBuf::from(path)))),
                (None, None) => Ok(None),
            }
        };
        let password = secret("password")?;
        let token = secret("token")?;
        parsed.auth = match (username, password, token) {
            (None, None, None) => Auth::None,
            (None, None, Some(token)) => Auth::Bearer(token),
            (Some(username), Some(password), None) => Auth::Basic { username, password },
            (Some(_), None, None) => {
                return Err(field(format!("{at}.username"), "alone; give password or password_file as well"));
            }
            (None, Some(_), None) => {
                return Err(field(format!("{at}.username"), "missing; there is a password"));
            }
            (_, _, Some(_)) => {
                return Err(field(
                    format!("{at}.token"),
                    "give a token, or a name with a password, not both",
                ));
            }
        };
        debug_assert!(given.is_empty(), "known and never taken: {:?}", given.keys());
        Ok(parsed)
    }
}

/// Returns key and value of each setting, all of which are known.
fn entries(params: &Params, at: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut found = BTreeMap::new();
    match params {
        Params::Map(map) => {
            for (key, value) in map {
                if !known(key) {
                    return Err(field(format!("{at}.{key}"), format!("no such setting; there are {KEYS}")));
                }
                found.insert(key.clone(), value.clone().unwrap_or_default());
            }
        }
        Params::Text(text) => {
            // Behind a secret, what looks like a key may be the rest of it: it held a comma.
            let mut behind_secret = false;
            for (i, entry) in text.split(',').map(str::trim).enumerate() {
                if entry.is_empty() {
                    continue;
                }
                let (key, value) =
                    entry.split_once('=').map_or((entry, None), |(k, v)| (k.trim(), Some(v.trim())));
                if !known(key) && behind_secret {
                    return Err(field(
                        at,
                        format!(
                            "entry {} is no setting; if a password or token holds a comma, write params as \
                             a map, or use password_file or token_file",
                            i + 1
                        ),
                    ));
                }
                if !known(key) {
                    return Err(field(format!("{at}.{key}"), format!("no such setting; there are {KEYS}")));
                }
                let Some(value) = value else {
                    return Err(field(format!("{at}.{key}"), "has no value; write key=value,key=value"));
                };
                if found.insert(key.to_owned(), value.to_owned()).is_some() {
                    return Err(field(format!("{at}.{key}"), "stands there twice"));
                }
                behind_secret |= matches!(key, "password" | "token");
            }
        }
    }
    Ok(found)
}

fn known(key: &str) -> bool {
    KEYS.split(", ").any(|known| known == key)
}
