//! Invariants that hold after every case.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use autopilot_shared::api::{ActionApproval, AutopilotRule, AutopilotRuleObject};
use autopilot_stack::github::{BOT_TOKEN, BOT_TOKEN_2};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

use super::case::Case;
use super::servers::{BOT, FOLDER};
use crate::support::controllers::metrics_page;

impl Case<'_> {
    /// Checks that there is one pull request of ours for each digest, whoever else opened some from this branch.
    ///
    /// # Errors
    /// When there are two for one.
    pub async fn check_one_each(&self) -> Result<()> {
        let mut by_digest: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for pull in self.pulls().await?.into_iter().filter(|p| p.author == BOT) {
            let digest = marker(&pull.body).unwrap_or_else(|| format!("of #{}", pull.number));
            by_digest.entry(digest).or_default().push(pull.number);
        }
        ensure!(by_digest.values().all(|n| n.len() == 1), "two for one proposal: {by_digest:?}");
        Ok(())
    }

    /// Returns what GitHub shows of this case's pull requests: their comments, commits and files.
    async fn shown(&self) -> Result<[(&'static str, String); 3]> {
        let reviewer = &self.gitops.reviewer;
        let commits = reviewer.commits(self.gitops.github.base()).await?;
        let (mut comments, mut messages, mut files) = (String::new(), format!("{commits:?}"), String::new());
        for pull in self.pulls().await? {
            comments.push_str(&format!("#{} {:?}", pull.number, reviewer.comments(pull.number).await?));
            // The commits of a fork are elsewhere, and not by us.
            if pull.author != BOT {
                continue;
            }
            messages.push_str(&format!("{:?}", reviewer.commits(&pull.head_sha).await?));
            for path in reviewer.files(&pull.head_sha).await?.into_iter().filter(|p| p.starts_with(FOLDER)) {
                files.push_str(&reviewer.read(&pull.head_sha, &path).await?.unwrap_or_default());
            }
        }
        Ok([("comments", comments), ("commits", messages), ("files", files)])
    }

    /// Returns the metrics page of the controller that was started last. `None` if none runs.
    async fn metrics(&self) -> Result<Option<String>> {
        if self.gitops.controllers.count() == 0 {
            return Ok(None);
        }
        let page = self.gitops.until("the metrics page", async || {
            Ok(Some(metrics_page(&self.gitops.controllers.log()).await?))
        });
        page.await.map(Some)
    }

    /// Checks that the token stands nowhere that people can see: log, metrics, events, status, pull requests.
    ///
    /// # Errors
    /// When it does.
    pub async fn check_secrecy(&self) -> Result<()> {
        let client = || self.gitops.scene.client.clone();
        let all = ListParams::default();
        let places = [
            ("the log", self.gitops.controllers.log()),
            ("events", serde_json::to_string(&Api::<Event>::all(client()).list(&all).await?)?),
            ("approvals", serde_json::to_string(&Api::<ActionApproval>::all(client()).list(&all).await?)?),
            ("rules", serde_json::to_string(&Api::<AutopilotRule>::all(client()).list(&all).await?)?),
            (
                "journals",
                serde_json::to_string(&Api::<AutopilotRuleObject>::all(client()).list(&all).await?)?,
            ),
            ("pull requests", format!("{:?}", self.gitops.reviewer.pulls("all").await?)),
        ];
        let metrics = self.metrics().await?.map(|page| ("the metrics page", page));
        for (place, text) in places.into_iter().chain(self.shown().await?).chain(metrics) {
            ensure!(!text.is_empty(), "there is nothing in {place}");
            for token in [BOT_TOKEN, BOT_TOKEN_2] {
                ensure!(!text.contains(token), "the token is in {place}");
                let encoded = base64(token);
                ensure!(!text.contains(&encoded), "the encoded token is in {place}");
            }
        }
        Ok(())
    }
}

/// Returns the digest in the hidden line of a pull request.
fn marker(body: &str) -> Option<String> {
    let line = body.lines().rev().find_map(|l| l.strip_prefix("<!-- autopilot-approval "))?;
    line.split(' ').nth(4).map(str::to_owned)
}

/// Encodes a text as a Secret holds it, without the end, which depends on what follows.
fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks_exact(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| (bits << 8) | usize::from(*byte));
        for shift in [18, 12, 6, 0] {
            out.push(char::from(ALPHABET[(bits >> shift) & 63]));
        }
    }
    out
}
