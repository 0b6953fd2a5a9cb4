//! One case: a namespace that Flux applies, a volume, a rule, and its pull requests.

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::api::{ActionApproval, PullRequest, PullRequestState};
use autopilot_shared::{RuleState, names};
use autopilot_stack::github::PullRequest as Pull;
use k8s_openapi::api::core::v1::{Event, Namespace};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::scene::GitOpsScene;
use super::servers::FOLDER;
use crate::support::rules::RuleText;

/// A namespace, a volume of 10 GiB that is 60 % full, and a rule of the same name.
pub struct Case<'g> {
    /// Where it plays.
    pub gitops: &'g GitOpsScene,
    /// Of namespace and PVC.
    pub namespace: String,
    /// Name of the rule.
    pub rule: String,
    /// The object id.
    pub volume: String,
    /// Name of the approval.
    pub approval: String,
    /// Name of its branch.
    pub branch: String,
    /// Seconds that the object rests after an action.
    pub cool_down: u32,
}

/// A question that has its pull request.
#[derive(Clone, Debug)]
pub struct Question {
    /// The approval when it was looked at.
    pub approval: ActionApproval,
    /// Its digest.
    pub digest: String,
    /// Its pull request, as the status tells.
    pub pull: PullRequest,
}

impl<'g> Case<'g> {
    /// Creates the namespace by way of Flux, the volume and its metrics; no rule yet.
    ///
    /// # Errors
    /// When something does not come.
    pub async fn new(gitops: &'g GitOpsScene, name: &str) -> Result<Case<'g>> {
        Case::of(gitops, name, name).await
    }

    /// Does the same for a rule of another name.
    ///
    /// # Errors
    /// When something does not come.
    pub async fn of(gitops: &'g GitOpsScene, namespace: &str, rule: &str) -> Result<Case<'g>> {
        let manifests = [
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": namespace, "labels": { "type": namespace } },
            }),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": namespace, "namespace": namespace },
                "data": { "mode": "safe" },
            }),
        ];
        let text: Vec<String> = manifests.iter().map(ToString::to_string).collect();
        let base = gitops.github.base();
        gitops.reviewer.put(base, &format!("{FOLDER}/{namespace}.yaml"), &text.join("\n---\n")).await?;
        let namespaces: Api<Namespace> = Api::all(gitops.scene.client.clone());
        gitops
            .until(&format!("Flux to create namespace {namespace}"), async || {
                Ok(namespaces.get_opt(namespace).await?.map(drop))
            })
            .await?;
        let volume = gitops.scene.claim(namespace, "data", "10Gi", &[("app", "postgres")]).await?;
        let approval = names::approval_name(rule, &volume);
        let case = Case {
            gitops,
            namespace: namespace.to_owned(),
            rule: rule.to_owned(),
            branch: format!("aut-{namespace}-{approval}"),
            approval,
            volume,
            cool_down: 1,
        };
        case.usage(6.0, 10.0);
        Ok(case)
    }

    /// Sets the metrics of the volume, in GiB.
    pub fn usage(&self, used: f64, capacity: f64) {
        self.gitops.scene.usage(&self.volume, used, capacity);
    }

    /// Returns the guide's rule for this namespace, with short times.
    pub fn rule_text(&self) -> RuleText {
        RuleText::new(&self.rule)
            .set("/namespaceSelector", json!({ "matchLabels": { "type": self.namespace } }))
            .set("/actionsCoolDownPeriod", json!(self.cool_down))
    }

    /// Applies the rule.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn apply_rule(&self) -> Result<()> {
        self.gitops.scene.cluster.apply(&self.rule_text().text()).await?;
        Ok(())
    }

    /// Applies the rule, and waits until it asks: the pull request is open.
    ///
    /// # Errors
    /// When it does not ask.
    pub async fn asked(&self) -> Result<Question> {
        self.apply_rule().await?;
        self.until_asked("").await
    }

    /// Waits for a question other than this one, pending, with an open pull request in its status.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn until_asked(&self, other_than: &str) -> Result<Question> {
        self.gitops
            .until(&format!("an open pull request for {}", self.approval), async || {
                let Some(approval) = self.look().await? else { return Ok(None) };
                let status = approval.status.clone().unwrap_or_default();
                let digest = status.proposal.as_ref().map(|p| p.digest.clone()).unwrap_or_default();
                let pull = status.pull_request.unwrap_or_default();
                let found = digest != other_than
                    && pull.digest == digest
                    && !digest.is_empty()
                    && pull.state == PullRequestState::Open
                    && approval.spec.approval_state.as_deref() == Some("pending");
                Ok(found.then_some(Question { approval, digest, pull }))
            })
            .await
    }

    /// Returns the approval. `None` if there is none.
    ///
    /// # Errors
    /// When the API cannot be read.
    pub async fn look(&self) -> Result<Option<ActionApproval>> {
        self.gitops.scene.approval(&self.namespace, &self.rule, &self.volume).await
    }

    /// Waits until the approval is so; with how it is, when it does not become so.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn until_approval(
        &self,
        what: &str,
        so: impl Fn(&ActionApproval) -> bool,
    ) -> Result<ActionApproval> {
        self.gitops
            .until(&format!("{}: {what}", self.approval), async || {
                let found = self.look().await?.context("it is not there")?;
                if so(&found) {
                    return Ok(Some(found));
                }
                anyhow::bail!("it is {}", serde_json::to_string(&found)?)
            })
            .await
    }

    /// Waits until the approval has a condition that is true for this reason; its message comes back.
    ///
    /// # Errors
    /// When it does not get it.
    pub async fn until_condition(&self, kind: &str, reason: &str) -> Result<String> {
        let found = self
            .until_approval(&format!("{kind} because of {reason}"), |a| {
                condition(a, kind).is_some_and(|c| c.0 == reason)
            })
            .await?;
        Ok(condition(&found, kind).map(|c| c.1).unwrap_or_default())
    }

    /// Waits until the approval is gone.
    ///
    /// # Errors
    /// When it stays.
    pub async fn until_gone(&self) -> Result<()> {
        self.gitops
            .until(&format!("{} to go", self.approval), async || match self.look().await? {
                None => Ok(Some(())),
                Some(found) => anyhow::bail!("it is {}", serde_json::to_string(&found)?),
            })
            .await
    }

    /// Waits until the journal is in a state.
    ///
    /// # Errors
    /// When it does not get there.
    pub async fn until_state(&self, state: RuleState) -> Result<()> {
        self.gitops
            .until(&format!("{} to be {state}", self.volume), async || {
                let journal = self.gitops.scene.journal(&self.namespace, &self.rule, &self.volume).await?;
                let found = journal.and_then(|j| j.status).and_then(|s| s.state);
                ensure!(found == Some(state), "it is {found:?}");
                Ok(Some(()))
            })
            .await
    }

    /// Waits until the PVC requests this size.
    ///
    /// # Errors
    /// When it does not.
    pub async fn until_request(&self, size: &str) -> Result<()> {
        self.gitops
            .until(&format!("{} to request {size}", self.namespace), async || {
                let found = self.gitops.scene.request(&self.namespace, "data").await?;
                ensure!(found == size, "it requests {found}");
                Ok(Some(()))
            })
            .await
    }

    /// Returns every size that the PVC has requested.
    pub fn sizes(&self) -> Vec<String> {
        self.gitops.scene.csi.requests(&self.namespace, "data")
    }

    /// Deletes the approval as the guide does, without waiting for its end.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn delete_approval(&self) -> Result<()> {
        let api: Api<ActionApproval> = Api::namespaced(self.gitops.scene.client.clone(), &self.namespace);
        api.delete(&self.approval, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Returns the pull requests from the approval's branch, oldest first, whoever opened them.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn pulls(&self) -> Result<Vec<Pull>> {
        let all = self.gitops.reviewer.pulls("all").await?;
        Ok(all.into_iter().filter(|p| p.head == self.branch).collect())
    }

    /// Returns the files of this approval on the base branch.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn files(&self) -> Result<Vec<String>> {
        let all = self.gitops.reviewer.files(self.gitops.github.base()).await?;
        Ok(all.into_iter().filter(|f| f.starts_with(&format!("{FOLDER}/{}", self.approval))).collect())
    }

    /// Waits until a file is gone from the base branch.
    ///
    /// # Errors
    /// When it stays.
    pub async fn until_file_gone(&self, path: &str) -> Result<()> {
        let (reviewer, base) = (&self.gitops.reviewer, self.gitops.github.base());
        self.gitops
            .until(&format!("{path} to go"), async || {
                Ok(reviewer.read(base, path).await?.is_none().then_some(()))
            })
            .await
    }

    /// Waits until GitHub has neither the branch nor a file of this approval, nor an open pull request of it.
    ///
    /// # Errors
    /// When something is left.
    pub async fn until_clean(&self) -> Result<()> {
        self.gitops
            .until(&format!("GitHub to be clean of {}", self.approval), async || {
                let branch = self.gitops.reviewer.branch(&self.branch).await?;
                ensure!(branch.is_none(), "branch {} is at {branch:?}", self.branch);
                let files = self.files().await?;
                ensure!(files.is_empty(), "{files:?} are on the base branch");
                let open: Vec<_> = self.pulls().await?.into_iter().filter(|p| p.state == "open").collect();
                ensure!(open.is_empty(), "open: {open:?}");
                Ok(Some(()))
            })
            .await
    }

    /// Returns the comments on a pull request.
    ///
    /// # Errors
    /// When GitHub refuses.
    pub async fn comments(&self, number: u64) -> Result<Vec<String>> {
        Ok(self.gitops.reviewer.comments(number).await?.into_iter().map(|c| c.body).collect())
    }

    /// Ends the case: the rule goes, then nothing is left; one pull request for each proposal, and no token anywhere.
    ///
    /// # Errors
    /// When something is left.
    pub async fn end(self) -> Result<()> {
        self.gitops.synced().await?;
        let delete = ["delete", "autopilotrule", &self.rule, "--timeout=100s"];
        let deleted = self.gitops.scene.cluster.kubectl(&delete).await?.ok();
        if deleted.is_err() {
            let left = self.look().await?.map(|a| serde_json::to_string(&a)).transpose()?;
            deleted.with_context(|| format!("{}\nthe approval: {left:?}", self.gitops.log_tail()))?;
        }
        self.until_gone().await?;
        self.until_clean().await?;
        self.check_one_each().await?;
        ensure!(self.gitops.controllers.all_alive(), "a controller ended:\n{}", self.gitops.log_tail());
        let unhealthy = self.unhealthy().await?;
        ensure!(
            unhealthy.is_empty(),
            "Flux waited for something in vain: {unhealthy:?}\n{}",
            self.gitops.log_tail()
        );
        self.check_secrecy().await
    }
}

impl Case<'_> {
    /// Returns Flux's events about objects that did not become healthy: nothing of ours ever holds a Kustomization up.
    async fn unhealthy(&self) -> Result<Vec<String>> {
        let events: Api<Event> = Api::namespaced(self.gitops.scene.client.clone(), "flux-system");
        let found = events.list(&ListParams::default().fields("reason=HealthCheckFailed")).await?;
        let told = |event: Event| format!("{:?} {:?}", event.first_timestamp, event.message);
        Ok(found.items.into_iter().map(told).collect())
    }
}

/// Returns reason and message of a condition that is true.
pub fn condition(approval: &ActionApproval, kind: &str) -> Option<(String, String)> {
    let conditions = approval.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|c| c.type_ == kind && c.status == "True")?;
    Some((found.reason.clone(), found.message.clone()))
}

impl Question {
    /// Returns the number of its pull request.
    pub fn number(&self) -> u64 {
        self.pull.number
    }

    /// Returns the UID of the approval.
    pub fn uid(&self) -> String {
        self.approval.uid().unwrap_or_default()
    }
}
