//! The meaning of a reply that is no success (pure).

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;

use crate::prometheus::clean;
use crate::pull_requests::forge::ForgeError;

/// Pause if GitHub asks for one and does not say how long, as its documentation says.
const PAUSE: Duration = Duration::from_secs(60);
/// No pause is longer: the window of the primary limit is an hour, and a clock may be wrong.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// Reason why a request failed, with details for the caller.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The error of the port.
    pub(crate) error: ForgeError,
    /// Status of the reply; `None` if there was none.
    pub(crate) status: Option<StatusCode>,
    /// The reason, in GitHub's words.
    pub(crate) words: String,
}

impl From<Problem> for ForgeError {
    fn from(problem: Problem) -> ForgeError {
        problem.error
    }
}

impl Problem {
    /// A reply that cannot be used, or none: whether anything happened is not known.
    pub(crate) fn unavailable(doing: &str, what: &str) -> Problem {
        let error = ForgeError::Unavailable(format!("cannot {doing}: {what}"));
        Problem { error, status: None, words: String::new() }
    }

    /// There is no token, so nothing was asked.
    pub(crate) fn no_token(doing: &str, why: &str) -> Problem {
        let error = ForgeError::Unauthorized(format!("cannot {doing}: {why}"));
        Problem { error, status: None, words: String::new() }
    }

    /// The token is another one, so nothing was asked.
    pub(crate) fn new_token() -> Problem {
        Problem { error: ForgeError::NewToken, status: None, words: String::new() }
    }

    /// Whether the reply has the status and its words contain `what`, whatever their case.
    pub(crate) fn says(&self, status: StatusCode, what: &str) -> bool {
        self.status == Some(status) && self.words.to_lowercase().contains(what)
    }

    /// Returns the same error as another variant.
    pub(crate) fn renamed(self, name: fn(String) -> ForgeError) -> ForgeError {
        match self.error {
            ForgeError::Unauthorized(text)
            | ForgeError::Refused(text)
            | ForgeError::NotFound(text)
            | ForgeError::Invalid(text)
            | ForgeError::Unavailable(text) => name(text),
            other @ (ForgeError::Limited { .. } | ForgeError::NewToken) => other,
        }
    }
}

/// Returns the meaning of a reply for a request with this purpose (`open a pull request in acme/flux`).
pub(crate) fn problem(
    doing: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Problem {
    let words = words(status, body);
    let code = status.as_u16();
    let text = |hint: &str| {
        let end = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        format!("cannot {doing}: {code} {words}{end}")
    };
    let error = match code {
        403 | 429 if is_limit(code, headers, &words) => {
            ForgeError::Limited { until: until(headers, now), why: text("") }
        }
        401 => ForgeError::Unauthorized(text(
            "the token is wrong, expired or revoked; put a valid one in its place, no restart is needed",
        )),
        403 => ForgeError::Refused(text(&permission(headers))),
        404 | 410 => ForgeError::NotFound(text(
            "check user, repo and baseUrl in the configuration, and that the token may see the repository",
        )),
        409 => ForgeError::Refused(text("")),
        422 if is_protected(&words) => {
            ForgeError::Refused(text("allow the token's owner to bypass the rule, or leave it"))
        }
        300..=399 => ForgeError::Refused(text(
            "it was renamed or moved; write its present name into the configuration (no redirect is followed)",
        )),
        500..=599 => ForgeError::Unavailable(text("")),
        _ => ForgeError::Invalid(text("")),
    };
    Problem { error, status: Some(status), words }
}

#[derive(Deserialize)]
struct ErrorBody {
    message: Option<String>,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

/// Returns GitHub's words; a page for people has none.
fn words(status: StatusCode, body: &[u8]) -> String {
    let mut parts = Vec::new();
    if let Ok(body) = serde_json::from_slice::<ErrorBody>(body) {
        parts.extend(body.message);
        parts.extend(body.errors.iter().filter_map(detail));
    }
    let joined = parts.join(": ");
    let joined = joined.split_whitespace().collect::<Vec<_>>().join(" ");
    match clean(&joined) {
        words if words.is_empty() => status.canonical_reason().unwrap_or("without a reason").to_owned(),
        words => words,
    }
}

/// Returns one of the reasons of a 422: a text, or the message of an object, or the field and code that it names.
fn detail(error: &serde_json::Value) -> Option<String> {
    let text = |name: &str| error.get(name).and_then(serde_json::Value::as_str);
    if let Some(text) = error.as_str().or_else(|| text("message")) {
        return Some(text.to_owned());
    }
    let named: Vec<&str> = ["resource", "field", "code"].into_iter().filter_map(text).collect();
    (!named.is_empty()).then(|| named.join(" "))
}

/// Whether this is a limit rather than a permission. The secondary limits come without `remaining: 0`, and sometimes
/// without any header.
fn is_limit(code: u16, headers: &HeaderMap, words: &str) -> bool {
    let words = words.to_lowercase();
    code == 429
        || headers.contains_key(RETRY_AFTER)
        || number(headers, "x-ratelimit-remaining") == Some(0)
        || ["rate limit", "abuse detection"].iter().any(|phrase| words.contains(phrase))
}

/// Returns the time from which it may be asked again: `retry-after`, else the reset of an exhausted budget, else
/// [`PAUSE`].
fn until(headers: &HeaderMap, now: Timestamp) -> Timestamp {
    let exhausted = number(headers, "x-ratelimit-remaining") == Some(0);
    // Its clock minus its clock: ours may be wrong.
    let its_now = headers
        .get(DATE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| rfc2822::DateTimeParser::new().parse_timestamp(v).ok())
        .unwrap_or(now);
    let pause = match (number(headers, RETRY_AFTER.as_str()), number(headers, "x-ratelimit-reset")) {
        (Some(seconds), _) => Duration::from_secs(seconds),
        (None, Some(reset)) if exhausted => {
            let reset = i64::try_from(reset).unwrap_or(i64::MAX);
            // A second more, since both times are cut to whole seconds.
            let wait = reset.saturating_sub(its_now.as_second()).saturating_add(1);
            Duration::from_secs(u64::try_from(wait).unwrap_or(0))
        }
        _ => PAUSE,
    };
    now.saturating_add(pause.clamp(Duration::from_secs(1), LONGEST)).unwrap_or(Timestamp::MAX)
}

/// Returns advice about a 403 that is no limit.
fn permission(headers: &HeaderMap) -> String {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    // Its value may hold an address with a credential in it, so it is not repeated.
    if header("x-github-sso").is_some() {
        return "authorise the token for the organisation's single sign-on".to_owned();
    }
    match header("x-accepted-github-permissions").map(clean).filter(|needs| !needs.is_empty()) {
        Some(needs) => format!("a fine-grained token needs {needs} here, a classic one the scope repo"),
        None => "the token needs Contents and Pull requests, read and write (a classic one the scope repo)"
            .to_owned(),
    }
}

/// Whether a 422 comes from a protected branch or a ruleset. GitHub has no code for it.
fn is_protected(words: &str) -> bool {
    let words = words.to_lowercase();
    [
        "rule violations",
        "protected branch",
        "protected ref",
        "through a pull request",
        "approving review",
        "required status check",
        "reference update failed",
        "cannot delete this branch",
        "cannot create ref",
        "must have verified signatures",
    ]
    .iter()
    .any(|phrase| words.contains(phrase))
}

/// Reads a header that is a number.
pub(crate) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
#[path = "problem_tests.rs"]
mod tests;
