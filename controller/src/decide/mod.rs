//! The pure heart: what is seen of one (rule, object) pair in, the next write out.
//!
//! One call decides at most one write. The journal goes first: what is not journalled is not done. The next write is
//! decided from what the first left behind, so that every point between two writes is a state that a restart finds. Never
//! imports `observe`, `act` or `engine`, a clock, randomness, or IO.

pub(crate) mod approval;
pub(crate) mod effect;
mod events;
pub(crate) mod lookup;
pub(crate) mod orphan;
pub(crate) mod pair;
pub(crate) mod precedence;
pub(crate) mod precondition;
pub(crate) mod reason;
pub(crate) mod rule;
pub(crate) mod time;
pub(crate) mod view;
mod withdrawal;

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRuleObject, AutopilotRuleObjectStatus, LABEL_OBJECT, LABEL_RULE};
use autopilot_shared::{names, quantity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

pub use approval::conditions::{STALE, UNKNOWN_STATE};
pub use approval::spec::{LAST_APPLIED, Request, labelled, ours, read};
pub use effect::{Effect, EventDraft, Regarding, RuleEffect, Target};
pub use pair::journal_draft::ITEMS_KEPT;
pub use pair::preflight::{Refusal, target as preflight};
pub use precondition::{Precondition, precondition};
pub use view::{
    Approval, ForgeSettings, Journal, ObjectView, Obstacles, Precedence, QuotaRoom, ResizeReport, Settings,
    View, Writer,
};

use effect::Step;
use lookup::journal_target;
use pair::journal_draft::JournalDraft;
use time::earlier;

/// At rest for this long, the journal records which events are out.
const REST: SignedDuration = SignedDuration::from_secs(2);

/// The result of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The next write.
    pub effect: Option<Effect>,
    /// Look again then, if nothing happens before.
    pub wake: Option<Timestamp>,
    /// The state, written or about to be.
    pub state: RuleState,
}

/// Decides the next write for one pair.
pub fn decide(view: &View<'_>) -> Decision {
    if view.object.is_none() {
        return without_object(view);
    }
    let mut draft = JournalDraft::new(view);
    if pair::stands_still(view, &draft) {
        return standstill(view, &draft);
    }
    let wake = pair::step(view, &mut draft);
    let state = draft.state();
    if let Some(mut status) = draft.changed() {
        status.told = events::emitted(view, &status);
        return Decision { effect: Some(write_journal(view, status)), wake: None, state };
    }
    let approval = approval::step(view, &draft);
    let last = last(view, &draft, resize(view, &draft).or(approval.effect));
    Decision { effect: last.effect, wake: earlier(earlier(wake, approval.wake), last.wake), state }
}

/// Decides while nobody knows what is wanted: all stays as it is, but for approvals that are being deleted and events that
/// are not out yet.
fn standstill(view: &View<'_>, draft: &JournalDraft<'_, '_>) -> Decision {
    let leaving = approval::leave(view);
    let last = last(view, draft, leaving.effect);
    Decision { effect: last.effect, wake: earlier(leaving.wake, last.wake), state: draft.state() }
}

/// Returns the first write, or else those that come after everything: events, and the record that they are out.
fn last(view: &View<'_>, draft: &JournalDraft<'_, '_>, first: Option<Effect>) -> Step {
    match first.or_else(|| events::due(view, draft.get())) {
        Some(effect) => Step::write(effect),
        None => record_emitted(view),
    }
}

fn write_journal(view: &View<'_>, status: AutopilotRuleObjectStatus) -> Effect {
    match view.journal {
        Some(journal) => Effect::WriteJournal { target: journal_target(journal), status: Box::new(status) },
        None => Effect::CreateJournal(Box::new(new_journal(view))),
    }
}

/// Returns the write that records in the journal that all events are out, once the pair is at rest.
fn record_emitted(view: &View<'_>) -> Step {
    let Some(journal) = view.journal.filter(|j| j.status.told < j.status.transitions) else {
        return Step::default();
    };
    // A time in the future is from before the clock was set back.
    let since = journal.status.since.as_ref().map(|t| t.0).filter(|t| *t <= view.now);
    match since.map(|since| since + REST).filter(|rested| *rested > view.now) {
        Some(rested) => Step { effect: None, wake: Some(rested) },
        None => {
            let status =
                AutopilotRuleObjectStatus { told: journal.status.transitions, ..journal.status.clone() };
            Step::write(write_journal(view, status))
        }
    }
}

/// Decides when the PVC is gone: it takes its approvals with it, then its journal. An approval that waits for somebody else's
/// finalizer holds up nothing but itself.
fn without_object(view: &View<'_>) -> Decision {
    let removal = view
        .approvals()
        .filter(|a| labelled(&a.raw, view.rule_name, view.object_id))
        .filter(|a| ours(&a.raw) || a.raw.is_deleting())
        .find_map(|approval| approval::cleanup::remove(view.settings, approval, view.now));
    let journal = view.journal.filter(|journal| !journal.deleting);
    // Its events are out before it goes: a transition is never lost.
    let events = journal.and_then(|j| events::due(view, &j.status));
    let effect = removal.or(events).or_else(|| journal.map(|j| Effect::DeleteJournal(journal_target(j))));
    Decision { effect, wake: None, state: view.quiet }
}

fn new_journal(view: &View<'_>) -> AutopilotRuleObject {
    let namespace = view.object.as_ref().map(|o| o.namespace.to_owned());
    AutopilotRuleObject {
        metadata: ObjectMeta {
            name: Some(names::rule_object_name(view.object_id, view.rule_name)),
            namespace,
            labels: Some(
                [
                    (LABEL_RULE.to_owned(), names::label_value(view.rule_name)),
                    (LABEL_OBJECT.to_owned(), names::label_value(view.object_id)),
                ]
                .into(),
            ),
            owner_references: Some(vec![OwnerReference {
                api_version: format!("{}/v1alpha1", autopilot_shared::api::GROUP),
                kind: "AutopilotRule".to_owned(),
                name: view.rule_name.to_owned(),
                uid: view.rule_uid.to_owned(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]),
            ..ObjectMeta::default()
        },
        ..AutopilotRuleObject::default()
    }
}

/// Returns the resize that an action in progress still needs.
fn resize(view: &View<'_>, draft: &JournalDraft<'_, '_>) -> Option<Effect> {
    let proposal =
        draft.get().proposal.as_ref().filter(|_| draft.state() == RuleState::ActiveActionsInProgress)?;
    let object = view.object.as_ref().filter(|o| o.uid == proposal.pvc_uid)?;
    let to = quantity::Size::from(proposal.to.parse::<autopilot_shared::Quantity>().ok()?);
    (object.request.to_string() == proposal.from && object.request.bytes < to.bytes && view.refusal.is_none())
        .then(|| Effect::Resize {
            namespace: object.namespace.to_owned(),
            name: object.name.to_owned(),
            uid: object.uid.to_owned(),
            from: object.request,
            from_text: object.request_text.map_or_else(|| object.request.to_string(), str::to_owned),
            to,
        })
}
