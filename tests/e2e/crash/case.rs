//! One case: a rule and a PVC of its own on a cluster, the person who answers, and the storage's metrics that follow.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRule, AutopilotRuleObject, AutopilotRuleObjectStatus};
use autopilot_shared::names;
use autopilot_stack::{lock, wait_for};
use autopilot_tests::{Controllers, RuleText, objects, series};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt as _};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::CaseCluster;
use super::writes;

/// The longest time one step may take on a machine that has other things to do.
pub(crate) const STEP: Duration = Duration::from_secs(360);
/// With one pass in it.
pub(crate) const A_PASS: Duration = Duration::from_millis(1200);
/// With two passes in it; longer than the rest after which the journal learns that all is told.
pub(crate) const TWO_PASSES: Duration = Duration::from_millis(2400);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// The fastest person answers after this time.
const REACTION: Duration = Duration::from_millis(300);

static NEXT: AtomicUsize = AtomicUsize::new(1);

/// Which way a rule takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// With approval.
    Approved,
    /// With approval, on a volume that is first seen below the threshold.
    Grows,
    /// No `enforcement`.
    Unasked,
}

impl Path {
    /// Returns the transitions from the beginning to the end.
    pub(crate) fn transitions(self) -> Vec<&'static str> {
        let first = match self {
            Path::Grows => vec!["Initializing => Normal", "Normal => Triggered"],
            _ => vec!["Initializing => Triggered"],
        };
        let asked = match self {
            Path::Unasked => vec!["Triggered => ActiveActionsPending"],
            _ => {
                vec!["Triggered => ActionAwaitingApproval", "ActionAwaitingApproval => ActiveActionsPending"]
            }
        };
        let rest = [
            "ActiveActionsPending => ActiveActionsInProgress",
            "ActiveActionsInProgress => ActiveActionsTaken",
            "ActiveActionsTaken => Normal",
        ];
        [first, asked, rest.to_vec()].concat()
    }
}

/// The person who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    /// Nobody.
    Away,
    /// Approves what is pending, a moment after it is seen, whether a controller runs or not.
    Quick,
    /// Approves what is pending and shows what would happen.
    Careful,
}

/// Everything of a case, as the API has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    pub(crate) claim: PersistentVolumeClaim,
    pub(crate) journal: AutopilotRuleObjectStatus,
    pub(crate) approvals: Vec<ActionApproval>,
}

impl Look {
    /// Returns the requested size.
    pub(crate) fn request(&self) -> &str {
        objects::requested_size(&self.claim).unwrap_or_default()
    }

    /// Returns the size of the volume.
    pub(crate) fn capacity(&self) -> &str {
        objects::capacity(&self.claim).unwrap_or_default()
    }

    /// Returns whether the journal is in this state.
    pub(crate) fn is(&self, state: RuleState) -> bool {
        self.journal.state == Some(state)
    }

    /// Returns a pending approval that the journal has adopted and that shows what would happen.
    pub(crate) fn question(&self) -> Option<&ActionApproval> {
        let adopted =
            self.journal.approval.as_ref().filter(|_| self.is(RuleState::ActionAwaitingApproval))?;
        self.approvals.iter().find(|a| {
            a.metadata.uid.as_ref() == Some(&adopted.uid)
                && pending(a)
                && a.status.as_ref().is_some_and(|s| s.proposal.is_some())
        })
    }

    /// Returns what is missing for the end of the scenario: resized, told, Normal, no approval left.
    pub(crate) fn unfinished(&self) -> Vec<&'static str> {
        let journal = &self.journal;
        [
            (self.request() == "20Gi" && self.capacity() == "20Gi", "the PVC has 20Gi"),
            (self.approvals.is_empty(), "no approval is left"),
            (journal.state == Some(RuleState::Normal), "the journal says Normal"),
            (journal.transitions > 0 && journal.told == journal.transitions, "all is told"),
        ]
        .into_iter()
        .filter_map(|(holds, what)| (!holds).then_some(what))
        .collect()
    }
}

fn pending(approval: &ActionApproval) -> bool {
    approval.spec.approval_state.as_deref() == Some("pending")
        && approval.metadata.deletion_timestamp.is_none()
}

/// A case.
pub(crate) struct Case<'c> {
    pub(crate) cluster: &'c CaseCluster,
    pub(crate) path: Path,
    /// Of namespace, rule and PVC.
    pub(crate) name: String,
    /// The object id.
    pub(crate) volume: String,
    pub(crate) controllers: Controllers,
    person: Mutex<Person>,
    seen: Mutex<HashMap<String, Instant>>,
    /// Sizes that somebody has set by hand.
    pub(crate) by_hand: AtomicUsize,
}

impl<'c> Case<'c> {
    /// Creates namespace, volume and metrics; no rule and no controller yet. Faults of earlier cases are gone.
    pub(crate) async fn new(cluster: &'c CaseCluster, path: Path) -> Result<Case<'c>> {
        Case::start(cluster, path, false).await
    }

    /// Does the same with controllers that elect a leader.
    pub(crate) async fn with_election(cluster: &'c CaseCluster, path: Path) -> Result<Case<'c>> {
        Case::start(cluster, path, true).await
    }

    async fn start(cluster: &'c CaseCluster, path: Path, election: bool) -> Result<Case<'c>> {
        let name = format!("case-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.proxy.clear_rules();
        cluster.proxy.clear_log();
        cluster.servers.namespace(&name, &[("type", &name)]).await?;
        let volume = cluster.csi.provision(&name, &name, "10Gi", &[("app", "postgres")], "fast").await?;
        let mut command = cluster.command();
        command.args.extend(["--leader-election", if election { "true" } else { "false" }].map(Into::into));
        let controllers = Controllers::new(command)?;
        let person = Mutex::new(if path == Path::Unasked { Person::Away } else { Person::Careful });
        let case = Case {
            cluster,
            path,
            name,
            volume,
            controllers,
            person,
            seen: Mutex::default(),
            by_hand: AtomicUsize::new(0),
        };
        case.usage(if path == Path::Grows { 2.0 } else { 6.0 }, 10.0);
        Ok(case)
    }

    /// Changes how the person answers from now on.
    pub(crate) fn person(&self, person: Person) {
        *lock(&self.person) = person;
    }

    /// Sets the metrics of the volume.
    pub(crate) fn usage(&self, used: f64, capacity: f64) {
        series::set_usage(&self.cluster.metrics.exporter, &self.volume, used, capacity);
    }

    /// Creates the rule.
    pub(crate) async fn rule(&self) -> Result<()> {
        let text = RuleText::new(&self.name)
            .set("/namespaceSelector", json!({ "matchLabels": { "type": self.name } }));
        let text = if self.path == Path::Unasked { text.without_approval() } else { text };
        let rule: AutopilotRule = serde_json::from_str(&text.text())?;
        Api::all(self.cluster.client.clone()).create(&PostParams::default(), &rule).await?;
        Ok(())
    }

    /// Returns the API for a namespaced kind, as administrator.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client.clone(), &self.name)
    }

    /// Looks at everything.
    pub(crate) async fn look(&self) -> Result<Look> {
        let (claims, journals, approvals) = (self.api(), self.api(), self.api());
        let journal = names::rule_object_name(&self.volume, &self.name);
        let all = ListParams::default();
        let (claim, journal, approvals) =
            tokio::try_join!(claims.get(&self.name), journals.get_opt(&journal), approvals.list(&all))?;
        let journal = journal.and_then(|j: AutopilotRuleObject| j.status).unwrap_or_default();
        Ok(Look { claim, journal, approvals: approvals.items })
    }

    /// Does what the person, the exporter and the workload do at this sight.
    async fn attend(&self, look: &Look) -> Result<()> {
        if look.capacity() == "20Gi" {
            self.usage(6.0, 20.0);
        } else if self.path == Path::Grows && look.journal.items.is_empty() && self.known_normal().await? {
            self.usage(6.0, 10.0);
        }
        let person = *lock(&self.person);
        let wanted = match person {
            Person::Away => None,
            Person::Careful => look.question(),
            Person::Quick => look.approvals.iter().find(|a| pending(a) && self.has_been_seen(a)),
        };
        match wanted {
            Some(approval) => self.answer(&approval.name_any(), "approved").await,
            None => Ok(()),
        }
    }

    /// Returns whether the rule's status says that its object is Normal: a restart knows it from there.
    async fn known_normal(&self) -> Result<bool> {
        let rule: AutopilotRule = Api::all(self.cluster.client.clone()).get(&self.name).await?;
        Ok(rule.status.is_some_and(|s| s.states.get("Normal") == Some(&1)))
    }

    fn has_been_seen(&self, approval: &ActionApproval) -> bool {
        let uid = approval.metadata.uid.clone().unwrap_or_default();
        let mut seen = lock(&self.seen);
        seen.entry(uid).or_insert_with(Instant::now).elapsed() >= REACTION
    }

    /// Sets `approvalState`, as `kubectl patch --type=merge` would.
    pub(crate) async fn answer(&self, approval: &str, state: &str) -> Result<()> {
        let patch = Patch::Merge(json!({ "spec": { "approvalState": state } }));
        let params =
            PatchParams { field_manager: Some("kubectl-patch".to_owned()), ..PatchParams::default() };
        self.api::<ActionApproval>().patch(approval, &params, &patch).await?;
        Ok(())
    }

    /// Resizes the PVC by hand. The metrics show the new size and, below 20Gi, more usage: it is full again.
    pub(crate) async fn resize(&self, size: &str) -> Result<()> {
        self.by_hand.fetch_add(1, Ordering::Relaxed);
        let patch = Patch::Merge(json!({ "spec": { "resources": { "requests": { "storage": size } } } }));
        self.api::<PersistentVolumeClaim>().patch(&self.name, &PatchParams::default(), &patch).await?;
        if size == "15Gi" {
            self.usage(12.0, 15.0);
        }
        Ok(())
    }

    /// Looks, while life goes on, until something is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Look) -> bool) -> Result<Look> {
        let deadline = Instant::now() + STEP;
        let mut last = None;
        while Instant::now() < deadline {
            match timeout(Duration::from_secs(5), self.look()).await {
                Ok(Ok(look)) => {
                    if is_so(&look) {
                        return Ok(look);
                    }
                    last = self.attend(&look).await.err();
                }
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(anyhow::anyhow!("the API server does not answer")),
            }
            sleep(PAUSE).await;
        }
        let journal = self.look().await.map(|l| serde_json::to_string(&l.journal).unwrap_or_default());
        bail!("waited {STEP:?} for {what}; last error: {last:?}; the journal: {journal:?}")
    }

    /// Waits until the scenario has ended, and the next pass brought no write.
    pub(crate) async fn until_quiet(&self) -> Result<Look> {
        let look = self.until("the end of the scenario", |look| look.unfinished().is_empty()).await;
        let look = match look {
            Ok(look) => look,
            Err(error) => return Err(error.context(self.look().await?.unfinished().join(", "))),
        };
        // The journal learned that all is told after a rest of two passes already.
        self.until_no_write(A_PASS).await?;
        Ok(look)
    }

    /// Does the same, and something else whenever the journal shows another state.
    pub(crate) async fn until_quiet_with(&self, at_each_state: impl Fn(RuleState)) -> Result<Look> {
        let known = Cell::new(None);
        self.until("the end of the scenario, disturbed", |look| {
            let state = look.journal.state;
            if known.replace(state) != state {
                state.map(&at_each_state);
            }
            look.unfinished().is_empty()
        })
        .await?;
        self.until_quiet().await
    }

    /// Waits until there has been no write for some time.
    pub(crate) async fn until_no_write(&self, quiet: Duration) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut known = (self.cluster.proxy.write_count(), Instant::now());
        while known.1.elapsed() < quiet {
            if Instant::now() > deadline {
                let writes = self.cluster.proxy.writes();
                let last: Vec<String> = writes.iter().rev().take(10).map(writes::label).collect();
                bail!("it does not get quiet; the last writes, newest first: {last:#?}");
            }
            sleep(PAUSE).await;
            let count = self.cluster.proxy.write_count();
            if count != known.0 {
                known = (count, Instant::now());
            }
        }
        Ok(())
    }

    /// Deletes the rule, which the controller must let go, and sweeps the rest away.
    pub(crate) async fn end(self) -> Result<()> {
        let rules: Api<AutopilotRule> = Api::all(self.cluster.client.clone());
        rules.delete(&self.name, &DeleteParams::default()).await.context("delete the rule")?;
        let gone = wait_for("the rule to be gone", STEP, async || {
            Ok(rules.get_opt(&self.name).await?.is_none().then_some(()))
        })
        .await;
        self.controllers.kill();
        self.sweep().await?;
        gone.with_context(|| self.controllers.tail(30))
    }

    /// Ends a case with this result; of one that failed it tells what its controllers did.
    pub(crate) async fn finish(self, what: &str, result: Result<()>) -> Result<()> {
        match self.with_log(result) {
            Ok(()) => self.end().await,
            Err(error) => {
                self.abandon().await;
                Err(error.context(what.to_owned()))
            }
        }
    }

    /// Ends a case that failed: its cluster is not used again.
    pub(crate) async fn abandon(self) {
        self.controllers.kill();
        self.cluster.spoil();
        // What cannot be removed goes with the cluster.
        let _ = self.sweep().await;
    }

    /// Removes whatever is left, without a controller.
    async fn sweep(&self) -> Result<()> {
        self.cluster.proxy.clear_rules();
        let none = ListParams::default();
        let params = DeleteParams::default();
        self.api::<AutopilotRuleObject>().delete_collection(&params, &none).await?;
        self.api::<ActionApproval>().delete_collection(&params, &none).await?;
        self.api::<PersistentVolumeClaim>().delete_collection(&params, &none).await?;
        series::remove_usage(&self.cluster.metrics.exporter, &self.volume);
        Ok(())
    }
}
