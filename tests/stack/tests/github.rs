//! GitHub as the tests play it: `emulate`, what our front adds to it, and the faults of the proxy before both.

use std::time::Duration;

use anyhow::{Context, Result};
use autopilot_stack::github::{ALICE_TOKEN, BOT_TOKEN, BOT_TOKEN_2, OUTSIDER_TOKEN};
use autopilot_stack::{
    Action, Actor, Budget, FaultProxy, GitHub, GitHubOptions, KillWhen, Match, Refusal, SecondaryLimit,
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

struct Reply {
    status: u16,
    headers: HeaderMap,
    json: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the status, and the first error's message or the message.
    fn refusal(&self) -> (u16, &str) {
        let message = self.json.pointer("/errors/0/message").or_else(|| self.json.get("message"));
        (self.status, message.and_then(Value::as_str).unwrap_or_default())
    }
}

struct GitHubScene {
    github: GitHub,
    proxy: FaultProxy,
    reviewer: Actor,
    bot: Actor,
}

impl GitHubScene {
    async fn start() -> Result<Self> {
        let github = GitHub::start(GitHubOptions::default()).await?;
        let proxy = FaultProxy::to_plain(&github.url())?;
        let (reviewer, bot) = (github.reviewer()?, github.actor(BOT_TOKEN)?);
        Ok(Self { github, proxy, reviewer, bot })
    }

    /// Sends a request through the proxy, as the bot.
    async fn ask(&self, method: &str, path: &str, body: Value) -> Result<Reply> {
        self.ask_with(method, path, body, BOT_TOKEN, "").await
    }

    async fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Value,
        token: &str,
        etag: &str,
    ) -> Result<Reply> {
        let url = format!("{}/repos/platform/flux-get-started{path}", self.proxy.url());
        self.ask_at(method, &url, body, token, etag).await
    }

    async fn ask_at(&self, method: &str, url: &str, body: Value, token: &str, etag: &str) -> Result<Reply> {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let mut request = Request::builder().method(method).uri(url).header("user-agent", "test");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !etag.is_empty() {
            request = request.header("if-none-match", etag);
        }
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let (parts, body) =
            tokio::time::timeout(LIMIT, client.request(request.body(Full::new(body))?)).await??.into_parts();
        let body = body.collect().await?.to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, json })
    }

    /// Creates a branch with one new file, off the base.
    async fn branch(&self, name: &str, path: &str, content: &str) -> Result<String> {
        let base = self.bot.branch("main").await?.context("main")?;
        self.bot.create_branch(name, &base).await?;
        self.bot.put(name, path, content).await
    }

    async fn pull(&self, branch: &str, path: &str) -> Result<u64> {
        self.branch(branch, path, "approvalState: approved\n").await?;
        self.bot.open(branch, "main", &format!("Add {path}"), "").await
    }
}

#[tokio::test]
async fn one_commit_by_the_git_data_api() -> Result<()> {
    let scene = GitHubScene::start().await?;
    scene.reviewer.put("main", "folder/old.yaml", "old\n").await?;
    let base = scene.reviewer.branch("main").await?.context("main")?;
    let commit = scene.ask("GET", &format!("/git/commits/{base}"), Value::Null).await?;
    let tree = commit.json.pointer("/tree/sha").cloned().context("a tree")?;

    let entries = json!([
        { "path": "folder/new.yaml", "mode": "100644", "type": "blob", "content": "new\n" },
        { "path": "folder/old.yaml", "mode": "100644", "type": "blob", "sha": null },
    ]);
    let made = scene.ask("POST", "/git/trees", json!({ "base_tree": tree, "tree": entries })).await?;
    assert_eq!(made.status, 201, "{}", made.json);
    let who = json!({ "name": "Autopilot", "email": "a@example.com", "date": "2026-01-02T03:04:05Z" });
    let commit = json!({
        "message": "one", "tree": made.json["sha"], "parents": [base], "author": who, "committer": who,
    });
    let first = scene.ask("POST", "/git/commits", commit.clone()).await?;
    let again = scene.ask("POST", "/git/commits", commit).await?;
    assert_eq!(first.json["sha"], again.json["sha"], "the same commit is the same object");
    let sha = first.json["sha"].as_str().context("a sha")?;

    let new = json!({ "ref": "refs/heads/aut-apps-x", "sha": sha });
    assert_eq!(scene.ask("POST", "/git/refs", new.clone()).await?.status, 201);
    assert_eq!(scene.ask("POST", "/git/refs", new).await?.refusal(), (422, "Reference already exists"));
    assert_eq!(scene.bot.files("aut-apps-x").await?, ["README.md", "folder/new.yaml"]);
    assert_eq!(scene.bot.read("aut-apps-x", "folder/new.yaml").await?.as_deref(), Some("new\n"));
    let commits = scene.bot.commits("aut-apps-x").await?;
    let last = commits.first().context("a commit")?;
    assert_eq!(
        (last.author.as_str(), last.parents.as_slice()),
        ("Autopilot <a@example.com>", [base.clone()].as_slice())
    );

    // Not a fast-forward, and a branch that is not there.
    let back = json!({ "sha": base });
    assert_eq!(scene.ask("PATCH", "/git/refs/heads/aut-apps-x", back.clone()).await?.status, 422);
    let gone = scene.ask("PATCH", "/git/refs/heads/gone", back).await?;
    assert_eq!(gone.refusal(), (422, "Reference does not exist"));
    let gone = scene.ask("DELETE", "/git/refs/heads/gone", Value::Null).await?;
    assert_eq!(gone.refusal(), (422, "Reference does not exist"));
    Ok(())
}

#[tokio::test]
async fn pull_requests_are_refused_as_github_refuses_them() -> Result<()> {
    let scene = GitHubScene::start().await?;
    scene.branch("one", "a.yaml", "a\n").await?;
    let base = scene.bot.branch("main").await?.context("main")?;
    scene.bot.create_branch("empty", &base).await?;
    let open = async |head: &str, base: &str| {
        let new = json!({ "head": head, "base": base, "title": "t", "body": "b" });
        scene.ask("POST", "/pulls", new).await
    };
    assert_eq!(open("gone", "main").await?.json.pointer("/errors/0/field"), Some(&json!("head")));
    assert!(scene.bot.branch("gone").await?.is_none(), "no branch came of it");
    assert_eq!(open("one", "gone").await?.json.pointer("/errors/0/field"), Some(&json!("base")));
    assert_eq!(open("empty", "main").await?.refusal(), (422, "No commits between main and empty"));
    let first = open("one", "main").await?;
    assert_eq!((first.status, first.json["number"].as_u64()), (201, Some(1)));
    assert_eq!(
        open("one", "main").await?.refusal(),
        (422, "A pull request already exists for platform:one.")
    );
    assert_eq!(open("platform:one", "main").await?.status, 422);

    let long = "ä".repeat(65_537);
    let new = json!({ "head": "one", "base": "main", "title": "t", "body": long });
    assert_eq!(
        scene.ask("POST", "/pulls", new).await?.refusal(),
        (422, "body is too long (maximum is 65536 characters)")
    );

    // Reviewers and labels; a reviewer is never the author.
    let reviewers =
        scene.ask("POST", "/pulls/1/requested_reviewers", json!({ "reviewers": ["alice"] })).await?;
    assert_eq!(reviewers.status, 201);
    let own =
        scene.ask("POST", "/pulls/1/requested_reviewers", json!({ "reviewers": ["autopilot-bot"] })).await?;
    assert_eq!(own.status, 422);
    scene.bot.label(1, &["autopilot"]).await?;
    let pull = scene.bot.pull(1).await?;
    assert_eq!((pull.labels, pull.reviewers), (vec!["autopilot".to_owned()], vec!["alice".to_owned()]));

    // Somebody without the right to push changes only what is his own.
    let mallory = scene.github.actor(OUTSIDER_TOKEN)?;
    assert!(mallory.close(1).await.is_err());
    assert!(mallory.merge(1).await.is_err());
    assert_eq!(scene.bot.pull(1).await?.state, "open");

    // Retargeted and edited.
    scene.bot.create_branch("release", &base).await?;
    scene.reviewer.retarget(1, "release").await?;
    scene.reviewer.edit(1, &json!({ "title": "other" })).await?;
    let pull = scene.bot.pull(1).await?;
    assert_eq!((pull.base.as_str(), pull.title.as_str()), ("release", "other"));
    Ok(())
}

#[tokio::test]
async fn a_merge_keeps_what_the_base_got_meanwhile() -> Result<()> {
    let scene = GitHubScene::start().await?;
    scene.reviewer.put("main", "shared.yaml", "1\n").await?;
    let one = scene.pull("one", "a.yaml").await?;
    let two = scene.pull("two", "b.yaml").await?;
    // Pushed after the pull request was opened.
    let head = scene.bot.put("one", "a.yaml", "edited\n").await?;
    assert_eq!(scene.bot.pull(one).await?.head_sha, head, "the head follows its branch");
    scene.reviewer.put("main", "c.yaml", "c\n").await?;

    let alice = scene.github.actor(ALICE_TOKEN)?;
    let merge = alice.merge(one).await?;
    assert_eq!(scene.bot.branch("main").await?, Some(merge.clone()));
    scene.reviewer.merge(two).await?;
    assert_eq!(scene.bot.files("main").await?, ["README.md", "a.yaml", "b.yaml", "c.yaml", "shared.yaml"]);
    assert_eq!(scene.bot.read("main", "a.yaml").await?.as_deref(), Some("edited\n"));
    let pull = scene.bot.pull(one).await?;
    assert_eq!(
        (pull.state.as_str(), pull.merged, pull.merged_by.as_deref()),
        ("closed", true, Some("alice"))
    );
    assert_eq!(scene.bot.closed_by(one).await?.as_deref(), Some("alice"));
    let raw = scene.ask("GET", &format!("/pulls/{one}"), Value::Null).await?;
    assert_eq!(raw.json["merge_commit_sha"], json!(merge));
    assert!(scene.bot.reopen(one).await.is_err(), "merged is merged");
    let again = scene.ask("PUT", &format!("/pulls/{two}/merge"), json!({})).await?;
    assert_eq!(again.refusal(), (405, "Pull Request is not mergeable"));

    // Both sides changed the same file.
    let base = scene.bot.branch("main").await?.context("main")?;
    scene.bot.create_branch("clash", &base).await?;
    scene.bot.put("clash", "shared.yaml", "2\n").await?;
    let clash = scene.bot.open("clash", "main", "clash", "").await?;
    let files = scene.ask("GET", &format!("/pulls/{clash}/files"), Value::Null).await?;
    assert_eq!(files.json.pointer("/0/filename"), Some(&json!("shared.yaml")));
    scene.reviewer.put("main", "shared.yaml", "3\n").await?;
    let refused = scene.ask("PUT", &format!("/pulls/{clash}/merge"), json!({})).await?;
    assert_eq!(refused.status, 405);
    let stale = scene.ask("PUT", &format!("/pulls/{clash}/merge"), json!({ "sha": base })).await?;
    assert_eq!(stale.status, 409);
    assert_eq!(scene.bot.read("main", "shared.yaml").await?.as_deref(), Some("3\n"));
    Ok(())
}

#[tokio::test]
async fn closed_reopened_deleted_forked() -> Result<()> {
    let scene = GitHubScene::start().await?;
    let one = scene.pull("one", "a.yaml").await?;
    scene.reviewer.close(one).await?;
    assert_eq!(scene.bot.closed_by(one).await?.as_deref(), Some("platform"));
    scene.reviewer.reopen(one).await?;
    assert_eq!(scene.bot.pull(one).await?.state, "open");

    // The branch is deleted by hand: its pull request is closed by that person, and stays so.
    scene.reviewer.delete_branch("one").await?;
    let pull = scene.bot.pull(one).await?;
    assert_eq!((pull.state.as_str(), pull.merged), ("closed", false));
    assert_eq!(scene.bot.closed_by(one).await?.as_deref(), Some("platform"));
    assert!(scene.reviewer.reopen(one).await.is_err());

    // Closed, and replaced from the same branch: the old one stays closed.
    let old = scene.pull("again", "d.yaml").await?;
    scene.reviewer.close(old).await?;
    let new = scene.bot.open("again", "main", "again", "").await?;
    assert!(scene.reviewer.reopen(old).await.is_err());
    assert!(scene.reviewer.retarget(new, "gone").await.is_err());
    assert!(scene.bot.branch("gone").await?.is_none());
    scene.reviewer.close(new).await?;
    scene.reviewer.reopen(old).await?;
    assert_eq!(scene.bot.closed_by(old).await?, None);

    // Force-pushed by somebody else.
    let two = scene.pull("two", "b.yaml").await?;
    let other = scene.branch("other", "c.yaml", "c\n").await?;
    scene.reviewer.force("two", &other).await?;
    assert_eq!(scene.bot.pull(two).await?.head_sha, other);

    // A look-alike from a fork, from a branch of the same name.
    let fork = scene.github.actor(OUTSIDER_TOKEN)?.fork().await?;
    let base = fork.branch("main").await?.context("main")?;
    fork.create_branch("two", &base).await?;
    fork.put("two", "evil.yaml", "evil\n").await?;
    let evil = scene.github.actor(OUTSIDER_TOKEN)?.open("mallory:two", "main", "two", "").await?;
    let pull = scene.bot.pull(evil).await?;
    assert_eq!((pull.head.as_str(), pull.head_repo.as_str()), ("two", "mallory/flux-get-started"));
    let listed = scene.ask("GET", "/pulls?state=all&head=platform:two", Value::Null).await?;
    assert_eq!(listed.json.as_array().map(Vec::len), Some(1));
    let listed = scene.ask("GET", "/pulls?state=all&head=two", Value::Null).await?;
    assert_eq!(listed.json.as_array().map(Vec::len), Some(5), "a head without an owner is no filter");
    scene.reviewer.merge(evil).await?;
    assert_eq!(scene.bot.read("main", "evil.yaml").await?.as_deref(), Some("evil\n"));
    Ok(())
}

#[tokio::test]
async fn lists_are_conditional_paged_and_sorted_by_change() -> Result<()> {
    let scene = GitHubScene::start().await?;
    for n in 1..=3 {
        scene.pull(&format!("b{n}"), &format!("{n}.yaml")).await?;
    }
    let path = "/pulls?state=all&sort=updated&direction=desc&per_page=2";
    let list = async |etag: String| scene.ask_with("GET", path, Value::Null, BOT_TOKEN, &etag).await;
    let numbers = |reply: &Reply| {
        let pulls = reply.json.as_array().into_iter().flatten();
        pulls.filter_map(|pull| pull["number"].as_u64()).collect::<Vec<_>>()
    };
    let first = list(String::new()).await?;
    assert_eq!(numbers(&first), [3, 2]);
    assert!(first.json.pointer("/0/merged").is_none(), "a list does not tell");
    assert!(!first.json.pointer("/0/updated_at").and_then(Value::as_str).unwrap_or(".").contains('.'));

    // The next page leads through the proxy, too.
    let next =
        first.header("link").split('>').next().and_then(|link| link.strip_prefix('<')).context("a link")?;
    assert!(next.starts_with(&scene.proxy.url()), "{next}");
    assert_eq!(numbers(&scene.ask_at("GET", next, Value::Null, BOT_TOKEN, "").await?), [1]);

    // Nothing happened: 304, free of charge, and told apart in the log.
    let etag = first.header("etag").to_owned();
    assert!(etag.starts_with("W/\""), "{etag}");
    let left = scene.github.remaining("autopilot-bot");
    let same = list(etag.clone()).await?;
    assert_eq!((same.status, same.json), (304, Value::Null));
    assert_eq!(scene.github.remaining("autopilot-bot"), left);
    let last = scene.proxy.requests().last().cloned().context("a request")?;
    assert_eq!((last.conditional, last.status), (true, Some(304)));

    // A push, a comment and a close each bring a pull request to the front.
    let mut etag = etag;
    for n in [1, 2, 3] {
        match n {
            1 => drop(scene.reviewer.put("b1", "1.yaml", "pushed\n").await?),
            2 => scene.reviewer.comment(2, "hello").await?,
            _ => scene.reviewer.close(3).await?,
        }
        let changed = list(etag).await?;
        assert_eq!((changed.status, numbers(&changed).first()), (200, Some(&n)), "{n}");
        etag = changed.header("etag").to_owned();
    }
    assert_eq!(
        scene.bot.comments(2).await?.first().map(|one| one.author.clone()).as_deref(),
        Some("platform")
    );
    Ok(())
}

#[tokio::test]
async fn budgets_secondary_limits_tokens_and_protection() -> Result<()> {
    let scene = GitHubScene::start().await?;
    let read = async |token: &str| scene.ask_with("GET", "/branches", Value::Null, token, "").await;

    // The budget of an hour is told, spent, used up, and there again.
    let full = read(BOT_TOKEN).await?;
    assert_eq!((full.header("x-ratelimit-limit"), full.header("x-ratelimit-remaining")), ("5000", "4999"));
    let budget = Budget { limit: 100, remaining: 1, resets_in: Duration::from_secs(3600) };
    scene.github.set_budget("autopilot-bot", budget);
    assert_eq!(read(BOT_TOKEN).await?.header("x-ratelimit-remaining"), "0");
    let spent = read(BOT_TOKEN_2).await?;
    assert_eq!(
        spent.refusal(),
        (403, "API rate limit exceeded for user ID 1."),
        "tokens of an account share it"
    );
    assert!(spent.header("x-ratelimit-reset").parse::<i64>()? > 0);
    assert_eq!(read(ALICE_TOKEN).await?.status, 200, "others have their own");
    scene.github.set_budget("autopilot-bot", Budget { remaining: 0, resets_in: Duration::ZERO, ..budget });
    assert_eq!(read(BOT_TOKEN).await?.header("x-ratelimit-remaining"), "99");

    // Writes that come too fast.
    let base = scene.bot.branch("main").await?.context("main")?;
    let per = Duration::from_secs(3600);
    let limit = SecondaryLimit { writes: 1, per, retry_after: Duration::from_secs(7), status: 429 };
    scene.github.set_secondary_limit(Some(limit));
    let create = async |name: &str| {
        let new = json!({ "ref": format!("refs/heads/{name}"), "sha": base });
        scene.ask("POST", "/git/refs", new).await
    };
    assert_eq!(create("one").await?.status, 201);
    let refused = create("two").await?;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "7"));
    assert_eq!(read(BOT_TOKEN).await?.status, 200, "reads go on");
    scene.github.set_secondary_limit(None);
    assert_eq!(create("two").await?.status, 201);

    // A token is revoked, and another takes its place.
    scene.github.revoke(BOT_TOKEN);
    assert_eq!(read(BOT_TOKEN).await?.refusal(), (401, "Bad credentials"));
    assert_eq!(read("never-given-out").await?.status, 401);
    assert_eq!(read(BOT_TOKEN_2).await?.status, 200);
    scene.github.restore(BOT_TOKEN);
    assert_eq!(read(BOT_TOKEN).await?.status, 200);

    // A protected base takes no commit but by a merge.
    scene.github.protect("main");
    let one = scene.pull("work", "a.yaml").await?;
    let head = scene.bot.branch("work").await?.context("work")?;
    let moved = scene.ask("PATCH", "/git/refs/heads/main", json!({ "sha": head })).await?;
    assert_eq!(moved.status, 422);
    assert!(scene.bot.put("main", "b.yaml", "b\n").await.is_err());
    assert_eq!(scene.bot.branch("main").await?, Some(base));
    scene.github.actor(ALICE_TOKEN)?.merge(one).await?;
    scene.reviewer.put("main", "c.yaml", "c\n").await?;
    scene.github.unprotect("main");
    scene.bot.put("main", "b.yaml", "b\n").await?;
    assert_eq!(scene.bot.files("main").await?, ["README.md", "a.yaml", "b.yaml", "c.yaml"]);
    Ok(())
}

#[tokio::test]
async fn faults_of_the_proxy() -> Result<()> {
    let scene = GitHubScene::start().await?;
    let proxy = &scene.proxy;
    let base = scene.bot.branch("main").await?.context("main")?;
    let create = async |name: &str| {
        let new = json!({ "ref": format!("refs/heads/{name}"), "sha": base });
        scene.ask("POST", "/git/refs", new).await
    };
    let is_there = async |name: &str| anyhow::Ok(scene.reviewer.branch(name).await?.is_some());

    // Lost requests, lost answers.
    let lost = proxy.rule(Match::writes().nth(1), Action::DropRequest);
    assert!(create("one").await.is_err() && !is_there("one").await?);
    proxy.remove(lost);
    proxy.clear_log();
    proxy.drop_answer_at(1);
    assert!(create("one").await.is_err() && is_there("one").await?);

    // Refusals, worded as GitHub does.
    let wait = Duration::from_secs(3);
    for (refusal, status, header) in [
        (Refusal::github(401, "Bad credentials"), 401, ""),
        (Refusal::github(403, "Resource not accessible by personal access token"), 403, ""),
        (Refusal::github(404, "Not Found"), 404, ""),
        (Refusal::github(422, "Validation Failed"), 422, ""),
        (Refusal::github_secondary(403, wait), 403, "retry-after"),
        (Refusal::github_secondary(429, wait), 429, "retry-after"),
        (Refusal::github_exhausted(wait), 403, "x-ratelimit-reset"),
        (Refusal::github(502, "Server Error"), 502, ""),
    ] {
        let message = refusal.message.clone();
        let rule = proxy.rule(Match::any().path("/branches").nth(1), Action::Refuse(refusal));
        let reply = scene.ask("GET", "/branches", Value::Null).await?;
        assert_eq!(reply.refusal(), (status, message.as_str()));
        assert!(header.is_empty() || !reply.header(header).is_empty(), "{header}");
        assert_eq!(scene.ask("GET", "/branches", Value::Null).await?.status, 200);
        proxy.remove(rule);
    }

    // Frozen: nothing comes until the rules are cleared.
    proxy.rule(Match::any(), Action::Freeze);
    let frozen = create("two");
    let cleared = async {
        autopilot_stack::wait_for("the frozen request", LIMIT, async || {
            Ok(proxy.requests().last().filter(|last| last.method == Method::POST).map(drop))
        })
        .await?;
        proxy.clear_rules();
        anyhow::Ok(())
    };
    let (frozen, cleared) = tokio::join!(frozen, cleared);
    cleared?;
    assert!(frozen.is_err() && !is_there("two").await?);

    // Killed at the n-th write, before or after GitHub has it.
    for (when, name) in [(KillWhen::BeforeForward, "before"), (KillWhen::AfterForward, "after")] {
        proxy.clear_log();
        let fired = proxy.kill_at(1, when, || {});
        assert!(create(name).await.is_err());
        fired.wait(LIMIT).await?;
        assert_eq!(is_there(name).await?, when == KillWhen::AfterForward);
    }
    let (status, _) = scene.bot.request(Method::GET, "/branches", &Value::Null).await?;
    assert_eq!(status, StatusCode::OK);
    Ok(())
}
