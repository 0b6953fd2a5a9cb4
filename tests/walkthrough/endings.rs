//! The four endings of a question, each checked while it is shown.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use autopilot_shared::RuleState;
use autopilot_shared::api::ActionApproval;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::walk::Walk;
use crate::support::objects::digest;

/// Polls that a declined object must be quiet for.
pub(super) const QUIET_POLLS: usize = 10;
/// And after a restart.
pub(super) const QUIET_POLLS_AFTER_RESTART: usize = 3;

/// Everything that a controller that is not quiet would change.
#[derive(Debug, PartialEq, Eq)]
struct Silence {
    events: Vec<String>,
    journal: Option<String>,
    approval: Option<String>,
    rule: Option<String>,
}

impl Walk<'_> {
    /// Fills `pgbench-data` to so many GiB, and waits until the rule triggers and asks. `pgbench-data` must be seen at
    /// `percent`.
    ///
    /// # Errors
    /// When nobody is asked.
    pub async fn is_asked(&mut self, gib: f64, percent: f64, message: &str) -> Result<ActionApproval> {
        self.data.fill_to(gib);
        self.until_usage(percent).await?;
        println!("After {} s over 50 % the rule asks.\n", self.stage.pace.hold);
        let pending = self.until_pending().await?;
        self.until_told(&["Normal => Triggered", "Triggered => ActionAwaitingApproval"], 0).await?;
        self.show_last_events(2).await?;
        let name = self.show_approval("pending").await?;
        let preview = self
            .stage
            .shell
            .run(&format!(
                "kubectl get actionapproval {name} -n {} \
                 -o jsonpath='{{.status.actionPreviews[0].expectedResult.Message}}{{\"\\n\"}}'",
                self.namespace
            ))
            .await?;
        ensure!(preview.trim_end() == message, "the preview says '{preview}' instead of '{message}'");
        Ok(pending)
    }

    /// Answers as the guide does.
    async fn answer(&self, approval: &str, state: &str) -> Result<()> {
        self.stage
            .shell
            .run(&format!(
                "kubectl patch actionapproval {approval} -n {} --type=merge \
                 -p '{{\"spec\":{{\"approvalState\":\"{state}\"}}}}'",
                self.namespace
            ))
            .await?;
        Ok(())
    }

    /// Plays ending 1: approved. The claim grows once, and after the cool-down the approval is gone. `sizes` are all
    /// that the claim has ever requested, the new one last.
    ///
    /// # Errors
    /// When something else happens.
    pub async fn approve(&mut self, approval: &str, sizes: &[&str]) -> Result<()> {
        self.answer(approval, "approved").await?;
        self.grows(sizes).await
    }

    /// Follows an approved resize: the claim grows once, and after the cool-down the approval is gone.
    ///
    /// # Errors
    /// When something else happens.
    pub async fn grows(&mut self, sizes: &[&str]) -> Result<()> {
        self.until_sizes(sizes).await?;
        self.until_told(
            &[
                "ActionAwaitingApproval => ActiveActionsPending",
                "ActiveActionsPending => ActiveActionsInProgress",
                "ActiveActionsInProgress => ActiveActionsTaken",
            ],
            0,
        )
        .await?;
        self.stage.shell.run(&format!("kubectl get pvc -n {}", self.namespace)).await?;
        self.show_approval("approved").await?;
        println!(
            "The cool-down of {} s runs; the approval stays until it is over.\n",
            self.stage.pace.cool_down
        );
        self.until_told(&["ActiveActionsTaken => Normal"], self.stage.pace.cool_down).await?;
        self.until("the approval to go", 0, async || {
            let left = self.stage.scene.approval(&self.namespace, &self.rule, self.data.volume()).await?;
            Ok(left.is_none().then_some(()))
        })
        .await?;
        self.show_events().await?;
        self.show_no_approval().await?;
        self.until_sizes(sizes).await
    }

    /// Plays ending 2: declined.
    ///
    /// # Errors
    /// When something else happens.
    pub async fn decline(&mut self, approval: &str) -> Result<()> {
        self.answer(approval, "declined").await?;
        self.until_told(&["ActionAwaitingApproval => ActiveActionsDeclined"], 0).await?;
        self.show_last_events(1).await?;
        self.show_approval("declined").await?;
        Ok(())
    }

    /// Checks that a declined object is left alone: no event and no write, over polls and a restart of the controller.
    /// Nothing else may go on on this stage.
    ///
    /// # Errors
    /// When the controller says or writes something.
    pub async fn stays_quiet(&self) -> Result<()> {
        println!(
            "From now on nothing may happen, for {QUIET_POLLS} polls and over a restart of the controller ..."
        );
        self.until_at_rest().await?;
        let before = self.silence().await?;
        self.stage.count_anew();
        self.until_polls(QUIET_POLLS).await?;
        self.check_quiet(&before).await?;
        println!("{QUIET_POLLS} polls: no event, no write.");
        self.stage.stop_controller().await?;
        self.stage.metrics.clear_log();
        self.stage.start_controller().await?;
        self.until_polls(QUIET_POLLS_AFTER_RESTART).await?;
        self.check_quiet(&before).await?;
        println!("Stopped and started again, {QUIET_POLLS_AFTER_RESTART} polls: no event, no write.\n");
        self.show_approval("declined").await?;
        Ok(())
    }

    /// Plays ending 3: the declined approval is deleted, and a new one asks. Returns the new approval.
    ///
    /// # Errors
    /// When something else happens.
    pub async fn delete_declined(&mut self, declined: &ActionApproval) -> Result<ActionApproval> {
        let name = declined.name_any();
        self.stage.shell.run(&format!("kubectl delete actionapproval {name} -n {}", self.namespace)).await?;
        let new = self.until_pending().await?;
        ensure!(new.uid() != declined.uid(), "the approval is still the declined one");
        ensure!(digest(&new) != digest(declined), "the new approval has the digest of the declined one");
        self.until_told(
            &["ActiveActionsDeclined => Triggered", "Triggered => ActionAwaitingApproval"],
            self.stage.pace.hold,
        )
        .await?;
        self.show_last_events(2).await?;
        self.show_approval("pending").await?;
        Ok(new)
    }

    /// Removes `enforcement` from the rule.
    ///
    /// # Errors
    /// When `kubectl` fails.
    pub async fn remove_enforcement(&self) -> Result<()> {
        self.stage
            .shell
            .run(&format!(
                "kubectl patch autopilotrule {} --type=json \
                 -p '[{{\"op\":\"remove\",\"path\":\"/spec/enforcement\"}}]'",
                self.rule
            ))
            .await?;
        Ok(())
    }

    /// Plays ending 4: the rule asks nobody. The claim grows once, without an approval. `before` are the transitions
    /// that lead to the action.
    ///
    /// # Errors
    /// When something else happens.
    pub async fn resizes_alone(&mut self, before: &[&str], sizes: &[&str]) -> Result<()> {
        self.until_sizes(sizes).await?;
        let mut steps = before.to_vec();
        steps.extend([
            "Triggered => ActiveActionsPending",
            "ActiveActionsPending => ActiveActionsInProgress",
            "ActiveActionsInProgress => ActiveActionsTaken",
        ]);
        self.until_told(&steps, 0).await?;
        self.show_no_approval().await?;
        self.stage.shell.run(&format!("kubectl get pvc -n {}", self.namespace)).await?;
        println!("The cool-down of {} s runs.\n", self.stage.pace.cool_down);
        self.until_told(&["ActiveActionsTaken => Normal"], self.stage.pace.cool_down).await?;
        self.show_last_events(before.len() + 4).await?;
        self.until_sizes(sizes).await
    }

    /// Waits until the controller has written down all that it has told.
    async fn until_at_rest(&self) -> Result<()> {
        let scene = &self.stage.scene;
        self.until("journal and rule to say that the object is declined", 0, async || {
            let journal = scene.journal(&self.namespace, &self.rule, self.data.volume()).await?;
            let journal = journal.and_then(|j| j.status).unwrap_or_default();
            let rule = scene.rule(&self.rule).await?.status.unwrap_or_default();
            let declined = RuleState::ActionsDeclined;
            Ok((journal.state == Some(declined)
                && journal.told == journal.transitions
                && rule.states.get(declined.as_str()) == Some(&1))
            .then_some(()))
        })
        .await
    }

    async fn until_polls(&self, polls: usize) -> Result<()> {
        let pace = self.stage.pace;
        let seconds = pace.poll.max(pace.step).saturating_mul(polls as u64 + 2);
        self.until(
            &format!("{polls} polls"),
            seconds,
            async || Ok((self.stage.polls() > polls).then_some(())),
        )
        .await
    }

    async fn silence(&self) -> Result<Silence> {
        let scene = &self.stage.scene;
        let volume = self.data.volume();
        let events = Api::<Event>::all(scene.client.clone()).list(&ListParams::default()).await?;
        let mut events: Vec<String> = events
            .into_iter()
            .filter(|e| e.source.as_ref().and_then(|s| s.component.as_deref()) == Some("autopilot"))
            .map(|e| format!("{} {}", e.name_any(), e.resource_version().unwrap_or_default()))
            .collect();
        events.sort();
        Ok(Silence {
            events,
            journal: scene
                .journal(&self.namespace, &self.rule, volume)
                .await?
                .and_then(|o| o.resource_version()),
            approval: scene
                .approval(&self.namespace, &self.rule, volume)
                .await?
                .and_then(|o| o.resource_version()),
            rule: scene.rule(&self.rule).await?.resource_version(),
        })
    }

    async fn check_quiet(&self, before: &Silence) -> Result<()> {
        let writes = self.stage.writes();
        ensure!(writes.is_empty(), "the controller wrote:\n{}", writes.join("\n"));
        let now = self.silence().await?;
        ensure!(now == *before, "something changed: before {before:?}, now {now:?}");
        Ok(())
    }

    /// Follows the rule from its creation: the object is seen and is Normal.
    ///
    /// # Errors
    /// When it is not told.
    pub async fn starts_normal(&mut self) -> Result<()> {
        self.until_told(&["Initializing => Normal"], 0).await?;
        let ready = self.stage.scene.until_condition(&self.rule, "Ready", "True");
        tokio::time::timeout(Duration::from_secs(60), ready).await.context("condition Ready")??;
        Ok(())
    }
}
