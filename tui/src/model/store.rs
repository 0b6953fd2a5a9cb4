//! All rows of all kinds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::connection::KindName;
use crate::rows::{Approval, EventRecord, ObjectRow, PairRow, PvcName, Row as _, RuleRow, View, pair};
use crate::table::Rows;
use crate::text::Safe;

/// Rules' objects whose events are kept; the cluster keeps events for an hour, a console stays for weeks.
const PAIRS: usize = 50_000;
/// Names of PVCs that may be of objects that are gone.
const SPARE: usize = 1000;

/// All rows.
#[derive(Debug, Default)]
pub struct Store {
    /// Approvals, by UID.
    pub approvals: Rows<Approval>,
    /// Events, by rule and object.
    pub events: Rows<PairRow>,
    /// Objects with a journal, by UID.
    pub objects: Rows<ObjectRow>,
    /// Rules, by UID.
    pub rules: Rows<RuleRow>,
    /// Namespaces that were seen.
    pub namespaces: BTreeSet<Safe>,
    /// `true` if only one namespace is shown. Events are about rules and so in no namespace: what is about an object that
    /// is not known there is kept aside.
    scoped: bool,
    aside: Rows<PairRow>,
    /// By rule and object.
    pvcs: HashMap<Arc<str>, KnownPvc>,
}

/// The PVC that a rule's object is, and which row said so.
#[derive(Debug)]
struct KnownPvc {
    /// UID of the row.
    told_by: Arc<str>,
    pvc: PvcName,
}

/// Evaluates an expression with the rows of a view, whatever their type.
macro_rules! with_rows {
    ($store:expr, $view:expr, $rows:ident => $what:expr) => {{
        let store = $store;
        match $view {
            $crate::rows::View::Approvals => {
                let $rows = &store.approvals;
                $what
            }
            $crate::rows::View::Events => {
                let $rows = &store.events;
                $what
            }
            $crate::rows::View::Objects => {
                let $rows = &store.objects;
                $what
            }
            $crate::rows::View::Rules => {
                let $rows = &store.rules;
                $what
            }
        }
    }};
}
pub(crate) use with_rows;

impl Store {
    /// Returns an empty store for one namespace, or for all.
    pub(crate) fn within(namespace: Option<&Arc<str>>) -> Store {
        Store { scoped: namespace.is_some(), ..Store::default() }
    }

    /// Keeps an approval.
    pub(crate) fn approval(&mut self, row: Approval) {
        self.seen(&row.namespace);
        self.learn_pvc(&row.rule, &row.volume, &row.uid, &row.namespace, &row.object);
        self.approvals.put(row);
    }

    /// Keeps an object.
    pub(crate) fn object(&mut self, row: ObjectRow) {
        self.seen(&row.namespace);
        self.learn_pvc(&row.rule, &row.volume, &row.uid, &row.namespace, &row.object);
        self.objects.put(row);
    }

    /// Keeps an event.
    pub(crate) fn event(&mut self, record: EventRecord) {
        let id = pair(record.rule.as_str(), record.volume.as_str());
        let elsewhere = self.scoped && !record.volume.is_empty() && !self.pvcs.contains_key(&id);
        let rows = if elsewhere { &mut self.aside } else { &mut self.events };
        match rows.get_mut(&id) {
            Some(row) => row.add(record),
            None => {
                let mut row = PairRow::new(&record);
                row.pvc = self.pvcs.get(&id).map(|known| known.pvc.clone());
                row.add(record);
                rows.put(row);
                if rows.len() > PAIRS {
                    forget(rows);
                }
            }
        }
    }

    /// Returns how many rows a view has.
    pub(crate) fn len(&self, view: View) -> usize {
        with_rows!(self, view, rows => rows.len())
    }

    /// Begins a list of a kind: what does not come again before [`Self::sweep`] is gone.
    pub(crate) fn mark(&mut self, kind: KindName) {
        match kind {
            KindName::Approvals => self.approvals.mark(),
            KindName::Objects => self.objects.mark(),
            KindName::Rules => self.rules.mark(),
            // An event that expires has happened all the same.
            KindName::Events => {}
        }
    }

    /// Ends the list of a kind.
    pub(crate) fn sweep(&mut self, kind: KindName) {
        match kind {
            KindName::Approvals => self.approvals.sweep(),
            KindName::Objects => self.objects.sweep(),
            KindName::Rules => self.rules.sweep(),
            KindName::Events => {}
        }
    }

    /// Removes an object that is gone.
    pub(crate) fn remove(&mut self, kind: KindName, uid: &str) {
        match kind {
            KindName::Approvals => drop(self.approvals.remove(uid)),
            KindName::Objects => drop(self.objects.remove(uid)),
            KindName::Rules => drop(self.rules.remove(uid)),
            KindName::Events => {}
        }
    }

    /// Returns the rows of one view as they are now.
    pub(crate) fn copy(&self, view: View) -> Store {
        let mut copy = Store::default();
        match view {
            View::Approvals => copy.approvals = self.approvals.clone(),
            View::Events => copy.events = self.events.clone(),
            View::Objects => copy.objects = self.objects.clone(),
            View::Rules => copy.rules = self.rules.clone(),
        }
        copy
    }

    fn seen(&mut self, namespace: &Safe) {
        if !self.namespaces.contains(namespace) {
            self.namespaces.insert(namespace.clone());
        }
    }

    /// Remembers which PVC a rule's object is.
    fn learn_pvc(&mut self, rule: &Safe, volume: &Safe, uid: &Arc<str>, namespace: &Safe, object: &Safe) {
        let id = pair(rule.as_str(), volume.as_str());
        let pvc = PvcName { namespace: namespace.clone(), name: object.clone() };
        if self.pvcs.get(&id).is_some_and(|known| known.pvc == pvc) {
            return;
        }
        if let Some(row) = self.aside.remove(&id) {
            self.events.put(row);
        }
        if self.events.get(&id).is_some()
            && let Some(row) = self.events.get_mut(&id)
        {
            row.pvc = Some(pvc.clone());
        }
        self.pvcs.insert(id, KnownPvc { told_by: Arc::clone(uid), pvc });
        // Each object here has one, and each approval; where there are many more, they are of what is gone.
        if self.pvcs.len() > 2 * (self.approvals.len() + self.objects.len() + self.events.len()) + SPARE {
            let Store { approvals, objects, events, pvcs, .. } = self;
            pvcs.retain(|id, KnownPvc { told_by: uid, .. }| {
                events.get(id).is_some() || approvals.get(uid).is_some() || objects.get(uid).is_some()
            });
        }
    }

    /// Returns the journal of a rule's object.
    pub(crate) fn journal(&self, rule: &str, volume: &str) -> Option<&ObjectRow> {
        self.objects.iter().find(|o| o.rule.as_str() == rule && o.volume.as_str() == volume)
    }

    /// Returns the events of a rule's object.
    pub(crate) fn happened(&self, rule: &str, volume: &str) -> Option<&PairRow> {
        self.events.get(&pair(rule, volume))
    }

    /// Returns the rule of this name.
    pub(crate) fn rule(&self, name: &str) -> Option<&RuleRow> {
        self.rules.iter().find(|r| r.name.as_str() == name)
    }
}

/// Forgets a tenth of the events, the oldest first.
fn forget(rows: &mut Rows<PairRow>) {
    let mut all: Vec<_> = rows.iter().map(|row| (row.ages_from(), Arc::clone(&row.id))).collect();
    let (oldest, ..) = all.select_nth_unstable(PAIRS / 10);
    for (_, id) in oldest {
        rows.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Names, wire};

    fn event(number: usize) -> EventRecord {
        let message = format!("rule: r:pvc-{number} transition from Normal => Triggered");
        let at = jiff::Timestamp::from_second(i64::try_from(number).unwrap_or(0)).ok();
        let event = wire::Event {
            message: Some(message),
            last_timestamp: at,
            involved_object: wire::Involved { name: "r".to_owned() },
            ..wire::Event::default()
        };
        EventRecord::from_wire(&event, &mut Names::default())
    }

    #[test]
    fn what_happened_long_ago_to_many_is_forgotten() {
        let mut store = Store::default();
        (0..PAIRS + 1).for_each(|number| store.event(event(number)));
        assert!(store.events.len() <= PAIRS && store.events.len() > PAIRS / 2);
        assert!(store.happened("r", "pvc-0").is_none());
        assert!(store.happened("r", &format!("pvc-{PAIRS}")).is_some());
    }

    #[test]
    fn names_of_what_is_gone_are_forgotten() {
        let mut store = Store::default();
        for number in 0..5 * SPARE {
            let (id, uid) = (Safe::new(&format!("pvc-{number}")), Arc::from(format!("uid-{number}")));
            store.learn_pvc(&Safe::own("r"), &id, &uid, &Safe::own("ns"), &Safe::own("claim"));
        }
        assert!(store.pvcs.len() <= SPARE + 1, "{}", store.pvcs.len());
    }
}
