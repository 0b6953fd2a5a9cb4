//! Approvals and journals that belong to no pair.

use autopilot_shared::api::LABEL_RULE;
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::approval::cleanup::remove;
use super::approval::conditions::stale_orphan;
use super::approval::spec::ours;
use super::effect::Effect;
use super::lookup::journal_target;
use super::precondition::Precondition;
use super::view::{Approval, Journal, Settings};

/// The step for a journal that has the name of a pair's own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JournalOwner {
    /// There is no journal, or it is this rule's.
    Own,
    /// Another rule's, for example a rule of the same name that was deleted; it is on its way out.
    ForeignLeaving,
    /// Another rule's: it must go before the pair can have its own.
    Foreign(Effect),
}

/// Returns whose journal lies under the name of a pair's own.
pub(crate) fn journal_owner(journal: Option<&Journal>, rule_uid: &str) -> JournalOwner {
    match journal {
        Some(journal) if journal.deleting => JournalOwner::ForeignLeaving,
        Some(journal) if journal.owner != rule_uid => {
            JournalOwner::Foreign(Effect::DeleteJournal(journal_target(journal)))
        }
        _ => JournalOwner::Own,
    }
}

/// The step for an approval that belongs to no pair.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OrphanStep {
    /// Nothing.
    Leave,
    /// Look again later: it waits for something outside.
    LookAgain,
    /// Write, if the API agrees that there is no such rule or PVC.
    Write(Box<Effect>, Option<Precondition>),
}

/// Returns what an approval needs that belongs to no pair. `has_rule`: there is a rule for its label.
pub(crate) fn orphaned_approval(
    settings: &Settings,
    approval: &Approval,
    has_rule: bool,
    now: Timestamp,
) -> OrphanStep {
    let deleting = approval.raw.is_deleting();
    let effect = if deleting || ours(&approval.raw) {
        match remove(settings, approval, now) {
            Some(effect) => effect,
            None => return OrphanStep::LookAgain,
        }
    } else {
        let why =
            if has_rule { "its name or object is not that of a proposal" } else { "there is no such rule" };
        match stale_orphan(now, approval, why) {
            Some(effect) => effect,
            None => return OrphanStep::Leave,
        }
    };
    OrphanStep::Write(Box::new(effect), absence(approval, has_rule))
}

/// Returns what must be gone before an orphan is written. That there is no such rule, or no such PVC, is the word of a
/// cache: the API is asked first.
fn absence(approval: &Approval, has_rule: bool) -> Option<Precondition> {
    let status = approval.raw.status.as_ref()?;
    if !has_rule {
        return status.rule.as_ref().map(|rule| Precondition::RuleGone(rule.name.clone()));
    }
    let object = status.action_previews.as_ref()?.first()?.involved_objects.first()?;
    Some(Precondition::PvcGone {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        volume: object.uid.clone(),
    })
}

/// Returns whether an approval carries this label of a rule, and came from us.
pub(crate) fn is_of_rule(approval: &Approval, label: &str) -> bool {
    approval.raw.labels().get(LABEL_RULE).is_some_and(|l| l == label) && ours(&approval.raw)
}

#[cfg(test)]
mod tests {
    use autopilot_shared::api::{ActionApproval, FINALIZER};
    use jiff::SignedDuration;
    use serde_json::{Value, json};

    use super::*;
    use crate::decide::view::ForgeSettings;

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn settings(forge: bool) -> Settings {
        let limit = SignedDuration::from_mins(10);
        Settings {
            metrics_lag: SignedDuration::ZERO,
            cancel_after: SignedDuration::ZERO,
            suspended: false,
            unknown: false,
            forge: forge.then_some(ForgeSettings { sync_limit: limit, deletion_limit: limit }),
        }
    }

    fn approval(ours: bool, deleted: Option<&str>, status: &Value) -> Approval {
        let raw: ActionApproval = serde_json::from_value(json!({
            "metadata": {
                "namespace": "n", "name": "a", "uid": "u", "resourceVersion": "7",
                "annotations": if ours { json!({ "autopilot.libopenstorage.org/proposal": "d" }) } else { json!({}) },
                "deletionTimestamp": deleted,
                "finalizers": [FINALIZER],
            },
            "spec": {},
            "status": status,
        }))
        .unwrap();
        Approval { raw, writers: Vec::new() }
    }

    #[test]
    fn a_journal_of_another_rule_goes_before_the_pair_can_have_its_own() {
        let journal = |owner: &str, deleting| Journal {
            name: "j".into(),
            uid: "u".to_owned(),
            version: "7".to_owned(),
            owner: owner.to_owned(),
            deleting,
            ..Journal::default()
        };
        assert_eq!(journal_owner(None, "r"), JournalOwner::Own);
        assert_eq!(journal_owner(Some(&journal("r", false)), "r"), JournalOwner::Own);
        // A journal that is being deleted is nobody's any more.
        assert_eq!(journal_owner(Some(&journal("r", true)), "r"), JournalOwner::ForeignLeaving);
        assert_eq!(journal_owner(Some(&journal("other", true)), "r"), JournalOwner::ForeignLeaving);
        let JournalOwner::Foreign(Effect::DeleteJournal(target)) =
            journal_owner(Some(&journal("other", false)), "r")
        else {
            panic!("it stays")
        };
        assert_eq!((&*target.name, &*target.uid, &*target.version), ("j", "u", "7"));
    }

    #[test]
    fn an_orphan_of_ours_goes_and_any_other_is_marked() {
        let told = || json!({ "Rule": { "Name": "r" } });
        let object = || {
            json!({ "actionPreviews": [{
                "action": { "name": "resize" },
                "expectedResult": { "message": "" },
                "involvedObjects": [{
                    "name": "c", "namespace": "n", "uid": "v", "kind": "PersistentVolumeClaim", "apiVersion": "v1",
                }],
            }] })
        };
        let kind = |step: &OrphanStep| match step {
            OrphanStep::Leave => "leave",
            OrphanStep::LookAgain => "look again",
            OrphanStep::Write(effect, _) => match **effect {
                Effect::DeleteApproval(_) => "delete",
                Effect::ReleaseApproval(_) => "release",
                Effect::WriteApprovalStatus { .. } => "mark",
                _ => "another write",
            },
        };
        let rule_gone = || Some(Precondition::RuleGone("r".to_owned()));
        let claim_gone =
            || Some(Precondition::PvcGone { namespace: "n".into(), name: "c".into(), volume: "v".into() });
        let (lately, long_ago) = (Some("2026-01-01T00:59:00Z"), Some("2026-01-01T00:00:00Z"));
        let table = [
            ("ours, no rule", approval(true, None, &told()), false, false, "delete", rule_gone()),
            ("ours, a rule, no PVC", approval(true, None, &object()), true, false, "delete", claim_gone()),
            ("ours, never shown", approval(true, None, &Value::Null), true, false, "delete", None),
            ("not ours, no rule", approval(false, None, &Value::Null), false, false, "mark", None),
            ("not ours, a rule", approval(false, None, &Value::Null), true, false, "mark", None),
            ("leaving, no forge", approval(true, lately, &told()), false, false, "release", rule_gone()),
            ("leaving, the forge has time", approval(true, lately, &told()), false, true, "look again", None),
            (
                "leaving, the forge is late",
                approval(true, long_ago, &told()),
                false,
                true,
                "release",
                rule_gone(),
            ),
            ("leaving, not ours", approval(false, lately, &Value::Null), false, false, "release", None),
        ];
        let now: Timestamp = NOW.parse().unwrap();
        for (says, approval, has_rule, forge, expected, condition) in table {
            let step = orphaned_approval(&settings(forge), &approval, has_rule, now);
            assert_eq!(kind(&step), expected, "{says}: {step:?}");
            if let OrphanStep::Write(_, found) = step {
                assert_eq!(found, condition, "{says}");
            }
        }
    }

    #[test]
    fn an_orphan_that_is_marked_already_is_left_alone() {
        let now: Timestamp = NOW.parse().unwrap();
        let mut orphan = approval(false, None, &Value::Null);
        let OrphanStep::Write(effect, _) = orphaned_approval(&settings(false), &orphan, true, now) else {
            panic!("nothing is said")
        };
        let Effect::WriteApprovalStatus { status, .. } = *effect else { panic!("{effect:?}") };
        orphan.raw.status = Some(*status);
        assert_eq!(orphaned_approval(&settings(false), &orphan, true, now), OrphanStep::Leave);
    }
}
