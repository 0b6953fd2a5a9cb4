//! One metric provider, and whose turn it is there.
//!
//! A [`Provider`] is a client and the order in which its queries get their turn. At most [`AT_ONCE`] are under way, and
//! of those at most [`SLOW_AT_ONCE`] are queries that were slow the last time they were asked. So rules with heavy
//! keys take turns among themselves, the others always have lanes of their own, and nothing is ever given up for
//! having waited: the time-out of a query starts with its turn. Only a query that has never been asked before, or has
//! just become slow, can hold up others, once.
//!
//! The lanes belong to the provider and not to the pass, so passes may overlap.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::answer::Answer;
use super::client::Client;
use super::error::QueryError;

/// Queries under way at one provider. Prometheus evaluates 20 at a time for everybody.
pub const AT_ONCE: usize = 8;
/// How many of those may be slow ones.
pub const SLOW_AT_ONCE: usize = 4;
/// Slow queries that are remembered; a rule that was edited leaves its old one behind. When there are more, all are
/// forgotten: the next pass finds out again.
const REMEMBERED: usize = 4096;

/// One question: which provider, which PromQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ask {
    /// Id of the provider.
    pub provider: Box<str>,
    /// PromQL.
    pub query: Box<str>,
}

/// A client and the lanes of its queries.
#[derive(Debug)]
pub struct Provider {
    client: Client,
    lanes: Semaphore,
    slow_lanes: Semaphore,
    slow: Mutex<HashSet<Box<str>>>,
}

impl Provider {
    /// Knows of no slow query yet.
    pub fn new(client: Client) -> Self {
        Provider {
            client,
            lanes: Semaphore::new(AT_ONCE),
            slow_lanes: Semaphore::new(SLOW_AT_ONCE),
            slow: Mutex::default(),
        }
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks when it is this query's turn.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn ask(&self, query: &str, time: Timestamp) -> Result<Answer, QueryError> {
        // A slow one waits for its own kind first, so that it never holds a lane while waiting. Semaphores are fair:
        // who waits longest is next. They are never closed; were they, the query would be asked at once.
        let _slow_lane = match self.is_slow(query) {
            true => self.slow_lanes.acquire().await.ok(),
            false => None,
        };
        let _lane = self.lanes.acquire().await.ok();
        let began = Instant::now();
        let result = self.client.instant(query, time).await;
        // Half of the time-out is close to not being answered. Measured without the wait for a lane.
        let slow = matches!(result, Err(QueryError::TimedOut { .. }))
            || began.elapsed() > self.client.endpoint().timeout / 2;
        self.remember(query, slow);
        result
    }

    fn is_slow(&self, query: &str) -> bool {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).contains(query)
    }

    fn remember(&self, query: &str, slow: bool) {
        let mut known = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if !slow {
            known.remove(query);
        } else if !known.contains(query) {
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(query.into());
        }
    }
}
