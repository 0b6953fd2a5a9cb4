//! A controller over the model: its caches, which may be old, its memory, which a restart empties, and the loop from
//! decision to write to decision.

use std::collections::BTreeMap;

use autopilot_controller::decide::{
    Approval, Decision, Effect, Journal, ObjectView, Obstacles, Precedence, Precondition, View, Writer,
    decide, precondition,
};
use autopilot_controller::evaluate::reading::{Baseline, Reading};
use autopilot_controller::evaluate::verdict::Verdict;
use autopilot_shared::RuleState as S;
use jiff::Timestamp;

use crate::world::{Answer, Basis, Claim, DecideScene, NAMESPACE, OBJECT, RULE};

/// How a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives, and so does its answer.
    Fine,
    /// The process dies before it.
    CrashBefore,
    /// The process dies after it.
    CrashAfter,
    /// It arrives; the answer does not.
    AnswerLost,
}

pub(crate) fn writer(manager: &str, apply: bool) -> Writer {
    Writer { manager: manager.to_owned(), apply }
}

/// One process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decider {
    // ---- caches
    journal: Option<Journal>,
    approvals: BTreeMap<String, Approval>,
    claim: Option<Claim>,
    // ---- memory
    reading: Reading,
    normal: bool,
    /// UID of a journal, and how many of its transitions were told.
    told: (String, u64),
    refusal: Option<String>,
    resets: (String, u32),
    pub wake: Option<Timestamp>,
}

impl Decider {
    /// Starts: everything is listed.
    pub(crate) fn start(world: &DecideScene) -> Self {
        let mut new = Decider::default();
        new.catch_up(world);
        new
    }

    /// All caches are current.
    pub(crate) fn catch_up(&mut self, world: &DecideScene) {
        self.see_journal(world);
        self.see_approvals(world);
        self.see_claim(world);
    }

    pub(crate) fn see_journal(&mut self, world: &DecideScene) {
        let version = |journal: &Option<Journal>| journal.as_ref().map(|j| j.version.clone());
        if version(&self.journal) != version(&world.journal) {
            self.journal.clone_from(&world.journal);
        }
    }

    pub(crate) fn see_approvals(&mut self, world: &DecideScene) {
        let versions = |all: &BTreeMap<String, Approval>| -> Vec<Option<String>> {
            all.values().map(|a| a.raw.metadata.resource_version.clone()).collect()
        };
        if versions(&self.approvals) != versions(&world.approvals) {
            self.approvals.clone_from(&world.approvals);
        }
    }

    /// As the engine: data that was met when the size changed may be older than the change.
    pub(crate) fn see_claim(&mut self, world: &DecideScene) {
        if let (Some(old), Some(new)) = (&self.claim, &world.claim)
            && old.capacity != new.capacity
            && self.reading.verdict == Verdict::Met
        {
            #[expect(clippy::cast_precision_loss, reason = "a ratio")]
            let ratio = old.capacity.bytes as f64 / new.capacity.bytes as f64;
            self.reading.baseline = Some(Baseline { at: world.now, values: self.reading.numbers(), ratio });
        }
        self.claim.clone_from(&world.claim);
    }

    /// A pass over the metrics.
    pub(crate) fn pass(&mut self, world: &DecideScene) {
        let (verdict, value) = world.truth;
        let values = match verdict {
            Verdict::Met => vec![Some((value, value.to_string().into()))],
            _ => vec![None],
        };
        self.reading.take(verdict, world.now, values);
        if verdict == Verdict::NotMet {
            self.normal = true;
        }
    }

    /// What it would do now.
    pub(crate) fn look(&self, world: &DecideScene) -> (Decision, Option<Precondition>) {
        let digest =
            self.journal.as_ref().and_then(|j| j.status.proposal.as_ref()).map(|p| p.digest.as_str());
        let view = View {
            now: world.now,
            fresh: world.random,
            settings: &world.settings,
            rule_name: RULE,
            rule: world.rule.as_ref(),
            rule_uid: "rule-uid",
            object_id: OBJECT,
            object: self.claim.as_ref().map(|claim| ObjectView {
                namespace: NAMESPACE,
                name: "pgbench-data",
                uid: &claim.uid,
                request: claim.request,
                request_text: None,
                capacity: claim.capacity,
                selected: world.selected,
                obstacles: Obstacles {
                    class: claim.class,
                    expandable: claim.expandable,
                    size_in_git: claim.git,
                    quotas: &claim.quotas,
                },
                resize: &claim.report,
            }),
            reading: &self.reading,
            quiet: if self.normal { S::Normal } else { S::Initializing },
            unannounced: Some(0),
            journal: self.journal.as_ref(),
            plain: self.approvals.get(&DecideScene::plain_name()),
            hashed: self.approvals.get(&DecideScene::hashed_name()),
            precedence: world
                .precedence
                .map(|rule| Precedence { rule: rule.into(), state: S::ActionAwaitingApproval }),
            refusal: self.refusal.as_deref(),
            emitted: match &self.journal {
                Some(journal) if journal.uid == self.told.0 => self.told.1,
                _ => 0,
            },
            resets: if Some(self.resets.0.as_str()) == digest { self.resets.1 } else { 0 },
        };
        let decision = decide(&view);
        assert_eq!(decision, decide(&view), "one view, two decisions");
        let expected = decision.effect.as_ref().and_then(|effect| precondition(&view, effect));
        (decision, expected)
    }

    /// One decision and its write. Whether there was one.
    pub(crate) fn step(&mut self, world: &mut DecideScene, fate: Fate) -> bool {
        world.random += 1;
        if self.claim.is_none() {
            // As the engine: before anything follows from a PVC that is gone, the API is asked whether it is.
            self.see_claim(world);
        }
        let (decision, expected) = self.look(world);
        if let Some(wake) = decision.wake {
            assert!(wake > world.now, "an alarm for the past would ring for ever");
        }
        self.wake = decision.wake;
        let Some(effect) = decision.effect else { return false };
        if fate == Fate::CrashBefore {
            *self = Decider::start(world);
            return true;
        }
        if let Some(expected) = expected
            && !self.confirmed(world, &expected)
        {
            world.writes.push(format!("unexpected: {expected:?}"));
            return true;
        }
        if let Effect::ResetApproval { wanted, .. } = &effect {
            let digest =
                wanted.spec.actions.iter().flatten().find_map(|a| a.proposal.clone()).unwrap_or_default();
            if self.resets.0 != digest {
                self.resets = (digest, 0);
            }
            self.resets.1 += 1;
        }
        let basis = self
            .journal
            .as_ref()
            .map(|j| Basis { proposal: j.status.proposal.clone(), journal: j.uid.clone() });
        let answer = world.carry_out(&effect, &basis.unwrap_or_default());
        match fate {
            Fate::CrashAfter => *self = Decider::start(world),
            Fate::AnswerLost => {}
            Fate::Fine | Fate::CrashBefore => self.learn(world, &effect, answer),
        }
        true
    }

    /// What `act` reads past every cache before a write that takes something for granted.
    fn confirmed(&mut self, world: &DecideScene, expected: &Precondition) -> bool {
        let same = if let Precondition::ApprovalGone(target) = expected {
            let there = world.approvals.get(&target.name);
            there.is_none_or(|a| a.raw.metadata.uid.as_ref() != Some(&target.uid))
        } else if let Precondition::JournalIs { version, .. } = expected {
            world.journal.as_ref().map(|j| &j.version) == version.as_ref()
        } else if let Precondition::PvcIs { uid, request, .. } = expected {
            world.claim.as_ref().is_some_and(|c| c.uid == *uid && c.request == *request)
        } else if let Precondition::Unannounced { .. } = expected {
            self.normal |= world.announced;
            !world.announced
        } else {
            panic!("{expected:?} is not about a pair")
        };
        if !same {
            self.see_claim(world);
            self.see_journal(world);
            self.see_approvals(world);
        }
        same
    }

    fn learn(&mut self, world: &DecideScene, effect: &Effect, answer: Answer) {
        match effect {
            Effect::CreateJournal(_) | Effect::WriteJournal { .. } | Effect::DeleteJournal(_) => {
                self.see_journal(world);
                self.refusal = None;
            }
            Effect::CreateApproval(_)
            | Effect::WriteApprovalStatus { .. }
            | Effect::ResetApproval { .. }
            | Effect::DeleteApproval(_)
            | Effect::ReleaseApproval(_) => self.see_approvals(world),
            Effect::Resize { .. } => {
                self.see_claim(world);
                self.refusal = match answer {
                    Answer::Refused(words) => Some(words),
                    Answer::Done | Answer::Conflict => None,
                };
            }
            Effect::EmitEvents { told, .. } => {
                self.told = (self.journal.as_ref().map(|j| j.uid.clone()).unwrap_or_default(), *told);
            }
        }
    }

    /// Decides and writes until nothing is left to do.
    pub(crate) fn run(&mut self, world: &mut DecideScene) -> usize {
        for writes in 0..60 {
            if !self.step(world, Fate::Fine) {
                return writes;
            }
        }
        panic!("no rest after 60 writes; the last:\n{}", world.writes[world.writes.len() - 12..].join("\n"));
    }
}
