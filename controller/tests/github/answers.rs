//! What GitHub tells, also what it leaves out.

use autopilot_controller::pull_requests::{Conditional, Forge as _, ForgeError, Page, PullState};
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use crate::server::{Seen, answer, fixed, forge, lines, server, with};

fn pull(number: u64, more: &Value) -> Value {
    let mut pull = json!({
        "number": number, "html_url": format!("https://github.com/acme/flux/pull/{number}"),
        "state": "open", "title": "t", "body": "b", "user": { "login": "bot" },
        "head": { "ref": "aut-b", "sha": "c0ffee", "repo": { "full_name": "acme/flux" } },
        "base": { "ref": "main", "sha": "beef", "repo": { "full_name": "acme/flux" } },
        "updated_at": "2026-11-22T12:00:00Z", "closed_at": null, "merged_at": null,
        "labels": [], "requested_reviewers": [], "requested_teams": [],
    });
    let fields = pull.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    pull
}

async fn page(body: Value, headers: &'static [(&'static str, &'static str)]) -> Page {
    let (forge, _) = fixed(200, headers, body).await;
    match forge.pulls(1, None).await.unwrap() {
        Conditional::Changed(page) => page,
        Conditional::NotModified => panic!("not modified"),
    }
}

#[tokio::test]
async fn a_pull_request_may_have_lost_its_user_its_fork_and_its_text() {
    let ghost = json!({
        "body": null, "user": null, "labels": null, "requested_reviewers": null, "requested_teams": null,
        "head": { "ref": "aut-b", "sha": "c0ffee", "repo": null, "user": null, "label": "unknown:aut-b" },
    });
    let ended = "2026-11-22T11:59:00Z";
    let merged = json!({ "state": "closed", "closed_at": ended, "merged_at": ended });
    let full = json!({
        "labels": [{ "name": "a" }, { "name": "b" }],
        "requested_reviewers": [{ "login": "alice" }], "requested_teams": [{ "slug": "storage" }],
    });
    // What only the newest servers send, and what only the oldest do not.
    let bare = json!({ "state": "closed", "closed_at": ended, "auto_merge": { "x": 1 }, "draft": true });
    let pulls =
        page(json!([pull(4, &ghost), pull(3, &merged), pull(2, &full), pull(1, &bare)]), &[]).await.pulls;
    let [ghost, merged, full, bare] = &pulls[..] else { panic!("{pulls:?}") };
    assert_eq!((ghost.body.as_str(), ghost.author.as_str(), &ghost.head_repo), ("", "ghost", &None));
    assert!(ghost.labels.is_empty() && ghost.reviewers.is_empty());
    assert_eq!((ghost.state, ghost.ended), (PullState::Open, None));
    assert_eq!((merged.state, merged.ended), (PullState::Merged, Some(ended.parse().unwrap())));
    assert_eq!(
        (&full.labels, &full.reviewers),
        (&vec!["a".into(), "b".into()], &vec!["alice".into(), "acme/storage".into()])
    );
    assert_eq!((bare.state, bare.ended), (PullState::Closed, Some(ended.parse().unwrap())));
}

#[tokio::test]
async fn a_repository_is_the_same_in_other_capitals_and_a_fork_is_another() {
    for (full_name, head_repo) in
        [("Acme/FLUX", "acme/flux"), ("mallory/flux", "mallory/flux"), ("acme/fluxx", "acme/fluxx")]
    {
        let head = json!({ "head": { "ref": "aut-b", "sha": "c0ffee", "repo": { "full_name": full_name } } });
        let page = page(json!([pull(1, &head)]), &[]).await;
        assert_eq!(page.pulls[0].head_repo.as_deref(), Some(head_repo));
    }
}

#[tokio::test]
async fn the_header_tells_whether_a_list_goes_on() {
    let full: Vec<Value> = (0..100).map(|n| pull(n, &json!({}))).collect();
    let next =
        r#"<https://api.github.com/x?page=2>; rel="next", <https://api.github.com/x?page=9>; rel="last""#;
    let first: &[(&str, &str)] = Box::leak(Box::new([("link", next)]));
    // Some of a page may be hidden from the token.
    assert!(page(json!([pull(1, &json!({}))]), first).await.more);
    assert!(!page(json!(full), &[("link", r#"<https://api.github.com/x?page=1>; rel="first""#)]).await.more);
    assert!(page(json!(full), &[]).await.more);
    assert!(!page(json!([]), &[]).await.more);
}

#[tokio::test]
async fn a_filter_that_is_ignored_filters_here() {
    let other = json!({ "head": { "ref": "other", "sha": "c0ffee", "repo": { "full_name": "acme/flux" } } });
    let fork = json!({ "head": { "ref": "aut-b", "sha": "c0ffee", "repo": { "full_name": "acme/fork" } } });
    let (forge, log) = fixed(200, &[], json!([pull(1, &json!({})), pull(2, &other), pull(3, &fork)])).await;
    let found: Vec<u64> = forge.pulls_of("aut-b").await.unwrap().iter().map(|p| p.number).collect();
    assert_eq!(found, [1]);
    let query = "head=acme%3Aaut-b&state=all&sort=created&direction=desc&per_page=100&page=1";
    assert_eq!(log.lock().unwrap()[0].uri.query(), Some(query));
}

#[tokio::test]
async fn who_closed_is_the_issues_to_tell_and_may_stay_unknown() {
    let closed = json!({ "state": "closed", "closed_at": "2026-11-22T12:00:00Z" });
    for (issue, login) in [
        ((200, json!({ "closed_by": { "login": "alice" } })), Some("alice")),
        ((200, json!({ "closed_by": null })), Some("")),
        ((403, json!({ "message": "Resource not accessible by personal access token" })), Some("")),
        ((404, json!({ "message": "Not Found" })), Some("")),
        ((500, json!({})), None),
        ((429, json!({})), None),
    ] {
        let closed = closed.clone();
        let (url, log) = server(move |seen| match seen.uri.path().contains("/issues/") {
            true => answer(issue.0, &issue.1),
            false => answer(200, &pull(7, &closed)),
        })
        .await;
        let decider = forge(&url).decider(7).await;
        assert_eq!(decider.ok().map(|d| d.login).as_deref(), login);
        assert_eq!(lines(&log), ["GET /repos/acme/flux/pulls/7", "GET /repos/acme/flux/issues/7"]);
    }
    let merged = json!({
        "state": "closed", "merged_at": "2026-11-22T12:00:00Z", "merged_by": { "login": "bob" }, "merged": true,
    });
    let (forge, log) = fixed(200, &[], pull(7, &merged)).await;
    assert_eq!(forge.decider(7).await.unwrap().login, "bob");
    assert_eq!(lines(&log).len(), 1);
}

#[tokio::test]
async fn a_token_without_a_user_is_refused_with_the_way_out() {
    let (forge, _) = fixed(403, &[], json!({ "message": "Resource not accessible by integration" })).await;
    let refused = forge.login().await.unwrap_err();
    assert!(matches!(&refused, ForgeError::Refused(why) if why.contains("a token of a user account")));
    let (forge, _) = fixed(401, &[], json!({ "message": "Bad credentials" })).await;
    assert!(matches!(forge.login().await, Err(ForgeError::Unauthorized(_))));
}

fn tree(entries: &Value, truncated: bool) -> Response<Body> {
    answer(200, &json!({ "sha": "t", "tree": entries, "truncated": truncated }))
}

#[tokio::test]
async fn links_and_submodules_are_no_files_and_a_cut_list_is_no_list() {
    let (url, log) = server(|seen| match seen.uri.path() {
        "/repos/acme/flux/git/trees/main" => tree(
            &json!([
                { "path": "approvals", "mode": "040000", "type": "tree", "sha": "1234" },
                { "path": "vendor", "mode": "160000", "type": "commit", "sha": "5678" },
                { "path": "cut", "mode": "040000", "type": "tree", "sha": "9abc" },
            ]),
            false,
        ),
        "/repos/acme/flux/git/trees/1234" => tree(
            &json!([
                { "path": "a.yaml", "mode": "100644", "type": "blob", "sha": "b1" },
                { "path": "link.yaml", "mode": "120000", "type": "blob", "sha": "b2" },
                { "path": "run.sh", "mode": "100755", "type": "blob", "sha": "b3" },
                { "path": "deeper", "mode": "040000", "type": "tree", "sha": "b4" },
                { "path": "module", "mode": "160000", "type": "commit", "sha": "b5" },
            ]),
            false,
        ),
        _ => tree(&json!([{ "path": "a.yaml", "mode": "100644", "type": "blob", "sha": "b1" }]), true),
    })
    .await;
    let forge = forge(&url);
    let files = forge.files("approvals", "main").await.unwrap();
    let found: Vec<(&str, &str)> = files.iter().map(|f| (f.path.as_str(), f.blob.as_str())).collect();
    assert_eq!(found, [("approvals/a.yaml", "b1"), ("approvals/run.sh", "b3")]);
    assert_eq!(forge.files("vendor", "main").await.unwrap(), []);
    let cut = forge.files("cut", "main").await.unwrap_err();
    assert!(matches!(&cut, ForgeError::Refused(why) if why.contains("cut/")), "{cut}");
    // A folder that a cut list does not show may be there all the same.
    assert!(forge.files("approvals", "cut").await.is_err());
    assert_eq!(
        lines(&log)[..2],
        ["GET /repos/acme/flux/git/trees/main", "GET /repos/acme/flux/git/trees/1234"]
    );
}

#[tokio::test]
async fn branches_are_asked_for_by_the_beginning_of_their_names() {
    let reference = |name: &str| json!({ "ref": name, "object": { "sha": "c0ffee", "type": "commit" } });
    let (forge, log) =
        fixed(200, &[], json!([reference("refs/heads/aut-b"), reference("refs/heads/aut-c/d")])).await;
    assert_eq!(forge.branches("aut-").await.unwrap(), ["aut-b", "aut-c/d"]);
    assert_eq!(lines(&log), ["GET /repos/acme/flux/git/matching-refs/heads/aut-"]);
}

#[tokio::test]
async fn lists_of_files_above_the_folder_are_found_on_the_way() {
    let entry = |path: &str, kind: &str, sha: &str| {
        let mode = if kind == "tree" { "040000" } else { "100644" };
        json!({ "path": path, "mode": mode, "type": kind, "sha": sha })
    };
    let (url, log) = server(move |seen| match seen.uri.path().rsplit('/').next() {
        Some("main") => {
            let root = [entry("a", "tree", "t1"), entry("README.md", "blob", "b1")];
            tree(&json!([&root[..], &[entry("kustomization.yml", "blob", "b2")]].concat()), false)
        }
        Some("t1") => tree(&json!([entry("b", "tree", "t2"), entry("Kustomization", "blob", "b3")]), false),
        _ => tree(&json!([entry("x.yaml", "blob", "b4"), entry("kustomization.yaml", "blob", "b5")]), false),
    })
    .await;
    let found = forge(&url).files("a/b", "main").await.unwrap();
    let found: Vec<(&str, &str)> = found.iter().map(|f| (f.path.as_str(), f.blob.as_str())).collect();
    let above = [("kustomization.yml", "b2"), ("a/Kustomization", "b3")];
    assert_eq!(found, [&above[..], &[("a/b/x.yaml", "b4"), ("a/b/kustomization.yaml", "b5")]].concat());
    assert_eq!(lines(&log).len(), 3, "it costs no request");
}

#[tokio::test]
async fn only_text_of_a_file_is_text() {
    let base64 =
        |content: &str| json!({ "type": "file", "encoding": "base64", "size": 3, "content": content });
    for (body, text) in [
        (base64("YWJj\n"), Ok(Some("abc"))),
        (base64("YW\nJj\n"), Ok(Some("abc"))),
        (base64(""), Ok(Some(""))),
        (base64("/w=="), Ok(None)),
        (base64("AGE="), Ok(None)),
        (base64("*"), Err("base64")),
        (json!({ "type": "file", "encoding": "none", "size": 2_000_000, "content": "" }), Ok(None)),
        (json!({ "type": "file", "encoding": "none", "size": 3, "content": "" }), Err("encoding")),
        (json!({ "type": "symlink", "target": "x", "size": 1 }), Ok(None)),
        (json!({ "type": "submodule", "size": 0 }), Ok(None)),
        (json!([{ "type": "file" }]), Ok(None)),
    ] {
        let (forge, log) = fixed(200, &[], body.clone()).await;
        match (forge.read("approvals/a b.yaml", "main").await, text) {
            (Ok(found), Ok(text)) => assert_eq!(found.as_deref(), text, "{body}"),
            (Err(ForgeError::Unavailable(why)), Err(part)) => assert!(why.contains(part), "{why}"),
            (other, _) => panic!("{body}: {other:?}"),
        }
        let uri = log.lock().unwrap()[0].uri.to_string();
        assert_eq!(uri, "/repos/acme/flux/contents/approvals/a%20b.yaml?ref=main");
    }
}

#[tokio::test]
async fn a_404_is_an_absence_only_where_the_rest_is_seen() {
    let missing = || answer(404, &json!({ "message": "Not Found" }));
    for seen_rest in [true, false] {
        let (url, log) = server(move |seen: &Seen| match seen.line().as_str() {
            "GET /repos/acme/flux/git/trees/main" if seen_rest => tree(&json!([]), false),
            "GET /repos/acme/flux/git/matching-refs/heads/aut-b" if seen_rest => answer(200, &json!([])),
            _ => missing(),
        })
        .await;
        let forge = forge(&url);
        let (read, deleted) = (forge.read("a.yaml", "main").await, forge.delete_branch("aut-b").await);
        assert_eq!(lines(&log).len(), 4);
        if seen_rest {
            assert_eq!((read, deleted), (Ok(None), Ok(())));
        } else {
            assert!(matches!(read, Err(ForgeError::NotFound(_))), "{read:?}");
            assert!(matches!(deleted, Err(ForgeError::NotFound(_))), "{deleted:?}");
        }
    }
}

#[tokio::test]
async fn a_branch_that_may_not_be_deleted_is_not_deleted() {
    let (url, _) = server(|seen| match seen.line().as_str() {
        "GET /repos/acme/flux/git/matching-refs/heads/aut-b" => answer(
            200,
            &json!([{ "ref": "refs/heads/aut-b", "object": { "sha": "c0ffee", "type": "commit" } }]),
        ),
        "GET /repos/acme/flux/git/commits/c0ffee" => answer(200, &json!({ "tree": { "sha": "beef" } })),
        // GitHub's answer to a token that may only read.
        _ => answer(404, &json!({ "message": "Not Found" })),
    })
    .await;
    assert!(matches!(forge(&url).delete_branch("aut-b").await, Err(ForgeError::Refused(_))));
    for (words, gone) in [("Reference does not exist", true), ("Repository rule violations found", false)] {
        let (forge, _) = fixed(422, &[], json!({ "message": words })).await;
        let deleted = forge.delete_branch("aut-b").await;
        assert_eq!(deleted.is_ok(), gone, "{deleted:?}");
        assert!(gone || matches!(deleted, Err(ForgeError::Refused(_))), "{deleted:?}");
    }
}

#[tokio::test]
async fn the_words_of_a_422_tell_what_became_of_a_branch() {
    type Name = fn(String) -> ForgeError;
    let cases: [(&str, Name, Name); 7] = [
        ("Reference already exists", ForgeError::Invalid, ForgeError::Refused),
        ("Object does not exist", ForgeError::NotFound, ForgeError::NotFound),
        ("Reference does not exist", ForgeError::Refused, ForgeError::NotFound),
        ("Update is not a fast forward", ForgeError::Refused, ForgeError::Invalid),
        ("Reference cannot be updated", ForgeError::Refused, ForgeError::Invalid),
        ("Reference update failed", ForgeError::Refused, ForgeError::Refused),
        (
            "Repository rule violations found\n\nCannot force-push to this branch",
            ForgeError::Refused,
            ForgeError::Refused,
        ),
    ];
    for (words, creating, advancing) in cases {
        let (forge, log) = fixed(422, &[], json!({ "message": words })).await;
        let same = |error: ForgeError, name: Name| {
            assert_eq!(
                std::mem::discriminant(&error),
                std::mem::discriminant(&name(String::new())),
                "{error:?}"
            );
        };
        same(forge.create_branch("aut/b#1", "c0ffee").await.unwrap_err(), creating);
        same(forge.advance("aut/b#1", "c0ffee").await.unwrap_err(), advancing);
        let seen = log.lock().unwrap();
        assert_eq!(seen[0].body, json!({ "ref": "refs/heads/aut/b#1", "sha": "c0ffee" }));
        assert_eq!(seen[1].line(), "PATCH /repos/acme/flux/git/refs/heads/aut/b%231");
        assert_eq!(seen[1].body, json!({ "sha": "c0ffee", "force": false }));
    }
}

#[tokio::test]
async fn people_and_teams_are_asked_apart() {
    let (forge, log) = fixed(201, &[("x", "y")], json!({})).await;
    forge.ask_review(7, &["alice".to_owned(), "acme/storage".to_owned()]).await.unwrap();
    forge.ask_review(7, &["alice".to_owned()]).await.unwrap();
    let seen = log.lock().unwrap();
    assert_eq!(seen[0].body, json!({ "reviewers": ["alice"], "team_reviewers": ["storage"] }));
    assert_eq!(seen[1].body, json!({ "reviewers": ["alice"] }));
}

#[tokio::test]
async fn a_limit_and_the_budget_reach_the_caller() {
    let (url, _) = server(|_| {
        let headers = [
            ("retry-after", "30"),
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "4321"),
            ("x-ratelimit-reset", "1795350000"),
        ];
        with(403, &headers, &json!({ "message": "You have exceeded a secondary rate limit." }))
    })
    .await;
    let forge = forge(&url);
    let limited = forge.comment(7, "x").await;
    let Err(ForgeError::Limited { until, .. }) = limited else { panic!("{limited:?}") };
    let pause = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((20..=30).contains(&pause), "{pause}");
    let budget = forge.budget().unwrap();
    assert_eq!((budget.remaining, budget.limit), (4321, 5000));
    assert_eq!(budget.reset.to_string(), "2026-11-22T12:20:00Z");
}
