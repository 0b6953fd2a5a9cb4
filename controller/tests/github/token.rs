//! Where the token comes from, and that it goes nowhere else.

use autopilot_controller::pull_requests::github::{TokenSlot, TokenSource};
use autopilot_controller::pull_requests::{Forge as _, ForgeError, GitHub};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::server::{TOKEN, answer, config, forge, lines, server};

const OTHER: &str = "github_pat_11AAAAAAA0abcdefghijkl_0123456789abcdefghijklmnopqrstuvwxyz";

/// A server that knows one token at a time is not needed: it says which one it was sent.
async fn mirror() -> (String, crate::server::Log) {
    server(|seen| answer(200, &json!({ "login": seen.header("authorization") }))).await
}

#[tokio::test]
async fn a_new_token_needs_no_new_client() {
    let (url, log) = mirror().await;
    let slot = TokenSlot::new();
    let forge = GitHub::new(&config(&url), TokenSource::Slot(slot.clone())).unwrap();

    // Given no token, nothing is asked;
    let error = forge.login().await.unwrap_err();
    assert!(matches!(&error, ForgeError::Unauthorized(why) if why.contains("aut-github")), "{error}");
    assert!(lines(&log).is_empty());
    // given one, it is sent without the white space around it;
    assert!(slot.put(Some(format!(" {TOKEN}\n").as_bytes())));
    assert_eq!(forge.login().await.unwrap(), format!("Bearer {TOKEN}"));
    // and from the next request on the next one.
    assert!(slot.put(Some(OTHER.as_bytes())));
    assert_eq!(forge.login().await.unwrap(), format!("Bearer {OTHER}"));
    assert!(slot.put(None));
    assert!(matches!(forge.login().await, Err(ForgeError::Unauthorized(_))));
}

#[tokio::test]
async fn whose_a_new_token_is_comes_before_everything_else() {
    let (url, log) = server(|seen| {
        let user = json!({ "login": "bot" });
        answer(200, if seen.uri.path() == "/user" { &user } else { &serde_json::Value::Null })
    })
    .await;
    let slot = TokenSlot::new();
    let forge = GitHub::new(&config(&url), TokenSource::Slot(slot.clone())).unwrap();
    slot.put(Some(TOKEN.as_bytes()));
    forge.login().await.unwrap();
    forge.close(7).await.unwrap();
    let before = lines(&log).len();
    slot.put(Some(OTHER.as_bytes()));
    for _ in 0..2 {
        assert_eq!(forge.close(7).await, Err(ForgeError::NewToken));
    }
    assert_eq!(lines(&log).len(), before, "nothing is sent under a name that is not known");
    forge.login().await.unwrap();
    forge.close(7).await.unwrap();
}

#[tokio::test]
async fn a_file_is_read_for_every_request() {
    let (url, log) = mirror().await;
    let path = std::env::temp_dir().join(format!("autopilot-token-{}", std::process::id()));
    let forge = GitHub::new(&config(&url), TokenSource::File(path.clone())).unwrap();

    let missing = forge.login().await.unwrap_err();
    assert!(
        matches!(&missing, ForgeError::Unauthorized(why) if why.contains(path.to_str().unwrap())),
        "{missing}"
    );
    std::fs::write(&path, format!("{TOKEN}\r\n")).unwrap();
    assert_eq!(forge.login().await.unwrap(), format!("Bearer {TOKEN}"));
    std::fs::write(&path, OTHER).unwrap();
    assert_eq!(forge.login().await.unwrap(), format!("Bearer {OTHER}"));
    std::fs::write(&path, STANDARD.encode(OTHER)).unwrap();
    let twice = forge.login().await;
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(&twice, Err(ForgeError::Unauthorized(why)) if why.contains("twice")), "{twice:?}");
    assert_eq!(lines(&log).len(), 2);
}

#[tokio::test]
async fn a_token_that_was_encoded_twice_is_told_and_not_sent() {
    let (url, log) = mirror().await;
    let slot = TokenSlot::new();
    slot.put(Some(STANDARD.encode(format!("{TOKEN}\n")).as_bytes()));
    let forge = GitHub::new(&config(&url), TokenSource::Slot(slot)).unwrap();
    let error = forge.pulls(1, None).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot list the pull requests of acme/flux") && text.contains("twice"), "{text}");
    assert!(lines(&log).is_empty());
}

#[tokio::test]
async fn a_server_that_repeats_the_token_does_not_bring_it_into_a_text() {
    for status in [400, 401, 403, 404, 409, 422, 429, 500, 503] {
        let (url, _) = server(move |seen| {
            let told = seen.header("authorization").unwrap_or_default();
            answer(
                status,
                &json!({ "message": format!("no {told}!"), "errors": [told, { "message": told }] }),
            )
        })
        .await;
        let forge = forge(&url);
        let error = forge.default_branch().await.unwrap_err();
        let shown = format!("{error} {error:?} {forge:?}");
        assert!(shown.contains("no Bearer ***!"), "{shown}");
        assert!(!shown.contains("16C7"), "{shown}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, elsewhere_log) = mirror().await;
    for status in [301, 302, 307, 308] {
        let to = elsewhere.clone();
        let (url, log) = server(move |_| {
            crate::server::with(status, &[("location", &to)], &json!({ "message": "Moved Permanently" }))
        })
        .await;
        let error = forge(&url).default_branch().await.unwrap_err();
        assert!(matches!(&error, ForgeError::Refused(why) if why.contains("renamed")), "{error}");
        assert!(!error.to_string().contains(&elsewhere), "{error}");
        assert_eq!(lines(&log).len(), 1);
    }
    assert!(lines(&elsewhere_log).is_empty(), "the token went to another server");
}
