//! Triggered: the hold, precedence, preflight, the proposal, and the approval that is on its way.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{Backoff, Outcome};
use autopilot_shared::quantity::Size;
use autopilot_shared::rule::Rule;
use autopilot_shared::time::bounded_seconds;
use jiff::Timestamp;

use super::freshness::{fresh, seen_at};
use super::journal_draft::JournalDraft;
use super::proposal::{propose, target};
use super::step_back::{back_to_normal, withdraw};
use crate::decide::approval::spec::{self, Request};
use crate::decide::lookup::{Place, free_name, place, reference, undecided};
use crate::decide::reason::Reason;
use crate::decide::time::at;
use crate::decide::view::{Approval, ObjectView, View};
use crate::decide::withdrawal::{active, declined_reason, inactive_reason, met, not_met};

/// Steps from Triggered.
pub(crate) fn triggered(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    let Some((rule, object)) = active(view) else {
        return back_to_normal(view, draft, inactive_reason(view));
    };
    if not_met(view) {
        return back_to_normal(view, draft, "the conditions do not hold any more");
    }
    if let Some(declined) = declined_before(view) {
        return find_again(draft, declined);
    }
    if let Some(proposal) = &draft.get().proposal {
        if proposal.rule_hash != *rule.hash {
            return withdraw(view, draft, "the rule was edited");
        }
        if proposal.pvc_uid != object.uid || proposal.from != object.request.to_string() {
            return withdraw(view, draft, "the PVC was resized or replaced");
        }
        return adopt(view, draft);
    }
    let held_at = at(draft.get().hold_since.as_ref()).unwrap_or(view.now) + bounded_seconds(rule.hold);
    if !met(view) || seen_at(view) < held_at {
        return None;
    }
    // In the order of what all controllers agree on; what only the memory of this one says never overwrites a reason
    // to wait, or two of them would write theirs in turns.
    if object.capacity.bytes < object.request.bytes && object.resize.infeasible.is_none() {
        draft.stay(Some(&Reason::WaitsFor("a resize that is under way").to_string()));
        return None;
    }
    if let Some(first) = &view.precedence {
        let what = format!("rule {}, which goes first on this PVC", first.rule);
        draft.stay(Some(&Reason::WaitsFor(&what).to_string()));
        return None;
    }
    if !fresh(view, draft.get()) {
        let waits = |reason: &str| matches!(Reason::parse(reason), Reason::WaitsFor(_));
        if !draft.get().reason.as_deref().is_some_and(waits) {
            let what = "data that is newer than the last change of size";
            draft.stay(Some(&Reason::WaitsFor(what).to_string()));
        }
        return None;
    }
    match target(rule, object) {
        Err(refusal) => {
            draft.go(S::ActionsDeclined, Some(&refusal.message), None);
            draft.edit().backoff =
                Some(Backoff { attempts: 0, until: None, reason: refusal.reason.to_owned() });
        }
        Ok(to) => start(view, draft, rule, object, to),
    }
    None
}

/// Journals a proposal.
fn start(view: &View<'_>, draft: &mut JournalDraft<'_, '_>, rule: &Rule, object: &ObjectView<'_>, to: Size) {
    if view.journal.is_some_and(|j| j.status.proposal.is_some()) {
        // The old one goes in a write of its own: a merge patch would mix the parameters of the two.
        return;
    }
    let name = free_name(view);
    if rule.approval && name.is_none() {
        draft.stay(Some("both names of its approval are taken by objects that are not ours; remove one"));
        return;
    }
    let proposal = propose(view, rule, object, to, name.filter(|_| rule.approval));
    draft.edit().proposal = Some(proposal);
    draft.edit().reason = None;
    if !rule.approval {
        draft.go(S::ActiveActionsPending, None, None);
    }
}

/// Adopts the approval of the journalled proposal, once it is there and pending.
fn adopt(view: &View<'_>, draft: &mut JournalDraft<'_, '_>) -> Option<Timestamp> {
    let proposal = draft.get().proposal.as_ref()?;
    let approval = match place(view, proposal.approval_name.as_deref()?) {
        Place::Free => return None,
        Place::Foreign => {
            // Somebody took the name after it was chosen. It is no part of the digest.
            match free_name(view) {
                Some(name) => {
                    if let Some(proposal) = &mut draft.edit().proposal {
                        proposal.approval_name = Some(name);
                    }
                }
                None => draft.stay(Some(
                    "both names of its approval are taken by objects that are not ours; remove one",
                )),
            }
            return None;
        }
        Place::Ours(approval) => approval,
    };
    if let Some(decision) = approval.raw.decision() {
        // Withdrawn before it was adopted. Its digest is spent; another one's decision goes with its approval.
        let reason = decision.reason.clone();
        return if decision.digest == proposal.digest { withdraw(view, draft, &reason) } else { None };
    }
    let pending = matches!(spec::read(approval, proposal, None), Request::Pending);
    if pending && !approval.raw.is_deleting() {
        draft.edit().approval = Some(reference(approval));
        draft.go(S::ActionAwaitingApproval, None, None);
    }
    None
}

/// Returns an approval of this pair that a person declined, and that the journal lost: it counts for as long as it is
/// there.
fn declined_before<'a>(view: &View<'a>) -> Option<&'a Approval> {
    view.approvals().find(|a| {
        spec::labelled(&a.raw, view.rule_name, view.object_id)
            && !a.raw.is_deleting()
            && !undecided(a)
            && a.raw.decision().map(|d| d.outcome) == Some(Outcome::Declined)
    })
}

/// Steps to ActionsDeclined, with an approval that the journal had lost.
fn find_again(draft: &mut JournalDraft<'_, '_>, approval: &Approval) -> Option<Timestamp> {
    let decision = approval.raw.decision()?.clone();
    let reference = reference(approval);
    draft.edit().proposal = None;
    draft.edit().approval = Some(reference);
    draft.go(S::ActionsDeclined, Some(&declined_reason(&decision)), Some(decision));
    None
}
