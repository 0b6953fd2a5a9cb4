//! Cases side by side in one cluster: each has a namespace of its own, and rules that select nothing else.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRuleObject, AutopilotRuleObjectStatus};
use autopilot_shared::names;
use autopilot_stack::{Action, FaultProxy, Match, Refusal, RuleId};
use autopilot_tests::objects::{capacity, digest};
use autopilot_tests::{RuleText, Scene, SceneOptions};
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

/// Seconds after which a question is taken back whose condition no longer holds.
pub(crate) const CANCEL_AFTER: u32 = 2;

/// A cluster with proxies before its API and its metrics.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    /// Between the controller and the API.
    pub(crate) api: FaultProxy,
    metrics: FaultProxy,
    counts: RuleId,
}

impl Stage {
    pub(crate) async fn start() -> Result<Self> {
        let mut scene = Scene::start(SceneOptions::default()).await?;
        let origin = scene.prometheus.as_ref().context("a Prometheus of its own")?.url();
        let metrics = FaultProxy::to_plain(origin)?;
        let api = FaultProxy::to_cluster(&scene.cluster)?;
        // All rules count the series of one key, once a pass.
        let counting = Match::any().when(|seen| seen.body.starts_with(b"query=count%28"));
        let counts = metrics.rule(counting, Action::Delay(Duration::ZERO));
        scene.controller_at(&api.url(), &[]).await?;
        let stage = Stage { scene, api, metrics, counts };
        stage.configure("").await?;
        Ok(stage)
    }

    /// Kills the controller and starts another one.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.scene.controllers.clear();
        self.scene.controller_at(&self.api.url(), &[]).await?;
        Ok(())
    }

    /// Writes the configuration, with more lines.
    pub(crate) async fn configure(&self, more: &str) -> Result<()> {
        self.scene.configure(&self.metrics.url(), &format!("cancelAfter: {CANCEL_AFTER}\n{more}")).await
    }

    /// Returns the number of passes so far.
    pub(crate) fn passes(&self) -> usize {
        self.metrics.applied(self.counts)
    }

    /// Waits for so many further passes.
    pub(crate) async fn further_passes(&self, more: usize) -> Result<()> {
        let until = self.passes() + more;
        self.scene.until(&format!("{more} passes"), async || Ok((self.passes() >= until).then_some(()))).await
    }

    /// Begins a new case, with its namespace.
    pub(crate) async fn case(&self, name: &'static str) -> Result<Case<'_>> {
        self.scene.cluster.namespace(name, &[("case", name)]).await?;
        Ok(Case { stage: self, name })
    }

    /// Runs kubectl, which must succeed.
    pub(crate) async fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.scene.cluster.kubectl(args).await?.ok()
    }
}

/// A case: its namespace, and the rule of the same name.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) name: &'static str,
}

impl Case<'_> {
    /// Returns the rule of the case: asks for approval, doubles what is more than half full.
    pub(crate) fn rule(&self) -> RuleText {
        self.rule_named(self.name)
    }

    /// Returns another rule for the same objects.
    pub(crate) fn rule_named(&self, name: &str) -> RuleText {
        RuleText::new(name).set("/namespaceSelector", json!({ "matchLabels": { "case": self.name } }))
    }

    pub(crate) async fn apply(&self, rule: &RuleText) -> Result<()> {
        self.stage.scene.cluster.apply(&rule.text()).await?;
        Ok(())
    }

    /// Creates a claim of 10Gi.
    pub(crate) async fn claim(&self, claim: &str) -> Result<String> {
        self.stage.scene.claim(self.name, claim, "10Gi", &[("app", "postgres")]).await
    }

    /// Creates a claim of 10Gi of which 6 are used.
    pub(crate) async fn full_claim(&self, claim: &str) -> Result<String> {
        let volume = self.claim(claim).await?;
        self.usage(&volume, 6.0, 10.0);
        Ok(volume)
    }

    pub(crate) fn usage(&self, volume: &str, used: f64, capacity: f64) {
        self.stage.scene.usage(volume, used, capacity);
    }

    /// Waits for the question about a volume.
    pub(crate) async fn asked(&self, volume: &str) -> Result<ActionApproval> {
        self.stage.scene.until_pending(self.name, self.name, volume).await.with_context(|| self.name)
    }

    /// Waits for a question that is another one than this.
    pub(crate) async fn asked_anew(&self, volume: &str, old: &ActionApproval) -> Result<ActionApproval> {
        let scene = &self.stage.scene;
        scene
            .until(&format!("{}: another question about {volume}", self.name), async || {
                let found = scene.approval(self.name, self.name, volume).await?;
                Ok(found.filter(|found| found.metadata.uid != old.metadata.uid).map(drop))
            })
            .await?;
        let new = self.asked(volume).await?;
        ensure!(digest(&new) != digest(old), "{}: the same proposal in another approval", self.name);
        Ok(new)
    }

    pub(crate) async fn answer(&self, volume: &str, answer: &str) -> Result<()> {
        self.stage.scene.answer(self.name, &names::approval_name(self.name, volume), answer).await
    }

    /// Waits until nobody is asked about a volume.
    pub(crate) async fn unasked(&self, volume: &str) -> Result<()> {
        let scene = &self.stage.scene;
        scene
            .until(&format!("{}: no question about {volume}", self.name), async || {
                Ok(scene.approval(self.name, self.name, volume).await?.is_none().then_some(()))
            })
            .await
    }

    /// Waits until a volume is in a state.
    pub(crate) async fn state(&self, volume: &str, state: RuleState) -> Result<AutopilotRuleObjectStatus> {
        let journal = self.stage.scene.until_state(self.name, self.name, volume, state).await;
        Ok(journal.with_context(|| self.name)?.status.unwrap_or_default())
    }

    /// Waits until the journal says this about why its object stays in a state.
    pub(crate) async fn says(
        &self,
        volume: &str,
        state: RuleState,
        words: &str,
    ) -> Result<AutopilotRuleObjectStatus> {
        let scene = &self.stage.scene;
        scene
            .until(&format!("{}: {state} because of '{words}'", self.name), async || {
                let status = scene.journal(self.name, self.name, volume).await?.and_then(|j| j.status);
                let here = |s: &AutopilotRuleObjectStatus| {
                    s.state == Some(state) && s.reason.as_deref().is_some_and(|why| why.contains(words))
                };
                Ok(status.filter(here))
            })
            .await
    }

    /// Waits until a claim requests a size.
    pub(crate) async fn requests(&self, claim: &str, size: &str) -> Result<()> {
        self.stage.scene.until_request(self.name, claim, size).await.with_context(|| self.name)
    }

    /// Waits until the storage has made a claim so large.
    pub(crate) async fn grown(&self, claim: &str, size: &str) -> Result<()> {
        self.stage
            .scene
            .until(&format!("{}/{claim} has {size}", self.name), async || {
                Ok((capacity(&self.claims().get(claim).await?) == Some(size)).then_some(()))
            })
            .await
    }

    /// Checks that these are all the sizes that a claim has requested.
    pub(crate) fn sizes(&self, claim: &str, wanted: &[&str]) -> Result<()> {
        let seen = self.stage.scene.csi.requests(self.name, claim);
        ensure!(seen == wanted, "{}/{claim} has requested {seen:?}, not {wanted:?}", self.name);
        Ok(())
    }

    /// Returns how often the controller has written to a claim.
    pub(crate) fn writes(&self, claim: &str) -> usize {
        let path = format!("/namespaces/{}/persistentvolumeclaims/{claim}", self.name);
        let requests = self.stage.api.requests();
        requests.iter().filter(|r| r.method == "PATCH" && r.resource().ends_with(&path)).count()
    }

    /// Makes the API server refuse all writes of the controller to a claim.
    pub(crate) fn refuse_writes(&self, claim: &str) -> RuleId {
        let path = format!("/namespaces/{}/persistentvolumeclaims/{claim}", self.name);
        let writes = Match::writes().method("PATCH").path(&path);
        self.stage.api.rule(writes, Action::Refuse(Refusal::unavailable()))
    }

    /// Waits until a write was refused.
    pub(crate) async fn refused(&self, held: RuleId) -> Result<()> {
        let api = &self.stage.api;
        self.stage.scene.until("a write is tried", async || Ok((api.applied(held) > 0).then_some(()))).await
    }

    /// Waits until this is the whole path of a volume.
    pub(crate) async fn path(&self, volume: &str, wanted: &[&str]) -> Result<()> {
        let scene = &self.stage.scene;
        let what = format!("{}: {} transitions", self.name, wanted.len());
        let enough = scene
            .until(&what, async || {
                Ok((scene.path(self.name, volume).await?.len() >= wanted.len()).then_some(()))
            })
            .await;
        let path = scene.path(self.name, volume).await?;
        ensure!(path == wanted, "{}: {path:#?}, not {wanted:#?}", self.name);
        enough
    }

    /// Waits for an event of the case's rule with this reason and these words.
    pub(crate) async fn event(&self, reason: &str, words: &str) -> Result<String> {
        let rule = format!("involvedObject.kind=AutopilotRule,involvedObject.name={}", self.name);
        let params = ListParams::default().fields(&format!("{rule},reason={reason}"));
        let events = Api::<Event>::namespaced(self.stage.scene.client.clone(), "default");
        self.stage
            .scene
            .until(&format!("{}: an event {reason} that says '{words}'", self.name), async || {
                let list = events.list(&params).await?;
                let mut messages = list.items.into_iter().filter_map(|e| e.message);
                Ok(messages.find(|message| message.contains(words)))
            })
            .await
    }

    fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.stage.scene.client.clone(), self.name)
    }

    /// Patches a claim by hand.
    pub(crate) async fn edit(&self, claim: &str, patch: Value) -> Result<()> {
        self.claims().patch(claim, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Enlarges a claim by hand.
    pub(crate) async fn enlarge(&self, claim: &str, size: &str) -> Result<()> {
        self.edit(claim, json!({ "spec": { "resources": { "requests": { "storage": size } } } })).await
    }

    /// Deletes a claim and waits until it is gone.
    pub(crate) async fn delete(&self, claim: &str) -> Result<()> {
        self.claims().delete(claim, &DeleteParams::default()).await?;
        self.stage
            .scene
            .until(&format!("{}/{claim} is gone", self.name), async || {
                Ok(self.claims().get_opt(claim).await?.is_none().then_some(()))
            })
            .await
    }

    /// Waits until the namespace holds neither approvals nor journals.
    pub(crate) async fn nothing_left(&self) -> Result<()> {
        let client = &self.stage.scene.client;
        let approvals = Api::<ActionApproval>::namespaced(client.clone(), self.name);
        let journals = Api::<AutopilotRuleObject>::namespaced(client.clone(), self.name);
        self.stage
            .scene
            .until(&format!("nothing is left in {}", self.name), async || {
                let approvals = approvals.list(&ListParams::default()).await?.items.len();
                let journals = journals.list(&ListParams::default()).await?.items.len();
                Ok((approvals + journals == 0).then_some(()))
            })
            .await
    }
}
