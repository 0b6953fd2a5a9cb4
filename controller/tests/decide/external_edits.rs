//! How events change the model.

use autopilot_controller::decide::{ForgeSettings, QuotaRoom, ResizeReport};
use autopilot_controller::evaluate::verdict::Verdict;
use autopilot_shared::api::{
    ANNOTATION_DECIDED_BY, ANNOTATION_DECIDED_VIA, ANNOTATION_PROPOSAL, ANNOTATION_REASON,
    ANNOTATION_SIZE_IN_GIT, ActionApproval, ActionApprovalSpec, ApprovalAction, AutopilotRule, FINALIZER,
    LABEL_OBJECT, LABEL_RULE, PullRequest, PullRequestState,
};
use autopilot_shared::rule::Rule;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use serde_json::json;

use crate::decider::writer;
use crate::event::{Digest, Event};
use crate::world::{DecideScene, NAMESPACE, OBJECT, RULE};

/// The guide's rule: 100 %, up to 400Gi, `for: 30`, cool-down 300.
pub(crate) fn rule(approval: bool) -> AutopilotRule {
    serde_json::from_value(json!({
        "metadata": { "name": RULE, "uid": "rule-uid" },
        "spec": {
            "enforcement": if approval { "approvalRequired" } else { "" },
            "conditions": { "expressions": [{ "key": "usage", "operator": "Gt", "values": ["50"] }] },
            "actions": [{
                "name": "openstorage.io.action.volume/resize",
                "params": { "scalepercentage": "100", "maxsize": "400Gi" },
            }],
        },
    }))
    .unwrap()
}

/// A label set as the controller gives it.
fn labels(rule: &str, object: &str) -> Option<std::collections::BTreeMap<String, String>> {
    Some([(LABEL_RULE.to_owned(), rule.to_owned()), (LABEL_OBJECT.to_owned(), object.to_owned())].into())
}

impl DecideScene {
    /// The event happens; decisions follow elsewhere.
    pub(crate) fn happens(&mut self, event: Event) {
        match event {
            Event::Pass(verdict, value) => self.truth = (verdict, value),
            Event::After(seconds) | Event::Silence(seconds) => self.now += secs(seconds),
            Event::ClockBack(seconds) => self.now -= secs(seconds),
            Event::Percent(text) => self.edit(|rule| param(rule, "scalepercentage", text)),
            Event::MaxSize(text) => self.edit(|rule| param(rule, "maxsize", text)),
            Event::Enforce(on) => {
                self.edit(|rule| {
                    rule.spec.enforcement = Some(if on { "approvalRequired" } else { "" }.to_owned())
                });
            }
            Event::Suspend(on) => self.edit(|rule| rule.spec.suspend = Some(on)),
            Event::CoolDown(seconds) => self.edit(|rule| rule.spec.actions_cool_down_period = Some(seconds)),
            Event::Hold(seconds) => self.edit(|rule| rule.spec.conditions.for_ = Some(seconds)),
            Event::IgnoreGit => self.edit(|rule| {
                let notes = rule.metadata.annotations.get_or_insert_default();
                notes.insert(ANNOTATION_SIZE_IN_GIT.to_owned(), "ignore".to_owned());
            }),
            Event::Break => self.edit(|rule| "explode".clone_into(&mut rule.spec.actions[0].name)),
            Event::SuspendAll(on) => self.settings.suspended = on,
            Event::Unknown(on) => self.settings.unknown = on,
            Event::Forge(on) => {
                self.settings.forge = on.then_some(ForgeSettings {
                    sync_limit: SignedDuration::from_secs(900),
                    deletion_limit: SignedDuration::from_secs(600),
                });
            }
            Event::Select(on) => self.selected = on,
            Event::Precedence(rule) => self.precedence = rule,
            Event::Refuses(on) => self.refuses = on.then(|| "exceeded quota: storage".to_owned()),
            Event::Quick(on) => self.quick = on,
            Event::DeleteClaim => {
                self.claim = None;
                self.declined.clear();
            }
            Event::Restart => {}
            Event::DeleteJournal => self.journal = None,
            Event::Foreign => self.foreign(Self::plain_name()),
            Event::ForeignHashed => self.foreign(Self::hashed_name()),
            Event::Original => self.original(),
            Event::HandResize(_)
            | Event::Recreate
            | Event::Capacity
            | Event::Infeasible
            | Event::Progress(_)
            | Event::InGit(_)
            | Event::Quota(_)
            | Event::Expandable(_)
            | Event::NoClass => self.claim_event(event),
            _ => self.approval_event(event),
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut AutopilotRule)) {
        change(&mut self.raw);
        self.rule = Rule::parse(&self.raw).ok();
    }

    fn claim_event(&mut self, event: Event) {
        let version = self.tick();
        let quick = self.quick;
        let Some(claim) = &mut self.claim else { return };
        match event {
            Event::HandResize(size) => {
                let size = size.parse().unwrap();
                // The API server lets nobody shrink a PVC.
                if size > claim.request {
                    claim.request = size;
                    if quick {
                        claim.capacity = size;
                    }
                }
            }
            Event::Recreate => {
                claim.uid = format!("claim-{version}");
                claim.request = "10Gi".parse().unwrap();
                claim.capacity = claim.request;
                claim.report = ResizeReport::default();
            }
            Event::Capacity => {
                claim.capacity = claim.request;
                claim.report = ResizeReport::default();
            }
            Event::Infeasible if claim.capacity < claim.request => {
                claim.report.infeasible = Some("the pool is full".into());
            }
            Event::Progress(text) => claim.report.progress = Some(text.into()),
            Event::InGit(on) => claim.git = on.then_some("kustomize-controller"),
            Event::Quota(left) => {
                claim.quotas = vec![QuotaRoom { name: "storage".into(), class: None, left: left << 30 }];
            }
            Event::Expandable(on) => claim.expandable = on,
            Event::NoClass => claim.class = None,
            _ => {}
        }
    }

    fn approval_event(&mut self, event: Event) {
        let current = self.status().and_then(|s| s.proposal.as_ref()).map(|p| p.digest.clone());
        let name = match self.approval() {
            Some(approval) => approval.raw.metadata.name.clone().unwrap_or_default(),
            None => Self::plain_name(),
        };
        let state = |a: &mut ActionApproval, word: &str| a.spec.approval_state = Some(word.to_owned());
        match event {
            Event::Patch(word) => self.touch(&name, |a| {
                state(&mut a.raw, word);
                a.writers = vec![writer("kubectl-patch", false)];
            }),
            Event::Console(word, by, why) => self.touch(&name, |a| {
                state(&mut a.raw, word);
                let notes = a.raw.metadata.annotations.get_or_insert_default();
                let said = [
                    (ANNOTATION_DECIDED_BY, by),
                    (ANNOTATION_REASON, why),
                    (ANNOTATION_DECIDED_VIA, "console"),
                ];
                notes.extend(said.map(|(key, value)| (key.to_owned(), value.to_owned())));
                a.writers = vec![writer("autopilot", false)];
            }),
            Event::DeleteApproval => {
                let uid = self.approvals.get(&name).and_then(|a| a.raw.metadata.uid.clone());
                self.declined.retain(|known| Some(known) != uid.as_ref());
                self.delete(&name);
            }
            Event::Apply(word, digest) => self.file(&name, word, digest, current, true),
            Event::ClientApply(word, digest) => self.file(&name, word, digest, current, false),
            Event::Put(word) | Event::PutWithoutAnnotation(word) => self.touch(&name, |a| {
                state(&mut a.raw, word);
                for action in a.raw.spec.actions.iter_mut().flatten() {
                    action.proposal = None;
                }
                if event == Event::PutWithoutAnnotation(word) {
                    a.raw.metadata.annotations.get_or_insert_default().remove(ANNOTATION_PROPOSAL);
                }
                a.writers = vec![writer("torpedo", false)];
            }),
            Event::EditParams => self.touch(&name, |a| {
                for action in a.raw.spec.actions.iter_mut().flatten() {
                    action.params.get_or_insert_default().insert("maxsize".to_owned(), "15Gi".to_owned());
                }
            }),
            Event::AddAction => self.touch(&name, |a| {
                let all = a.raw.spec.actions.get_or_insert_default();
                all.extend(all.first().cloned());
            }),
            Event::Finalizer => self.touch(&name, |a| {
                a.raw.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
            }),
            Event::Unlabel => self.touch(&name, |a| a.raw.metadata.labels = None),
            Event::Pull(word, digest) => {
                // When the proposal is done, its decision still names it.
                let decided = || {
                    let status = self.approvals.get(&name)?.raw.status.as_ref()?;
                    Some(status.decision.as_ref()?.digest.clone())
                };
                let digest = match digest {
                    Digest::Current => current.or_else(decided).unwrap_or_default(),
                    Digest::Old | Digest::Missing => "00000000deadbeef".to_owned(),
                };
                let pull = PullRequest {
                    number: 7,
                    state: match word {
                        "open" => PullRequestState::Open,
                        "closed" => PullRequestState::Closed,
                        _ => PullRequestState::Merged,
                    },
                    digest,
                    by: "alice".to_owned(),
                    at: Some(MicroTime(self.now)),
                    in_base: word == "merged",
                    ..PullRequest::default()
                };
                self.touch(&name, |a| a.raw.status.get_or_insert_default().pull_request = Some(pull));
            }
            _ => unreachable!("{event:?} is no event of an approval"),
        }
    }

    /// A file is applied: `spec.actions` is one atomic list, metadata that the file does not name stays.
    fn file(&mut self, name: &str, word: &str, digest: Digest, current: Option<String>, server_side: bool) {
        let proposal = match digest {
            Digest::Current => current,
            Digest::Old => Some("00000000deadbeef".to_owned()),
            Digest::Missing => None,
        };
        let params = self.raw.spec.actions[0].params.clone();
        let spec = ActionApprovalSpec {
            approval_state: Some(word.to_owned()),
            actions: Some(vec![ApprovalAction { name: Some("resize".to_owned()), params, proposal }]),
        };
        let by = writer(
            if server_side { "kustomize-controller" } else { "kubectl-client-side-apply" },
            server_side,
        );
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(NAMESPACE.to_owned()),
            labels: labels(RULE, OBJECT),
            ..ObjectMeta::default()
        };
        self.create(ActionApproval { metadata, spec: spec.clone(), status: None }, Vec::new());
        self.touch(name, |a| {
            a.raw.spec = spec;
            a.writers = vec![by];
            if !server_side {
                let notes = a.raw.metadata.annotations.get_or_insert_default();
                notes.insert(autopilot_controller::decide::LAST_APPLIED.to_owned(), "{}".to_owned());
            }
        });
    }

    fn foreign(&mut self, name: String) {
        let metadata = ObjectMeta {
            name: Some(name),
            namespace: Some(NAMESPACE.to_owned()),
            labels: labels("another", "thing"),
            ..ObjectMeta::default()
        };
        self.create(
            ActionApproval { metadata, ..ActionApproval::default() },
            vec![writer("kubectl-create", false)],
        );
    }

    fn original(&mut self) {
        let metadata = ObjectMeta {
            name: Some(Self::plain_name()),
            namespace: Some(NAMESPACE.to_owned()),
            labels: labels(RULE, OBJECT),
            finalizers: Some(vec![FINALIZER.to_owned()]),
            ..ObjectMeta::default()
        };
        let spec = ActionApprovalSpec { approval_state: Some("pending".to_owned()), actions: None };
        self.create(ActionApproval { metadata, spec, status: None }, vec![writer("autopilot", false)]);
    }
}

fn secs(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap())
}

fn param(rule: &mut AutopilotRule, key: &str, value: &str) {
    let params = rule.spec.actions[0].params.get_or_insert_default();
    params.insert(key.to_owned(), value.to_owned());
}

/// Short names for the table.
pub(crate) const MET: Event = Event::Pass(Verdict::Met, 60.0);
pub(crate) const NOT_MET: Event = Event::Pass(Verdict::NotMet, 30.0);
pub(crate) const NO_DATA: Event = Event::Pass(Verdict::NoData, 0.0);
