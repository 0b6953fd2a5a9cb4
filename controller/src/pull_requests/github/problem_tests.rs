//! Answers of GitHub and what they mean.

use http::{HeaderName, HeaderValue};

use super::*;

const DOING: &str = "open a pull request in acme/flux";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let one = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(one).collect()
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn of(status: u16, pairs: &[(&'static str, &str)], body: &str) -> ForgeError {
    problem(DOING, StatusCode::from_u16(status).unwrap(), &headers(pairs), body.as_bytes(), now()).error
}

#[test]
fn every_refusal_has_its_name_and_says_what_was_being_done() {
    type Name = fn(String) -> ForgeError;
    let cases: [(u16, &str, Name, &str); 18] = [
        (
            401,
            r#"{"message":"Bad credentials"}"#,
            ForgeError::Unauthorized,
            "Bad credentials; the token is wrong",
        ),
        (
            403,
            r#"{"message":"Resource not accessible by personal access token"}"#,
            ForgeError::Refused,
            "Contents",
        ),
        (403, r#"{"message":"Repository was archived so is read-only."}"#, ForgeError::Refused, "archived"),
        (404, r#"{"message":"Not Found"}"#, ForgeError::NotFound, "404 Not Found; check user, repo"),
        (410, r#"{"message":"Issues are disabled"}"#, ForgeError::NotFound, "Issues are disabled"),
        (
            409,
            r#"{"message":"Git Repository is empty."}"#,
            ForgeError::Refused,
            "409 Git Repository is empty.",
        ),
        (
            422,
            r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"A pull request already exists for acme:b."}]}"#,
            ForgeError::Invalid,
            "422 Validation Failed: A pull request already exists for acme:b.",
        ),
        (
            422,
            r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"base","code":"invalid"}, "x y"]}"#,
            ForgeError::Invalid,
            "Validation Failed: PullRequest base invalid: x y",
        ),
        (
            422,
            r#"{"message":"Repository rule violations found\n\nChanges must be made through a pull request.\n\n"}"#,
            ForgeError::Refused,
            "found Changes must be made through a pull request.; allow",
        ),
        (422, r#"{"message":"Cannot update this protected ref."}"#, ForgeError::Refused, "protected"),
        (422, r#"{"message":"Required status check \"ci\" is expected."}"#, ForgeError::Refused, "\"ci\""),
        (422, r#"{"message":"Update is not a fast forward"}"#, ForgeError::Invalid, "fast forward"),
        (400, r#"{"message":"Problems parsing JSON"}"#, ForgeError::Invalid, "400 Problems parsing JSON"),
        (301, r#"{"message":"Moved Permanently"}"#, ForgeError::Refused, "renamed or moved"),
        (500, "", ForgeError::Unavailable, "500 Internal Server Error"),
        (502, "<html><title>Unicorn!</title></html>", ForgeError::Unavailable, "502 Bad Gateway"),
        (503, r#"{"message":"No server is currently available"}"#, ForgeError::Unavailable, "No server"),
        (504, "gateway", ForgeError::Unavailable, "504 Gateway Timeout"),
    ];
    for (status, body, name, part) in cases {
        let error = of(status, &[("x-ratelimit-remaining", "4999")], body);
        assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&name(String::new())), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("cannot {DOING}: {status} ")) && text.contains(part), "{text}");
        assert!(!text.contains(['<', '\n']), "{text}");
    }
}

#[test]
fn a_missing_permission_is_named() {
    let body = r#"{"message":"Resource not accessible by personal access token"}"#;
    let error =
        of(403, &[("x-accepted-github-permissions", "contents=write; contents=write,workflows=write")], body);
    assert!(
        error.to_string().contains("needs contents=write; contents=write,workflows=write here"),
        "{error}"
    );

    let sso = "required; url=https://github.com/orgs/acme/sso?authorization_request=HUSH";
    let error = of(403, &[("x-github-sso", sso)], body);
    assert!(error.to_string().contains("single sign-on") && !error.to_string().contains("HUSH"), "{error}");
}

#[test]
fn a_limit_says_until_when() {
    const SECONDARY: &str = r#"{"message":"You have exceeded a secondary rate limit. Please wait."}"#;
    const PRIMARY: &str = r#"{"message":"API rate limit exceeded for user ID 1."}"#;
    // 12:20:00
    const RESET: &str = "1795350000";
    // Their clock is ten minutes ahead of ours.
    const AHEAD: &str = "Sun, 22 Nov 2026 12:10:00 GMT";
    for (status, pairs, body, pause) in [
        (403, &[("retry-after", "90")][..], SECONDARY, 90),
        (429, &[("retry-after", "90"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", RESET)], "", 90),
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", RESET)], PRIMARY, 1201),
        (429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", RESET), ("date", AHEAD)], PRIMARY, 601),
        // Not exhausted: the reset is that of another limit.
        (403, &[("x-ratelimit-remaining", "4000"), ("x-ratelimit-reset", RESET)], SECONDARY, 60),
        (403, &[], SECONDARY, 60),
        (403, &[], r#"{"message":"You have triggered an abuse detection mechanism"}"#, 60),
        (429, &[], "", 60),
        (429, &[("retry-after", "soon")], "", 60),
        // Over already, or far away: neither a loop nor a stop for good.
        (429, &[("retry-after", "0")], "", 1),
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], PRIMARY, 1),
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999999999999999999")], PRIMARY, 60),
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9999999999999999999")], PRIMARY, 7200),
        (429, &[("retry-after", "18446744073709551615")], "", 7200),
    ] {
        match of(status, pairs, body) {
            ForgeError::Limited { until, why } => {
                assert_eq!(until.duration_since(now()).as_secs(), pause, "{status} {pairs:?} {body}");
                assert!(why.starts_with(&format!("cannot {DOING}: {status} ")), "{why}");
            }
            other => panic!("{status} {pairs:?} {body}: {other:?}"),
        }
    }
}

#[test]
fn long_and_strange_words_are_cut() {
    let body = serde_json::json!({ "message": format!("\u{1b}[31mred\u{7} {}", "x".repeat(10_000)) });
    let text = of(403, &[], &body.to_string()).to_string();
    assert!(text.len() < 2_000 && !text.contains(['\u{1b}', '\u{7}']), "{text}");
}
