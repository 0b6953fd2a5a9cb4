//! The file as it is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess};

use super::error::ConfigError;

/// The whole file. Numbers stay text here: the messages about them name the field.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub providers: Option<Vec<RawProvider>>,
    #[serde(default)]
    pub gitops: Option<RawGitops>,
    #[serde(default)]
    pub min_poll_interval: Option<String>,
    #[serde(default, rename = "metricsLag")]
    pub metrics_lag: Option<String>,
    #[serde(default, rename = "cancelAfter")]
    pub cancel_after: Option<String>,
    #[serde(default)]
    pub suspend: Option<bool>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProvider {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, rename = "type")]
    pub type_: Option<String>,
    #[serde(default)]
    pub params: Option<Params>,
    #[serde(default)]
    pub github: Option<RawGithub>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGitops {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, rename = "type")]
    pub type_: Option<String>,
    /// Of any shape: each type has its own.
    #[serde(default)]
    pub params: Option<serde_json::Value>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawGithub {
    #[serde(default, deserialize_with = "text")]
    pub user: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub repo: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub folder: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub author: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub email: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub base_url: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub branch: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub labels: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list")]
    pub reviewers: Option<Vec<String>>,
    #[serde(default, deserialize_with = "text")]
    pub poll_interval: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub cluster_name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub max_open: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub sync_limit: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub deletion_limit: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub request_sync: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub token_file: Option<String>,
}

/// `params` of a metric provider: the original's `key=value,key=value`, or a map. No `Debug`: secrets are in
/// here.
#[derive(Clone)]
pub(super) enum Params {
    Text(String),
    Map(BTreeMap<String, Option<String>>),
}

impl Default for Params {
    fn default() -> Self {
        Params::Map(BTreeMap::new())
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Params;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("key=value,key=value or a map of settings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Params, E> {
                Ok(Params::Text(text.to_owned()))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Params, E> {
                Ok(Params::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let mut settings = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, Option<String>>()? {
                    settings.insert(key, value);
                }
                Ok(Params::Map(settings))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// Reads text, or a number or truth value as it is spelled: `gitops.params` has been read without knowing its
/// types.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    use serde_json::Value;
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(truth)) => Ok(Some(truth.to_string())),
        Some(_) => Err(de::Error::custom("give one value, not a list or a map")),
    }
}

/// Reads a list of texts. Serde's own message would quote what is there instead.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    use serde_json::Value;
    let texts = |list: Vec<Value>| -> Option<Vec<String>> {
        list.into_iter()
            .map(|value| match value {
                Value::String(text) => Some(text),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .collect()
    };
    let list = match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => texts(list),
        Some(_) => None,
    };
    list.map(Some).ok_or_else(|| de::Error::custom("labels and reviewers are lists of names"))
}

/// Reads a file.
///
/// # Errors
/// With line and column, without a word of the file but its keys: a line may hold a secret.
pub(super) fn read(yaml: &str) -> Result<RawConfig, ConfigError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        // As a person means it: only true and false are truth values, 007 and 1_000 are text.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let file: Option<RawConfig> = serde_saphyr::from_str_with_options(yaml, options).map_err(|e| {
        let location = e.location();
        ConfigError::Yaml {
            line: location.map_or(0, |l| l.line()),
            column: location.map_or(0, |l| l.column()),
            problem: problem(e.without_snippet()),
        }
    })?;
    Ok(file.unwrap_or_default())
}

/// Describes an error without quoting values.
fn problem(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("unknown key {field:?}; there are {}", expected.join(", "))
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("expected {expected}")
        }
        Error::InvalidScalar { ty, .. } => format!("expected {ty}"),
        Error::Unexpected { expected, .. } => format!("expected {expected}"),
        Error::DuplicateMappingKey { key, .. } => {
            format!("key {:?} stands there twice", key.as_deref().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

/// Reads the settings of GitHub under `gitops.params`.
pub(super) fn github(params: &serde_json::Value) -> Result<RawGithub, String> {
    // The messages name the key; the values here are no secrets, but one may have strayed in.
    RawGithub::deserialize(params).map_err(|e| {
        let text = e.to_string();
        if text.starts_with("unknown field `token`") || text.starts_with("unknown field `password`") {
            return "a token does not belong here; put it into the Secret aut-github, key GITHUB_TOKEN"
                .to_owned();
        }
        text
    })
}
