//! Triggered: the hold, whoever goes first, preflight, the proposal, and the approval that is on its way.

use autopilot_shared::RuleState as S;
use autopilot_shared::api::{ApprovalReference, Backoff, Outcome};
use autopilot_shared::quantity::Size;
use autopilot_shared::rule::Rule;
use jiff::Timestamp;

use super::awaiting::declined_reason;
use super::{
    active, back_to_normal, fresh, inactive_reason, met, not_met, seconds, seen_at, undecided, withdraw,
};
use crate::decide::approval::spec::{self, Request};
use crate::decide::approval::{self, Place};
use crate::decide::pair::journal_draft::{Draft, at};
use crate::decide::pair::preflight;
use crate::decide::pair::proposal::propose;
use crate::decide::reason::Reason;
use crate::decide::view::{Approval, ObjectView, View};

pub(crate) fn triggered(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
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
        return asked(view, draft);
    }
    let held_at = at(draft.get().hold_since.as_ref()).unwrap_or(view.now) + seconds(rule.hold);
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
    if !fresh(view, draft) {
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
fn start(view: &View<'_>, draft: &mut Draft<'_, '_>, rule: &Rule, object: &ObjectView<'_>, to: Size) {
    if view.journal.is_some_and(|j| j.status.proposal.is_some()) {
        // The old one goes in a write of its own: a merge patch would mix the parameters of the two.
        return;
    }
    let name = approval::free_name(view);
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

/// Preflight, and what an unfinished resize adds to it.
pub(crate) fn target(rule: &Rule, object: &ObjectView<'_>) -> Result<Size, preflight::Refusal> {
    if let Some(why) = &object.resize.infeasible
        && object.capacity.bytes < object.request.bytes
    {
        return Err(preflight::Refusal {
            reason: "ResizeInfeasible",
            message: format!(
                "the storage cannot do the last resize to {}: {}",
                object.request,
                spec::sentence(why)
            ),
        });
    }
    preflight::target(rule, object)
}

/// A proposal is journalled and its approval is on the way.
fn asked(view: &View<'_>, draft: &mut Draft<'_, '_>) -> Option<Timestamp> {
    let proposal = draft.get().proposal.as_ref()?;
    let approval = match approval::place(view, proposal.approval_name.as_deref()?) {
        Place::Free => return None,
        Place::Foreign => {
            // Somebody took the name after it was chosen. It is no part of the digest.
            match approval::free_name(view) {
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
    if let Some(decision) = approval.raw.status.as_ref().and_then(|s| s.decision.as_ref()) {
        // Taken back before it was adopted. Its digest is spent; another one's decision goes with its approval.
        let reason = decision.reason.clone();
        return if decision.digest == proposal.digest { withdraw(view, draft, &reason) } else { None };
    }
    let pending = matches!(spec::read(approval, proposal, None), Request::Pending);
    if pending && approval.raw.metadata.deletion_timestamp.is_none() {
        draft.edit().approval = Some(approval::reference(approval));
        draft.go(S::ActionAwaitingApproval, None, None);
    }
    None
}

/// An approval of this pair that a person declined, and that the journal lost: it stays, as long as it is there.
fn declined_before<'a>(view: &View<'a>) -> Option<&'a Approval> {
    [view.plain, view.hashed].into_iter().flatten().find(|a| {
        spec::labelled(&a.raw, view.rule_name, view.object_id)
            && a.raw.metadata.deletion_timestamp.is_none()
            && !undecided(a)
            && a.raw.status.as_ref().and_then(|s| s.decision.as_ref()).map(|d| d.outcome)
                == Some(Outcome::Declined)
    })
}

fn find_again(draft: &mut Draft<'_, '_>, approval: &Approval) -> Option<Timestamp> {
    let decision = approval.raw.status.as_ref()?.decision.clone()?;
    let reference: ApprovalReference = approval::reference(approval);
    draft.edit().proposal = None;
    draft.edit().approval = Some(reference);
    draft.go(S::ActionsDeclined, Some(&declined_reason(&decision)), Some(decision));
    None
}
