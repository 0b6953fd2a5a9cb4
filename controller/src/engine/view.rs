//! The view that a decision about a pair is made from, built from what the engine knows.

use std::borrow::Cow;

use autopilot_shared::RuleState;
use jiff::Timestamp;

use super::core::Engine;
use super::pairs::PairEntry;
use super::rule_entry::RuleEntry;
use crate::decide::precedence::{Contender, goes_first};
use crate::decide::{self, Decision, Precedence, Precondition, View};
use crate::evaluate::reading::{Baseline, Reading};
use crate::observe::Pair;

/// A look at a pair.
struct Look<'a> {
    pair: &'a Pair,
    /// Position of its PVC, if that is there.
    slot: Option<u32>,
    /// Where the PVC lives, or lived.
    namespace: &'a str,
    now: Timestamp,
    /// A random number that nobody has seen.
    fresh: u128,
}

impl Engine {
    /// Returns the decision about a pair, and what must be true in the API when its effect is carried out.
    pub(crate) fn decide_pair(
        &self,
        pair: &Pair,
        slot: Option<u32>,
        namespace: &str,
        now: Timestamp,
        fresh: u128,
    ) -> (Decision, Option<Precondition>) {
        let (Some(entry), Some(rule)) = (self.pairs.get(pair), self.rules.get(&pair.rule)) else {
            return (Decision { effect: None, wake: None, state: RuleState::Normal }, None);
        };
        let resized = self.resized_by_others(pair, namespace);
        let reading = match resized.filter(|_| entry.reading().baseline.is_none()) {
            Some(baseline) => Cow::Owned(Reading { baseline: Some(baseline), ..entry.reading().clone() }),
            None => Cow::Borrowed(entry.reading()),
        };
        let view = self.build_view(&Look { pair, slot, namespace, now, fresh }, entry, rule, &reading);
        let decision = decide::decide(&view);
        let expected = decision.effect.as_ref().and_then(|effect| decide::precondition(&view, effect));
        (decision, expected)
    }

    /// Returns a pair as decisions see it. `reading`: its latest data, with the last change of size.
    fn build_view<'a>(
        &'a self,
        look: &Look<'a>,
        entry: &'a PairEntry,
        rule: &'a RuleEntry,
        reading: &'a Reading,
    ) -> View<'a> {
        let Look { pair, slot, namespace, now, fresh } = *look;
        let selected = slot.is_some_and(|slot| rule.selected().contains(slot));
        let journal = self.world.journal(namespace, pair).filter(|j| j.owner == rule.uid() && !j.deleting);
        let (plain, hashed) = self.world.approvals_of(namespace, pair);
        let digest = journal.and_then(|j| j.status.proposal.as_ref()).map(|p| p.digest.as_str());
        View {
            now,
            fresh,
            settings: self.config.active().settings(),
            rule_name: &pair.rule,
            rule: rule.volume_rule().map(|r| &**r),
            rule_uid: rule.uid(),
            object_id: &pair.object,
            object: slot.and_then(|slot| self.world.object_view(slot, selected)),
            reading,
            quiet: self.quiet_state(pair),
            unannounced: slot
                .and_then(|slot| self.world.claims.get(slot))
                .filter(|claim| !rule.announced_before(claim.volume(), claim.created))
                .map(|claim| claim.created),
            journal,
            plain,
            hashed,
            precedence: self.precedence(pair, namespace),
            refusal: entry.refusal(),
            emitted: entry.told_ahead(journal),
            resets: entry.resets(digest),
        }
    }

    /// The last resize of the PVC that another rule's journal tells of: what was measured before it is not known here, so
    /// nothing counts before the metrics have caught up.
    fn resized_by_others(&self, pair: &Pair, namespace: &str) -> Option<Baseline> {
        self.pairs
            .on_object(&pair.object)
            .filter(|(other, _)| *other != pair)
            .filter_map(|(other, _)| {
                self.world.journal(namespace, other)?.status.last_action.as_ref()?.at.as_ref()
            })
            .map(|at| at.0)
            .max()
            .map(|at| Baseline { at, values: Vec::new(), ratio: 1.0 })
    }

    /// Returns another rule that has, or is about to have, the object.
    fn precedence(&self, pair: &Pair, namespace: &str) -> Option<Precedence> {
        let own = self.rules.get(&pair.rule)?.volume_rule()?;
        let others = self.pairs.on_object(&pair.object).filter(|(other, _)| *other != pair);
        let contenders = others.filter_map(|(other, entry)| {
            let rule = self.rules.get(&other.rule)?;
            Some(Contender {
                name: &other.rule,
                rule: rule.volume_rule().map(|rule| &**rule),
                selected: self.is_selected(other),
                state: entry.state(),
                proposing: entry.proposing(),
                reading: entry.reading(),
                journal: self.world.journal(namespace, other).filter(|j| j.owner == rule.uid()),
            })
        });
        goes_first(own, contenders)
    }
}
