//! Decisions are told and logged even where the console ends in a panic, on whatever thread: what was held is not sent,
//! and of what is on its way nobody will know.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use crate::app::audit;
use crate::decision::{Ending, Write, Written};
use crate::model::Model;
use crate::text::Safe;
use crate::update::writes;

/// The report of the console that runs.
static LAST: Mutex<CrashReport> = Mutex::new(CrashReport::new());

/// Decisions that have not ended, and lines of those that have.
#[derive(Debug)]
pub struct CrashReport {
    /// By number of the decision and UID of the object; whether it was sent.
    open: BTreeMap<u64, BTreeMap<Arc<str>, (Write, bool)>>,
    told: Vec<String>,
    /// Numbers of the model that change whenever a decision does.
    seen: (u64, usize, usize),
}

impl Default for CrashReport {
    fn default() -> Self {
        CrashReport::new()
    }
}

impl CrashReport {
    /// Returns a report without decisions.
    pub const fn new() -> CrashReport {
        CrashReport { open: BTreeMap::new(), told: Vec::new(), seen: (0, 0, 0) }
    }

    /// Takes what is held from the model, and leaves what was taken back.
    pub fn follow(&mut self, model: &Model) {
        let seen = (model.decisions, model.held.len(), model.sending.len());
        if std::mem::replace(&mut self.seen, seen) == seen {
            return;
        }
        for held in &model.held {
            self.open.entry(held.number).or_insert_with(|| {
                let all = writes(model, held).into_iter();
                all.map(|write| (Arc::clone(&write.target.uid), (write, false))).collect()
            });
        }
        let held = model.held.iter().map(|h| h.number);
        let open: BTreeSet<u64> = held.chain(model.sending.iter().map(|s| s.number)).collect();
        self.open.retain(|number, _| open.contains(number));
    }

    /// Notes that a write is on its way.
    pub fn sent(&mut self, write: &Write) {
        for decision in self.open.values_mut() {
            if let Some(open) = decision.get_mut(&write.target.uid) {
                *open = (write.clone(), true);
            }
        }
    }

    /// Notes that a write ended, and is in the log.
    pub fn ended(&mut self, written: &Written) {
        for decision in self.open.values_mut() {
            decision.remove(&written.write.target.uid);
        }
        self.told.push(written.line());
    }

    /// Returns how the open decisions end if the console does.
    pub fn interrupted(&self) -> Vec<Written> {
        let open = self.open.values().flat_map(BTreeMap::values);
        open.map(|(write, sent)| Written {
            at: jiff::Timestamp::now(),
            write: write.clone(),
            ending: match sent {
                true => Ending::Unknown(Safe::own("the console failed before an answer came")),
                false => Ending::Dropped(Safe::own("the console failed")),
            },
        })
        .collect()
    }
}

/// Does something with the report of the console that runs.
pub(super) fn kept(with: impl FnOnce(&mut CrashReport)) {
    with(&mut LAST.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Writes it to the log, and to the terminal that was given back. The thread that failed may be the one that holds the
/// report, or another may for a moment: it is not waited for long.
pub(super) fn speak() {
    for _ in 0..50 {
        let last = match LAST.try_lock() {
            Ok(last) => last,
            Err(TryLockError::Poisoned(last)) => last.into_inner(),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
        };
        let mut out = std::io::stdout();
        // Nobody is left to tell when these fail.
        for line in &last.told {
            let _ = writeln!(out, "{line}");
        }
        for written in last.interrupted() {
            if let Some(place) = audit::place() {
                let _ = audit::append(&place, &audit::line(&written));
            }
            let _ = writeln!(out, "{}", written.line());
        }
        return;
    }
}
