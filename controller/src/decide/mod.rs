//! The pure heart: what is seen of one (rule, object) pair in, the next write out. No IO, no clock, no randomness.
//!
//! One call decides at most one write. The journal goes first: what is not journalled is not done. The next write is
//! decided from what the first left behind, so that every point between two writes is a state that a restart finds.

mod approval;
mod effect;
mod events;
mod lookup;
pub(crate) mod orphan;
mod pair;
pub(crate) mod precedence;
pub(crate) mod precondition;
pub(crate) mod reason;
pub(crate) mod rule;
mod view;

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRuleObject, AutopilotRuleObjectStatus, LABEL_OBJECT, LABEL_RULE};
use autopilot_shared::{names, quantity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

pub use approval::conditions::{STALE, UNKNOWN_STATE};
pub use approval::spec::{LAST_APPLIED, Request, binds, labelled, ours, read};
pub use effect::{Effect, EventDraft, Regarding, RuleEffect, Target};
pub use pair::MAX_ATTEMPTS;
pub use pair::journal_draft::ITEMS_KEPT;
pub use pair::preflight::{Refusal, target as preflight};
pub use precondition::{Precondition, precondition};
pub use view::{
    Approval, ForgeSettings, Journal, ObjectView, Obstacles, Precedence, QuotaRoom, ResizeReport, Settings,
    View, Writer,
};

use pair::journal_draft::Draft;

/// At rest for this long, the journal remembers what was told.
const REST: SignedDuration = SignedDuration::from_secs(2);

/// What follows from a view.
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
    let mut draft = Draft::new(view);
    if pair::stands_still(view, &draft) {
        return standstill(view, &draft);
    }
    let wake = pair::settle(view, &mut draft);
    let state = draft.state();
    if let Some(mut status) = draft.changed() {
        status.told = events::told(view, &status);
        return Decision { effect: Some(write_journal(view, status)), wake: None, state };
    }
    let (approval, look) = approval::effect(view, &draft);
    let (effect, rest) = last(view, &draft, resize(view, &draft).or(approval));
    Decision { effect, wake: earlier(earlier(wake, look), rest), state }
}

/// Nobody knows what is wanted: all stays as it is, but for what is on its way out or was not told yet.
fn standstill(view: &View<'_>, draft: &Draft<'_, '_>) -> Decision {
    let (leaving, look) = approval::leaving(view);
    let (effect, rest) = last(view, draft, leaving);
    Decision { effect, wake: earlier(look, rest), state: draft.state() }
}

/// After everything else: what has not been told, and that it was.
fn last(
    view: &View<'_>,
    draft: &Draft<'_, '_>,
    first: Option<Effect>,
) -> (Option<Effect>, Option<Timestamp>) {
    match first.or_else(|| events::due(view, draft.get())) {
        Some(effect) => (Some(effect), None),
        None => remember_told(view),
    }
}

fn write_journal(view: &View<'_>, status: AutopilotRuleObjectStatus) -> Effect {
    match view.journal {
        Some(journal) => Effect::WriteJournal { target: journal_target(journal), status: Box::new(status) },
        None => Effect::CreateJournal(Box::new(new_journal(view))),
    }
}

/// Everything is told, and only the journal does not know: it learns that when the pair is at rest, or when.
fn remember_told(view: &View<'_>) -> (Option<Effect>, Option<Timestamp>) {
    let Some(journal) = view.journal.filter(|j| j.status.told < j.status.transitions) else {
        return (None, None);
    };
    // A time in the future is from before the clock was set back.
    let since = journal.status.since.as_ref().map(|t| t.0).filter(|t| *t <= view.now);
    match since.map(|since| since + REST).filter(|rested| *rested > view.now) {
        Some(rested) => (None, Some(rested)),
        None => {
            let status =
                AutopilotRuleObjectStatus { told: journal.status.transitions, ..journal.status.clone() };
            (Some(write_journal(view, status)), None)
        }
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// The PVC is gone: it takes its approvals with it, then its journal. An approval that waits for somebody else's
/// finalizer holds up nothing but itself.
fn without_object(view: &View<'_>) -> Decision {
    let approvals = [view.plain, view.hashed].into_iter().flatten();
    let removal = approvals
        .filter(|a| labelled(&a.raw, view.rule_name, view.object_id))
        .filter(|a| ours(&a.raw) || a.raw.metadata.deletion_timestamp.is_some())
        .find_map(|approval| approval::cleanup::remove(view.settings, approval, view.now));
    let journal = view.journal.filter(|journal| !journal.deleting);
    // What it has not told yet it tells before it goes: a transition is never lost.
    let tell = journal.and_then(|j| events::due(view, &j.status));
    let effect = removal.or(tell).or_else(|| journal.map(|j| Effect::DeleteJournal(journal_target(j))));
    Decision { effect, wake: None, state: view.quiet }
}

fn journal_target(journal: &Journal) -> Target {
    Target {
        namespace: journal.namespace.to_string(),
        name: journal.name.to_string(),
        uid: journal.uid.clone(),
        version: journal.version.clone(),
    }
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

/// The resize that an action in progress still needs.
fn resize(view: &View<'_>, draft: &Draft<'_, '_>) -> Option<Effect> {
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
