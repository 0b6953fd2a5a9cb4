//! A model of the API for one (rule, object) pair: the journal, the approvals and the PVC, with versions, UIDs and
//! preconditions; and what must never happen there, checked with every write.

mod checks;

use std::collections::{BTreeMap, BTreeSet};

use autopilot_controller::decide::{
    Approval, Effect, EventDraft, Journal, QuotaRoom, ResizeReport, Settings, Target,
};
use autopilot_controller::evaluate::verdict::Verdict;
use autopilot_shared::RuleState as S;
use autopilot_shared::api::{
    ActionApproval, AutopilotRule, AutopilotRuleObjectStatus, FINALIZER, Outcome, Proposal,
};
use autopilot_shared::names;
use autopilot_shared::quantity::Size;
use autopilot_shared::rule::Rule;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

pub(crate) const RULE: &str = "volume-resize";
pub(crate) const OBJECT: &str = "pvc-1";
pub(crate) const NAMESPACE: &str = "pg1";
/// 2026-01-01, a round second.
pub(crate) const START: i64 = 1_767_225_600;

/// A PVC.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    pub uid: String,
    pub request: Size,
    pub capacity: Size,
    pub class: Option<&'static str>,
    pub expandable: Option<bool>,
    pub git: Option<&'static str>,
    pub quotas: Vec<QuotaRoom>,
    pub report: ResizeReport,
}

/// A request that grew by the controller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resized {
    pub digest: String,
    pub to: String,
}

/// What came of a write.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Done,
    /// A precondition failed: the world had moved.
    Conflict,
    /// Quota or admission.
    Refused(String),
}

/// Everything the API server holds, and everything that is recorded about it.
#[derive(Clone, Debug)]
pub(crate) struct DecideScene {
    pub now: Timestamp,
    pub settings: Settings,
    pub raw: AutopilotRule,
    pub rule: Option<Rule>,
    pub selected: bool,
    pub precedence: Option<&'static str>,
    pub claim: Option<Claim>,
    pub journal: Option<Journal>,
    pub approvals: BTreeMap<String, Approval>,
    /// What the metrics say, and the value.
    pub truth: (Verdict, f64),
    /// The API server refuses resizes, in these words.
    pub refuses: Option<String>,
    /// The storage finishes what is requested at once.
    pub quick: bool,
    /// The rule's status says that the object has left Initializing.
    pub announced: bool,
    versions: u64,
    pub random: u128,
    // ---- the record
    pub writes: Vec<String>,
    pub resized: Vec<Resized>,
    pub events: Vec<EventDraft>,
    /// All states that were journalled, in order.
    pub path: Vec<S>,
    /// Proposals that were ever journalled, by digest.
    pub proposals: BTreeMap<String, Proposal>,
    /// Decisions that were ever latched, by digest.
    pub latched: BTreeMap<String, Vec<Outcome>>,
    /// UIDs of approvals that a person declined.
    pub declined: BTreeSet<String>,
    told: BTreeMap<(String, u64, String), String>,
}

/// What a write was decided from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Basis {
    /// The proposal in the journal.
    pub proposal: Option<Proposal>,
    /// UID of the journal.
    pub journal: String,
}

impl DecideScene {
    pub(crate) fn tick(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    pub(crate) fn new(raw: AutopilotRule) -> Self {
        let rule = Rule::parse(&raw).ok();
        let size: Size = "10Gi".parse().unwrap();
        DecideScene {
            now: Timestamp::from_second(START).unwrap(),
            settings: Settings {
                metrics_lag: SignedDuration::from_secs(300),
                cancel_after: SignedDuration::from_secs(600),
                suspended: false,
                unknown: false,
                forge: None,
            },
            raw,
            rule,
            selected: true,
            precedence: None,
            claim: Some(Claim {
                uid: "claim-1".to_owned(),
                request: size,
                capacity: size,
                class: Some("standard"),
                expandable: Some(true),
                git: None,
                quotas: Vec::new(),
                report: ResizeReport::default(),
            }),
            journal: None,
            approvals: BTreeMap::new(),
            truth: (Verdict::NoData, 0.0),
            refuses: None,
            quick: true,
            announced: false,
            versions: 0,
            random: 0,
            writes: Vec::new(),
            resized: Vec::new(),
            events: Vec::new(),
            path: Vec::new(),
            proposals: BTreeMap::new(),
            latched: BTreeMap::new(),
            declined: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    pub(crate) fn plain_name() -> String {
        names::approval_name(RULE, OBJECT)
    }

    pub(crate) fn hashed_name() -> String {
        names::hashed_approval_name(RULE, OBJECT)
    }

    pub(crate) fn status(&self) -> Option<&AutopilotRuleObjectStatus> {
        self.journal.as_ref().map(|j| &j.status)
    }

    /// The only approval, under either name.
    pub(crate) fn approval(&self) -> Option<&Approval> {
        self.approvals.get(&Self::plain_name()).or_else(|| self.approvals.get(&Self::hashed_name()))
    }

    /// Changes an approval as a write to the API does.
    pub(crate) fn touch(&mut self, name: &str, change: impl FnOnce(&mut Approval)) {
        let version = self.tick();
        if let Some(approval) = self.approvals.get_mut(name) {
            change(approval);
            approval.raw.metadata.resource_version = Some(version);
        }
        self.collect(name);
    }

    /// An object that is being deleted goes with its last finalizer.
    fn collect(&mut self, name: &str) {
        let gone = self
            .approvals
            .get(name)
            .is_some_and(|a| a.raw.metadata.deletion_timestamp.is_some() && a.raw.finalizers().is_empty());
        if gone {
            self.approvals.remove(name);
        }
    }

    pub(crate) fn create(
        &mut self,
        mut object: ActionApproval,
        writers: Vec<autopilot_controller::decide::Writer>,
    ) -> bool {
        let name = object.name_any();
        if self.approvals.contains_key(&name) {
            return false;
        }
        let version = self.tick();
        object.metadata.uid = Some(format!("approval-{version}"));
        object.metadata.resource_version = Some(version);
        object.status = None;
        self.approvals.insert(name, Approval { raw: object, writers });
        true
    }

    pub(crate) fn delete(&mut self, name: &str) {
        let now = self.now;
        self.touch(name, |a| {
            a.raw
                .metadata
                .deletion_timestamp
                .get_or_insert(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
        });
    }

    fn current(&self, target: &Target) -> bool {
        self.approvals
            .get(&target.name)
            .is_some_and(|a| a.raw.resource_version().as_deref() == Some(target.version.as_str()))
    }

    /// Carries out an effect.
    pub(crate) fn carry_out(&mut self, effect: &Effect, basis: &Basis) -> Answer {
        let answer = self.write(effect, basis);
        self.writes.push(format!("{} {answer:?}", word(effect)));
        answer
    }

    fn write(&mut self, effect: &Effect, basis: &Basis) -> Answer {
        match effect {
            Effect::CreateJournal(object) => {
                if self.journal.is_some() {
                    return Answer::Conflict;
                }
                let version = self.tick();
                self.journal = Some(Journal {
                    namespace: NAMESPACE.into(),
                    name: object.name_any().into(),
                    uid: format!("journal-{version}"),
                    version,
                    owner: "rule-uid".to_owned(),
                    ..Journal::default()
                });
            }
            Effect::WriteJournal { target, status } => {
                let Some(journal) = self.journal.clone().filter(|j| j.version == target.version) else {
                    return Answer::Conflict;
                };
                self.check_journal(&journal.status, status);
                let version = self.tick();
                self.journal = Some(Journal { version, status: (**status).clone(), ..journal });
            }
            Effect::DeleteJournal(target) => {
                assert!(self.claim.is_none(), "the journal of a PVC that is there was deleted");
                if self.journal.as_ref().is_none_or(|j| j.version != target.version) {
                    return Answer::Conflict;
                }
                self.journal = None;
            }
            Effect::CreateApproval(object) => {
                assert_eq!(
                    object.spec.approval_state.as_deref(),
                    Some("pending"),
                    "created in another state"
                );
                let writer = super::decider::writer("autopilot-controller", false);
                if !self.create((**object).clone(), vec![writer]) {
                    return Answer::Conflict;
                }
            }
            Effect::WriteApprovalStatus { target, status, event } => {
                if !self.current(target) {
                    return Answer::Conflict;
                }
                self.check_latch(target, status, basis);
                let written = (**status).clone();
                self.touch(&target.name, |a| merge(a.raw.status.get_or_insert_default(), written));
                self.events.extend(event.iter().map(|e| (**e).clone()));
            }
            Effect::ResetApproval { target, wanted } => {
                if !self.current(target) {
                    return Answer::Conflict;
                }
                assert_eq!(wanted.spec.approval_state.as_deref(), Some("pending"), "reset to another state");
                let wanted = (**wanted).clone();
                self.touch(&target.name, |a| {
                    a.raw.spec = wanted.spec;
                    a.raw
                        .metadata
                        .labels
                        .get_or_insert_default()
                        .extend(wanted.metadata.labels.unwrap_or_default());
                    let annotations = a.raw.metadata.annotations.get_or_insert_default();
                    annotations.extend(wanted.metadata.annotations.unwrap_or_default());
                });
            }
            Effect::DeleteApproval(target) => {
                if !self.current(target) {
                    return Answer::Conflict;
                }
                let by_person = self.declined.contains(&target.uid);
                assert!(!by_person || self.claim.is_none(), "an approval that a person declined was deleted");
                self.delete(&target.name);
            }
            Effect::ReleaseApproval(target) => {
                self.touch(&target.name, |a| {
                    if let Some(all) = &mut a.raw.metadata.finalizers {
                        all.retain(|f| f != FINALIZER);
                    }
                });
            }
            Effect::Resize { uid, from, to, .. } => return self.resize(uid, *from, *to, basis),
            Effect::EmitEvents { events, .. } => {
                for event in events {
                    self.check_event(event, basis);
                }
            }
        }
        Answer::Done
    }

    fn resize(&mut self, uid: &str, from: Size, to: Size, basis: &Basis) -> Answer {
        let Some(claim) = self.claim.as_mut().filter(|c| c.uid == uid && c.request == from) else {
            return Answer::Conflict;
        };
        if let Some(words) = &self.refuses {
            return Answer::Refused(words.clone());
        }
        claim.request = to;
        if self.quick {
            claim.capacity = to;
        }
        self.check_resize(uid, to, basis);
        Answer::Done
    }
}

/// A merge patch: what is absent stays.
fn merge(
    into: &mut autopilot_shared::api::ActionApprovalStatus,
    from: autopilot_shared::api::ActionApprovalStatus,
) {
    into.rule = from.rule.or(into.rule.take());
    into.last_process_timestamp = from.last_process_timestamp.or(into.last_process_timestamp.take());
    into.action_previews = from.action_previews.or(into.action_previews.take());
    into.proposal = from.proposal.or(into.proposal.take());
    into.decision = from.decision.or(into.decision.take());
    into.execution = from.execution.or(into.execution.take());
    into.conditions = from.conditions.or(into.conditions.take());
}

fn word(effect: &Effect) -> String {
    match effect {
        Effect::CreateJournal(_) => "CreateJournal".to_owned(),
        Effect::WriteJournal { status, .. } => format!("WriteJournal {:?} {:?}", status.state, status.reason),
        Effect::DeleteJournal(_) => "DeleteJournal".to_owned(),
        Effect::CreateApproval(_) => "CreateApproval".to_owned(),
        Effect::WriteApprovalStatus { status, .. } => format!(
            "WriteApprovalStatus decision {:?} execution {:?} preview {} conditions {:?}",
            status.decision.as_ref().map(|d| (d.outcome, &d.reason)),
            status.execution.as_ref().map(|e| &e.outcome),
            status.proposal.is_some(),
            status.conditions.iter().flatten().map(|c| (&c.type_, &c.status)).collect::<Vec<_>>(),
        ),
        Effect::ResetApproval { .. } => "ResetApproval".to_owned(),
        Effect::DeleteApproval(_) => "DeleteApproval".to_owned(),
        Effect::ReleaseApproval(_) => "ReleaseApproval".to_owned(),
        Effect::Resize { from, to, .. } => format!("Resize {from} {to}"),
        Effect::EmitEvents { told, .. } => format!("EmitEvents {told}"),
    }
}
