//! Tasks of the engine: writes, reads before them, and queries. What comes of each is a [`TaskResult`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

use super::rule_entry::writes::RuleAnnouncement;
use crate::act::{Failure, Outcome};
use crate::decide::EventDraft;
use crate::evaluate::facts::QueryResult;
use crate::observe::{Key, Pair};
use crate::prometheus::Ask;

/// On the way out, writes in flight get so long to finish.
const FINISH: Duration = Duration::from_secs(6);

/// Result of a write.
pub(crate) type WriteResult = Box<Result<Outcome, Failure>>;

/// Which kind of object is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reread {
    Approval,
    Journal,
}

/// Result of a task of the engine.
#[derive(Debug)]
pub(crate) enum TaskResult {
    Pair { pair: Pair, result: WriteResult },
    Rule { name: Arc<str>, announced: RuleAnnouncement, result: WriteResult },
    Orphan { approval: Key, result: WriteResult },
    Reread { key: Key, kind: Reread, result: WriteResult },
    ConfigEvent { event: Box<EventDraft>, result: WriteResult },
    Query { pass: u64, asked_at: Timestamp, ask: Ask, result: QueryResult },
}

/// Tasks under way.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    tasks: JoinSet<TaskResult>,
    /// How many of them are no queries.
    writes: usize,
    /// Orphaned approvals with a write under way.
    orphans: BTreeSet<Key>,
}

impl Writes {
    /// Starts a write.
    pub(crate) fn start(&mut self, task: impl Future<Output = TaskResult> + Send + 'static) {
        self.writes += 1;
        self.tasks.spawn(task);
    }

    /// Starts the write to an orphaned approval.
    pub(crate) fn start_orphan(
        &mut self,
        approval: Key,
        task: impl Future<Output = TaskResult> + Send + 'static,
    ) {
        self.orphans.insert(approval);
        self.start(task);
    }

    /// Starts a query, which nobody waits for at the end.
    pub(crate) fn start_query(&mut self, task: impl Future<Output = TaskResult> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Returns whether an orphaned approval has a write under way.
    pub(crate) fn orphan_in_flight(&self, approval: &Key) -> bool {
        self.orphans.contains(approval)
    }

    /// Waits for the next result; forever, if nothing is under way.
    pub(crate) async fn next(&mut self) -> Result<TaskResult, JoinError> {
        match self.tasks.join_next().await {
            Some(done) => self.finished(done),
            None => std::future::pending().await,
        }
    }

    /// Returns a result that is there.
    pub(crate) fn try_next(&mut self) -> Option<Result<TaskResult, JoinError>> {
        let done = self.tasks.try_join_next()?;
        Some(self.finished(done))
    }

    fn finished(&mut self, done: Result<TaskResult, JoinError>) -> Result<TaskResult, JoinError> {
        if let Ok(result) = &done {
            self.count(result);
        }
        done
    }

    fn count(&mut self, result: &TaskResult) {
        if let TaskResult::Orphan { approval, .. } = result {
            self.orphans.remove(approval);
        }
        if !matches!(result, TaskResult::Query { .. }) {
            self.writes = self.writes.saturating_sub(1);
        }
    }

    /// Waits for writes in flight, for a bounded time.
    pub(crate) async fn drain(mut self) {
        if self.writes > 0 {
            info!(writes = self.writes, "stopping; writes in flight are finished first");
        }
        let drained = tokio::time::timeout(FINISH, async {
            while self.writes > 0 {
                match self.tasks.join_next().await {
                    Some(Ok(result)) => self.count(&result),
                    Some(Err(_)) => self.writes = self.writes.saturating_sub(1),
                    None => break,
                }
            }
        })
        .await;
        if drained.is_err() {
            warn!(
                writes = self.writes,
                "stopped before all writes were answered; they are decided anew at the next start"
            );
        }
    }
}
