//! Values that several parts of the configuration have: numbers, times, addresses.

use std::time::Duration;

use super::error::ConfigError;

/// A day: no time in the configuration is longer.
pub(super) const DAY: u64 = 86_400;

/// Makes the error of one field.
pub(super) fn field(field: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError::Field { field: field.into(), problem: problem.into() }
}

/// Returns a value that must be there, without white space around it.
pub(super) fn required<'a>(value: Option<&'a str>, at: &str, key: &str) -> Result<&'a str, ConfigError> {
    match value.map(str::trim) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(field(format!("{at}.{key}"), "missing")),
    }
}

/// Reads a whole number of seconds within bounds. The value is not quoted: it may be part of a secret that was cut.
pub(super) fn seconds(text: &str, at: &str, min: u64, max: u64) -> Result<Duration, ConfigError> {
    number(text, at, min, max, "seconds").map(Duration::from_secs)
}

/// Reads a whole number within bounds. The value is not quoted: it may be part of a secret that was cut.
pub(super) fn number(text: &str, at: &str, min: u64, max: u64, unit: &str) -> Result<u64, ConfigError> {
    match text.trim().parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(field(at, format!("give a whole number of {unit} from {min} to {max}"))),
    }
}

/// Reads an `http` or `https` address without credentials, query or fragment; a slash at its end is dropped.
pub(super) fn address(text: &str, at: &str) -> Result<String, ConfigError> {
    let text = text.trim();
    let wrong = || field(at, "give an address such as http://prometheus:9090");
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or_else(wrong)?;
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err(field(at, "holds credentials; move them to username and password"));
    }
    let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '@' | '"' | '\\');
    if host.is_empty() || host.starts_with(':') || rest.contains(strange) {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}
