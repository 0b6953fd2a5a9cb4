//! Approvals in memory, an engine that only latches, a GitOps tool that only applies, and desks that work on both.

#[path = "scene/fake_cluster.rs"]
mod fake_cluster;

use autopilot_controller::decide::{Approval, Writer};
use autopilot_controller::pull_requests::plan::{PullRequestSettings, VIA};
use autopilot_controller::pull_requests::tracker::Tracker;
use autopilot_controller::pull_requests::worker::{Worked, Worker};
use autopilot_controller::pull_requests::{Author, PullState};
use autopilot_shared::api::{
    ANNOTATION_PROPOSAL, ActionApproval, Decision, Execution, Outcome, PullRequestState,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::ResourceExt as _;
use serde_json::json;

use crate::fake_forge::{FakeForge, REPOSITORY};
pub(crate) use fake_cluster::FakeCluster;

pub(crate) const NS: &str = "pg1";
pub(crate) const RULE: &str = "volume-resize";
const FOLDER: &str = "clusters/prod";

pub(crate) type Key = (String, String);

/// A controller's half that knows forges, and how much of the watch it has seen.
pub(crate) struct Controller {
    pub worker: Worker<FakeForge, FakeCluster>,
    seen: usize,
}

pub(crate) struct ForgeScene {
    pub forge: FakeForge,
    pub cluster: FakeCluster,
    pub settings: PullRequestSettings,
    pub controllers: Vec<Controller>,
    runtime: tokio::runtime::Runtime,
    proposals: u32,
    /// How much of what happened the engine has seen.
    decided: usize,
    /// A controller dies of a fault instead of going on.
    pub mortal: bool,
}

pub(crate) fn settings() -> PullRequestSettings {
    PullRequestSettings {
        folder: FOLDER.to_owned(),
        author: Author { name: "Autopilot".to_owned(), email: "autopilot@example.com".to_owned() },
        base: None,
        labels: Vec::new(),
        reviewers: Vec::new(),
        cluster_name: Some("prod".to_owned()),
        poll: SignedDuration::from_secs(30),
        max_open: 50,
        sync_limit: SignedDuration::from_mins(10),
        request_reconcile: false,
        deletion_bound: SignedDuration::from_mins(2),
    }
}

pub(crate) fn key(name: &str) -> Key {
    (NS.to_owned(), name.to_owned())
}

impl ForgeScene {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: PullRequestSettings) -> Self {
        let mut scene = ForgeScene {
            forge: FakeForge::new("2026-11-22T10:00:00Z".parse().unwrap()),
            cluster: FakeCluster::default(),
            settings,
            controllers: Vec::new(),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            proposals: 0,
            decided: 0,
            mortal: false,
        };
        scene.start();
        scene
    }

    /// A controller starts, and knows nothing.
    pub(crate) fn start(&mut self) {
        let mut tracker =
            Tracker::new(self.settings.clone(), REPOSITORY.to_owned(), "cluster-uid".to_owned());
        tracker.begin_resync();
        let state = self.cluster.state();
        for approval in state.approvals.values() {
            tracker.apply(approval.clone());
        }
        let seen = state.changes.len();
        drop(state);
        tracker.end_resync();
        let worker = Worker { tracker, forge: self.forge.clone(), cluster: self.cluster.clone() };
        self.controllers.push(Controller { worker, seen });
    }

    /// All controllers die; one starts.
    pub(crate) fn restart(&mut self) {
        self.controllers.clear();
        self.start();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.forge.state().now
    }

    /// The engine proposes: an approval that waits for an answer, 60 % against 50 %.
    pub(crate) fn propose(&mut self, name: &str) -> String {
        self.propose_at(name, "60")
    }

    pub(crate) fn propose_at(&mut self, name: &str, value: &str) -> String {
        self.proposals += 1;
        let digest = format!("{:016x}", 0xd000_0000_u64 + u64::from(self.proposals));
        let at = self.now();
        let uid = match self.get(name) {
            Some(there) => there.raw.uid().unwrap(),
            None => format!("uid-{}", self.proposals),
        };
        let raw: ActionApproval = serde_json::from_value(json!({
            "apiVersion": "autopilot.libopenstorage.org/v1alpha1",
            "kind": "ActionApproval",
            "metadata": {
                "name": name, "namespace": NS, "uid": uid,
                "labels": { "rule": RULE, "object": format!("pvc-{name}") },
                "annotations": { ANNOTATION_PROPOSAL: digest },
            },
            "spec": {
                "approvalState": "pending",
                "actions": [{ "name": "resize", "params": params(), "proposal": digest }],
            },
            "status": {
                "Rule": { "Name": RULE, "Namespace": "" },
                "actionPreviews": [{
                    "action": { "name": "resize", "params": params() },
                    "expectedResult": { "Message": "PVC will resize from 10Gi to 20Gi" },
                    "involvedObjects": [{
                        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": "data", "namespace": NS,
                        "uid": format!("pvc-{name}"),
                    }],
                }],
                "proposal": {
                    "id": digest, "digest": digest, "action": "resize", "params": params(),
                    "from": "10Gi", "to": "20Gi", "pvcUID": "pvc-uid", "ruleHash": "h",
                    "measured": [{ "key": "usage", "operator": "Gt", "values": ["50"], "value": value }],
                    "at": MicroTime(at), "approvalName": name,
                },
            },
        }))
        .unwrap();
        let mut approval = Approval { raw, writers: vec![writer("autopilot-controller", false)] };
        if let Some(there) = self.get(name) {
            approval.raw.metadata.finalizers = there.raw.metadata.finalizers;
            let old = there.raw.status.unwrap();
            approval.raw.status.as_mut().unwrap().pull_request = old.pull_request;
        }
        self.cluster.state().put(approval);
        digest
    }

    pub(crate) fn get(&self, name: &str) -> Option<Approval> {
        self.cluster.state().approvals.get(&key(name)).cloned()
    }

    pub(crate) fn decision(&self, name: &str) -> Option<Decision> {
        self.get(name)?.raw.status?.decision
    }

    /// The conditions that stand: type and reason.
    pub(crate) fn conditions(&self, name: &str) -> Vec<(String, String)> {
        let status = self.get(name).and_then(|a| a.raw.status);
        let all = status.and_then(|s| s.conditions).unwrap_or_default();
        all.into_iter().filter(|c| c.status == "True").map(|c| (c.type_, c.reason)).collect()
    }

    /// `kubectl patch`.
    pub(crate) fn kubectl(&mut self, name: &str, state: &str) {
        self.cluster.state().edit(&key(name), |a| {
            a.raw.spec.approval_state = Some(state.to_owned());
            a.writers = vec![writer("kubectl-patch", false)];
        });
        self.engine();
    }

    /// `kubectl delete`, or the engine does.
    pub(crate) fn delete(&mut self, name: &str) {
        let now = self.now();
        self.cluster.state().edit(&key(name), |a| a.raw.metadata.deletion_timestamp = Some(Time(now)));
    }

    /// The engine takes the question back.
    pub(crate) fn cancel(&mut self, name: &str, why: &str) {
        self.latch(name, Outcome::Canceled, "", "controller", why);
    }

    /// The engine has done what was approved.
    pub(crate) fn execute(&mut self, name: &str, outcome: &str) {
        let now = self.now();
        self.cluster.state().edit(&key(name), |a| {
            let message = if outcome == "done" { String::new() } else { "quota".to_owned() };
            a.raw.status.get_or_insert_default().execution =
                Some(Execution { outcome: outcome.to_owned(), at: Some(MicroTime(now)), message });
        });
    }

    fn latch(&mut self, name: &str, outcome: Outcome, by: &str, via: &str, why: &str) {
        let now = self.now();
        self.cluster.state().edit(&key(name), |a| {
            let status = a.raw.status.get_or_insert_default();
            let digest = status.proposal.as_ref().unwrap().digest.clone();
            assert!(status.decision.is_none());
            status.decision = Some(Decision {
                digest,
                outcome,
                by: by.to_owned(),
                at: Some(MicroTime(now)),
                via: via.to_owned(),
                reason: why.to_owned(),
            });
        });
    }

    /// What the engine does: latches what is asked for about the current proposal.
    pub(crate) fn engine(&mut self) {
        let changed: std::collections::BTreeSet<Key> = {
            let state = self.cluster.state();
            let new = state.changes[self.decided..].iter().flatten();
            let keys = new.map(|a| (a.raw.namespace().unwrap(), a.raw.name_any())).collect();
            self.decided = state.changes.len();
            keys
        };
        for key in changed {
            let Some(approval) = self.cluster.state().approvals.get(&key).cloned() else { continue };
            let name = approval.raw.name_any();
            let Some(status) = &approval.raw.status else { continue };
            let Some(proposal) = &status.proposal else { continue };
            if status.decision.is_some() || approval.raw.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let asked = approval.raw.spec.actions.iter().flatten().next();
            let bound = asked.is_some_and(|a| {
                a.proposal.as_ref() == Some(&proposal.digest) && a.params == proposal.params
            });
            let via = match approval.writers.first() {
                Some(w) if w.apply => "flux",
                _ => "kubectl",
            };
            match approval.raw.spec.approval_state.as_deref() {
                Some("approved") if bound => self.latch(&name, Outcome::Approved, "", via, ""),
                Some("declined") if bound => self.latch(&name, Outcome::Declined, "", via, ""),
                _ => {
                    let closed = status
                        .pull_request
                        .as_ref()
                        .filter(|p| p.state == PullRequestState::Closed && p.digest == proposal.digest);
                    if let Some(closed) = closed {
                        self.latch(&name, Outcome::Declined, &closed.by, VIA, "");
                    }
                }
            }
        }
    }

    /// The GitOps tool applies what is on the base branch.
    pub(crate) fn flux(&mut self) {
        for (path, text) in self.forge.base_files() {
            let file: ActionApproval =
                serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
            let key = (file.namespace().unwrap(), file.name_any());
            let mut state = self.cluster.state();
            if let Some(there) = state.approvals.get(&key) {
                if there.raw.spec == file.spec {
                    continue;
                }
                state.edit(&key, |a| {
                    a.raw.spec = file.spec.clone();
                    a.writers = vec![writer("kustomize-controller", true)];
                });
            } else {
                let mut raw = file;
                raw.status = None;
                raw.metadata.uid = Some(format!("applied-{}", state.version));
                raw.metadata.creation_timestamp = Some(Time(self.forge.state().now));
                state.put(Approval { raw, writers: vec![writer("kustomize-controller", true)] });
            }
        }
        self.engine();
    }

    /// Lets a controller see what happened in the cluster.
    fn show(&mut self, index: usize) {
        let controller = &mut self.controllers[index];
        let state = self.cluster.state();
        for change in &state.changes[controller.seen..] {
            match change {
                Ok(approval) => controller.worker.tracker.apply(approval.clone()),
                Err((key, uid)) => controller.worker.tracker.delete(&key.0, &key.1, uid),
            }
        }
        controller.seen = state.changes.len();
    }

    /// One thing, by one controller.
    pub(crate) fn work_once(&mut self, index: usize) -> Worked {
        self.show(index);
        self.work_late(index)
    }

    /// One thing, by one controller whose watch is late.
    pub(crate) fn work_late(&mut self, index: usize) -> Worked {
        let clock = {
            let forge = self.forge.clone();
            move || forge.state().now
        };
        let worker = &mut self.controllers[index].worker;
        let worked = self.runtime.block_on(worker.work_once(&clock));
        let faulted = std::mem::take(&mut self.forge.state().faulted);
        if faulted && self.mortal {
            self.start();
            self.controllers.swap_remove(index);
        }
        self.engine();
        worked
    }

    /// Time passes for one controller, whose watch brings nothing.
    pub(crate) fn run_late(&mut self, index: usize, span: SignedDuration) {
        let end = self.now() + span;
        while self.now() < end {
            if let Worked::Idle(until) = self.work_late(index) {
                let next = until.unwrap_or(end).min(end);
                self.forge.state().now = next;
            }
        }
    }

    /// Time passes, and everybody works.
    pub(crate) fn run(&mut self, span: SignedDuration) {
        let end = self.now() + span;
        loop {
            let mut next = end;
            let mut busy = false;
            for index in 0..self.controllers.len() {
                match self.work_once(index) {
                    Worked::Did => busy = true,
                    Worked::Idle(until) => next = next.min(until.unwrap_or(end)),
                }
            }
            if busy {
                continue;
            }
            let now = self.now();
            let pending = (0..self.controllers.len())
                .any(|i| self.controllers[i].seen < self.cluster.state().changes.len());
            if pending {
                continue;
            }
            if now >= end {
                return;
            }
            assert!(next > now, "a controller spins at {now}");
            self.forge.state().now = next.min(end);
        }
    }

    /// A minute, more than two polls.
    pub(crate) fn minute(&mut self) {
        self.run(SignedDuration::from_secs(70));
    }

    /// An approval with an open pull request.
    pub(crate) fn asked(name: &str) -> ForgeScene {
        let mut scene = ForgeScene::new();
        scene.propose(name);
        scene.minute();
        assert_eq!(scene.forge.open_pulls().len(), 1);
        scene
    }

    /// Nothing of a proposal is left on the forge but ended pull requests.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.forge.branches(), Vec::<String>::new());
        assert!(self.forge.pulls().iter().all(|p| p.state != PullState::Open), "{:?}", self.forge.pulls());
        assert_eq!(self.forge.base_files(), Vec::new());
    }
}

fn params() -> serde_json::Value {
    json!({ "maxsize": "400Gi", "scalepercentage": "100" })
}

pub(crate) fn writer(manager: &str, apply: bool) -> Writer {
    Writer { manager: manager.to_owned(), apply }
}
