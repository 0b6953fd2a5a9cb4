//! The pure heart: what is seen of one (rule, object) pair in, the next write out. No IO, no clock, no randomness.
//!
//! One call decides at most one write. The journal goes first: what is not journalled is not done. The next write is
//! decided from what the first left behind, so that every point between two writes is a state that a restart finds.

mod approval;
mod draft;
mod effect;
mod preflight;
mod propose;
mod request;
mod settle;
mod telling;
mod verdict;
mod view;

use autopilot_shared::RuleState;
use autopilot_shared::api::{AutopilotRuleObject, FINALIZER, LABEL_OBJECT, LABEL_RULE};
use autopilot_shared::{names, quantity};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

pub use approval::{STALE, UNKNOWN_STATE, remove, stale_orphan};
pub use draft::{ITEMS_KEPT, transition_message};
pub use effect::{Effect, EventDraft, Regarding, Target};
pub use preflight::{Refusal, target as preflight};
pub use request::{LAST_APPLIED, Request, binds, labelled, ours, read};
pub use settle::MAX_ATTEMPTS;
pub use verdict::{Baseline, Reading, Seen, Verdict, judge, moved, wants_absence};
pub use view::{
    Approval, Journal, ObjectView, Obstacles, QuotaRoom, ResizeReport, Rival, Settings, View, Writer,
};

use draft::Draft;

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
    let mut wake = settle::settle(view, &mut draft);
    let state = draft.state();
    let (mut effect, look) = approval::effect(view, &draft);
    let resize = resize(view, &draft);
    let tell = telling::due(view, draft.get());
    let transitions = draft.get().transitions;
    if let Some(mut status) = draft.changed() {
        status.told = status.told.max(view.told).min(status.transitions);
        effect = Some(match view.journal {
            Some(journal) => {
                Effect::WriteJournal { target: journal_target(journal), status: Box::new(status) }
            }
            None => Effect::CreateJournal(Box::new(new_journal(view))),
        });
        return Decision { effect, wake: None, state };
    }
    effect = resize.or(effect).or(tell);
    if effect.is_none()
        && let Some(journal) = view.journal
        && journal.status.told < transitions
    {
        // Everything is told, and only the journal does not know.
        let rested = journal.status.since.as_ref().map_or(view.now, |t| t.0) + REST;
        if rested <= view.now {
            let mut status = Box::new(journal.status.clone());
            status.told = transitions;
            effect = Some(Effect::WriteJournal { target: journal_target(journal), status });
        } else {
            wake = earlier(wake, Some(rested));
        }
    }
    Decision { effect, wake: earlier(wake, look), state }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// The PVC is gone: it takes its approvals with it, then its journal.
fn without_object(view: &View<'_>) -> Decision {
    let approval = [view.plain, view.hashed]
        .into_iter()
        .flatten()
        .find(|a| ours(&a.raw) && labelled(&a.raw, view.rule_name, view.object_id));
    let effect = match (approval, view.journal) {
        (Some(approval), _) => remove(approval),
        (None, Some(journal)) if !journal.deleting => Some(Effect::DeleteJournal(journal_target(journal))),
        (None, _) => None,
    };
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

/// Whether a rule or an approval carries our finalizer.
pub fn has_finalizer(finalizers: &[String]) -> bool {
    finalizers.iter().any(|f| f == FINALIZER)
}
