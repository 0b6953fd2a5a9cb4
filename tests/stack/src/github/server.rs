//! `emulate` and the front before it, as one server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::accounts::GitHubOptions;
use super::actor::Actor;
use super::ask::bearer;
use super::front::{self, Front, TOKENS_BEHIND, token_behind};
use super::limits::{Budget, SecondaryLimit};
use crate::binaries::Binaries;
use crate::http_server::Server;
use crate::lock::lock;
use crate::port::free_port;
use crate::process::{Process, Spec};
use crate::temp::TempDir;

const READY: Duration = Duration::from_secs(60);

/// A running GitHub with one repository; dropping it ends it.
pub struct GitHub {
    server: Server,
    pub(super) front: Arc<Front>,
    options: GitHubOptions,
    emulate: Process,
    _dir: TempDir,
}

impl GitHub {
    /// Starts it and waits until it answers (about 1 s).
    ///
    /// # Errors
    /// When node or the package is missing, or it does not get ready; the message holds the end of its log.
    pub async fn start(options: GitHubOptions) -> Result<Self> {
        let binaries = Binaries::locate().await?;
        let dir = TempDir::new("github")?;
        let port = free_port()?;
        let logins: HashMap<String, String> = options
            .accounts
            .iter()
            .flat_map(|account| account.tokens.iter().map(|token| (token.clone(), account.login.clone())))
            .collect();
        let repo = format!("{}/{}", options.owner, options.name);
        let front = Arc::new(Front::new(&format!("http://127.0.0.1:{port}"), &repo, logins));
        let handled = Arc::clone(&front);
        let server = Server::start(move |request| front::handle(Arc::clone(&handled), request))?;
        let emulate = start_emulate(&binaries, &dir, port, &server.url(), &options)?;
        let github = Self { server, front, options, emulate, _dir: dir };
        github.wait_ready().await?;
        github.add_collaborators().await?;
        Ok(github)
    }

    /// Returns the address of its API (`http://127.0.0.1:PORT`). Put a [`crate::FaultProxy::to_plain`] before it for
    /// the controller.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Returns the owner's login.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.options.owner
    }

    /// Returns the repository's name, without its owner.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Returns the default branch.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.options.base
    }

    /// Returns somebody who does things by the API, past any fault.
    ///
    /// # Errors
    /// When the token does not fit a header.
    pub fn actor(&self, token: &str) -> Result<Actor> {
        Actor::new(&self.url(), token, &self.options.owner, &self.options.name)
    }

    /// Returns the owner, who reviews.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn reviewer(&self) -> Result<Actor> {
        let account = self.options.accounts.iter().find(|account| account.login == self.options.owner);
        let token = account.and_then(|account| account.tokens.first()).context("the owner has no account")?;
        self.actor(token)
    }

    /// Revokes a token: 401 from now on.
    pub fn revoke(&self, token: &str) {
        lock(&self.front.state).revoked.insert(token.to_owned());
    }

    /// Accepts a revoked token again.
    pub fn restore(&self, token: &str) {
        lock(&self.front.state).revoked.remove(token);
    }

    /// Sets what an account has left of its hour (5,000 requests at first).
    pub fn set_budget(&self, login: &str, budget: Budget) {
        lock(&self.front.state).limits.set(login, budget);
    }

    /// Returns how many requests an account has left.
    #[must_use]
    pub fn remaining(&self, login: &str) -> u32 {
        lock(&self.front.state).limits.remaining(login)
    }

    /// Refuses writes that come too fast, or none of them.
    pub fn set_secondary_limit(&self, limit: Option<SecondaryLimit>) {
        lock(&self.front.state).limits.secondary = limit;
    }

    /// Lets only the owner change the branch directly; all others need a pull request.
    pub fn protect(&self, branch: &str) {
        lock(&self.front.state).protected.insert(branch.to_owned());
    }

    /// Lets everybody who may push change the branch again.
    pub fn unprotect(&self, branch: &str) {
        lock(&self.front.state).protected.remove(branch);
    }

    async fn wait_ready(&self) -> Result<()> {
        let path = format!("/repos/{}", self.front.repo);
        let probe = async || {
            let answer = self.front.upstream.json(Method::GET, &path, None, &Value::Null).await?;
            Ok((answer.status == StatusCode::OK).then_some(()))
        };
        self.emulate.ready(READY, probe).await
    }

    async fn add_collaborators(&self) -> Result<()> {
        let authorization = bearer(&token_behind(&self.options.owner, 0))?;
        for account in &self.options.accounts {
            if account.pushes && account.login != self.options.owner {
                let path = format!("/repos/{}/collaborators/{}", self.front.repo, account.login);
                let body = json!({ "permission": "push" });
                let added = self.front.upstream.json(Method::PUT, &path, Some(&authorization), &body).await?;
                added.ok(&format!("PUT {path}"))?;
            }
        }
        Ok(())
    }
}

fn start_emulate(
    binaries: &Binaries,
    dir: &TempDir,
    port: u16,
    front: &str,
    options: &GitHubOptions,
) -> Result<Process> {
    let mut tokens = serde_json::Map::new();
    for account in &options.accounts {
        for turn in 0..TOKENS_BEHIND {
            let token = token_behind(&account.login, turn);
            tokens.insert(token, json!({ "login": account.login, "scopes": ["repo"] }));
        }
    }
    let users: Vec<_> = options
        .accounts
        .iter()
        .map(|account| {
            let login = &account.login;
            json!({ "login": login, "name": login, "email": format!("{login}@example.com") })
        })
        .collect();
    let repo = json!({
        "owner": options.owner, "name": options.name, "default_branch": options.base, "auto_init": true,
    });
    let seed = json!({ "tokens": tokens, "github": { "users": users, "repos": [repo] } });
    let file = dir.join("seed.yaml");
    // JSON is YAML.
    std::fs::write(&file, serde_json::to_vec_pretty(&seed)?)
        .with_context(|| format!("write {}", file.display()))?;
    Process::spawn(Spec {
        name: "emulate".into(),
        program: binaries.get("node")?,
        args: vec![
            "--require".into(),
            binaries.beside("loopback.cjs")?.into(),
            binaries.beside("node_modules/emulate/dist/index.js")?.into(),
            "start".into(),
            "--service".into(),
            "github".into(),
            "--port".into(),
            port.to_string().into(),
            "--seed".into(),
            file.into(),
            "--base-url".into(),
            front.into(),
        ],
        env: vec![("NO_COLOR".into(), "1".into())],
        log: dir.join("emulate.log"),
    })
}
