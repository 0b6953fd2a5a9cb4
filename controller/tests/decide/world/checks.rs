//! What must never happen, whatever the order of events, crashes and stale views.

use autopilot_controller::decide::{EventDraft, Regarding, Target};
use autopilot_shared::RuleState as S;
use autopilot_shared::api::{ActionApprovalStatus, AutopilotRuleObjectStatus, Outcome, PullRequestState};
use autopilot_shared::names;
use autopilot_shared::quantity::Size;

use super::{Basis, DecideScene, Resized};
use crate::table::TRANSITIONS;

impl DecideScene {
    /// A request grows once per digest, to what was proposed, on the PVC that was meant, and with an approval where
    /// one is required.
    pub(super) fn check_resize(&mut self, uid: &str, to: Size, basis: &Basis) {
        let proposal = basis.proposal.as_ref().expect("a resize without a journalled proposal");
        let known = self.proposals.get(&proposal.digest).map(|p| &p.to);
        assert_eq!(known, Some(&proposal.to), "a proposal that was never journalled");
        assert_eq!(proposal.to, to.to_string(), "grown to another size than was proposed");
        assert_eq!(proposal.pvc_uid, uid, "another PVC was grown");
        let twice = self.resized.iter().any(|r| r.digest == proposal.digest);
        assert!(!twice, "proposal {} was carried out twice", proposal.digest);
        if proposal.approval_name.is_some() {
            let decisions = self.latched.get(&proposal.digest).map(Vec::as_slice);
            assert_eq!(decisions, Some(&[Outcome::Approved][..]), "grown without an approval");
        }
        assert!(self.declined.is_empty(), "grown although a person declined");
        self.resized.push(Resized { digest: proposal.digest.clone(), to: to.to_string() });
    }

    pub(super) fn check_journal(&mut self, old: &AutopilotRuleObjectStatus, new: &AutopilotRuleObjectStatus) {
        assert_ne!(old, new, "the journal was written without a change");
        let steps = new.transitions.checked_sub(old.transitions).expect("transitions were forgotten");
        let from =
            new.items.len().checked_sub(usize::try_from(steps).unwrap()).expect("transitions were lost");
        let mut at = old.state;
        for item in &new.items[from..] {
            let to: S = item.state.parse().unwrap();
            let pair = at.map_or(vec![(S::Initializing, to), (S::Normal, to)], |at| vec![(at, to)]);
            let known = pair.iter().any(|p| TRANSITIONS.contains(p));
            assert!(known, "{at:?} => {to} is in no table ({:?})", item.reason);
            assert!(item.message.ends_with(&format!("=> {}", to.event_str())), "{}", item.message);
            at = Some(to);
            self.path.push(to);
        }
        assert_eq!(at, new.state);
        if let (Some(old), Some(new)) = (&old.proposal, &new.proposal) {
            // A merge patch would mix the two.
            assert_eq!(old.digest, new.digest, "one proposal was written over another");
        }
        if let Some(proposal) = &new.proposal {
            self.proposals.insert(proposal.digest.clone(), proposal.clone());
        }
    }

    pub(super) fn check_latch(&mut self, target: &Target, status: &ActionApprovalStatus, basis: &Basis) {
        let approval = &self.approvals[&target.name];
        let Some(decision) = &status.decision else { return };
        let standing = approval.raw.status.as_ref().and_then(|s| s.decision.as_ref());
        assert_eq!(standing, None, "a latch was written twice");
        if decision.outcome != Outcome::Canceled {
            // A journal that somebody deleted by hand in between says nothing.
            if let Some(journal) = self.journal.as_ref().filter(|j| j.uid == basis.journal) {
                let adopted = journal.status.approval.as_ref().map(|a| a.uid.as_str());
                assert_eq!(adopted, Some(target.uid.as_str()), "decided on an object that was never adopted");
                let current = journal.status.proposal.as_ref().map(|p| &p.digest);
                assert_eq!(current, Some(&decision.digest), "decided about another proposal");
            }
            let word = if decision.outcome == Outcome::Approved { "approved" } else { "declined" };
            let spec = &approval.raw.spec;
            let pull = approval.raw.status.as_ref().and_then(|s| s.pull_request.as_ref());
            let closed = decision.outcome == Outcome::Declined
                && pull.is_some_and(|p| p.state == PullRequestState::Closed && p.digest == decision.digest);
            let asked = spec.approval_state.as_deref() == Some(word);
            assert!(asked || closed, "decided what nobody asked for");
            for digest in spec.actions.iter().flatten().filter_map(|a| a.proposal.as_ref()) {
                assert_eq!(digest, &decision.digest, "the answer was about another proposal");
            }
            assert!(self.proposals.contains_key(&decision.digest), "a decision about nothing");
        }
        if decision.outcome == Outcome::Declined {
            self.declined.insert(target.uid.clone());
        }
        self.latched.entry(decision.digest.clone()).or_default().push(decision.outcome);
    }

    pub(super) fn check_event(&mut self, event: &EventDraft, basis: &Basis) {
        let (kind, subject) = match &event.regarding {
            Regarding::Rule { name, .. } => ("rule", name),
            Regarding::Pvc { name, .. } => ("claim", name),
            _ => return,
        };
        let seed: Vec<&str> = event.seed.iter().map(String::as_str).collect();
        let name = names::event_name(subject, event.when.as_second(), event.step, &seed);
        let key = (basis.journal.clone(), event.step, format!("{kind} {}", event.reason));
        match self.told.insert(key, name.clone()) {
            Some(before) => assert_eq!(before, name, "one transition was told under two names"),
            None => self.events.push(event.clone()),
        }
    }

    /// How many transitions were told about the rule, in the life of one journal.
    pub(crate) fn told_of(&self, journal: &str) -> u64 {
        self.told.keys().filter(|(of, _, what)| of == journal && what == "rule Transition").count() as u64
    }

    /// How many transitions were told about the rule.
    pub(crate) fn transitions_told(&self) -> usize {
        let told =
            |e: &&EventDraft| e.reason == "Transition" && matches!(e.regarding, Regarding::Rule { .. });
        self.events.iter().filter(told).count()
    }
}
