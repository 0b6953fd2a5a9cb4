//! The loop of the engine: ingest what is reported, settle what follows, start what is due.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::core::{CLUSTER, Engine};
use crate::observe::Key;

/// Messages taken in before the next decisions.
const BATCH: usize = 512;

impl Engine {
    /// Runs until it is told to stop; then finishes what is in flight.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut beat = tokio::time::interval(Duration::from_secs(5));
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                done = self.writes.next() => self.task_done(done),
                seen = self.parts.observations.recv() => match seen {
                    Some(seen) => self.observe(seen),
                    None => break,
                },
                text = next_config(&mut self.parts.config_file) => self.config_file(text),
                changed = self.parts.leads.changed() => if changed.is_err() { break },
                _ = beat.tick() => self.config.renew(),
                () = sleep_until(wake, self.parts.clock) => {}
            }
            for _ in 0..BATCH {
                if let Ok(seen) = self.parts.observations.try_recv() {
                    self.observe(seen);
                } else if let Some(done) = self.writes.try_next() {
                    self.task_done(done);
                } else {
                    break;
                }
            }
            self.parts.heartbeat.beat();
            self.settle();
        }
        self.writes.drain().await;
    }

    /// Returns the kinds that must be listed before anything is decided.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing: Vec<String> = self.world.missing().into_iter().map(str::to_owned).collect();
        if !self.rules.synced() {
            missing.push("autopilotrules".to_owned());
        }
        if !self.config.seen() {
            missing.push("configuration".to_owned());
        }
        missing
    }

    pub(crate) fn settle(&mut self) {
        if !self.was_ready {
            let missing = self.missing();
            if !missing.is_empty() {
                self.parts.readiness.missing(CLUSTER, &format!("not listed yet: {}", missing.join(", ")));
                return;
            }
            self.parts.readiness.synced(CLUSTER);
            self.was_ready = true;
            info!(
                rules = self.rules.len(),
                claims = self.world.claims.len(),
                approvals = self.world.approvals.iter().count(),
                "the cluster is known; deciding begins{}",
                if self.leads() { "" } else { " with the lease" }
            );
            self.start();
        }
        self.check_clock();
        self.ring();
        if !self.leads() {
            return;
        }
        self.start_passes();
        while let Some(pair) = self.scheduler.next_pair() {
            self.reconcile_pair(&pair);
        }
        while let Some(rule) = self.scheduler.next_rule() {
            self.reconcile_rule(&rule);
        }
        while let Some(key) = self.scheduler.next_orphan() {
            self.reconcile_orphan(&key);
        }
        if std::mem::take(&mut self.objects_changed) {
            self.count_objects();
        }
        self.emit_config_event();
    }

    /// The first look at everything, after a start or a restart.
    pub(crate) fn start(&mut self) {
        for (name, entry) in self.rules.iter_mut() {
            entry.select_all(&self.world);
            self.pairs.select_only(name, entry.selected());
            for slot in entry.announced_objects(&self.world) {
                self.pairs.set_normal(name, slot);
            }
        }
        let journals: Vec<Key> = self.world.journals.iter().map(|(key, _)| key.clone()).collect();
        for key in journals {
            self.journal_changed(&key);
        }
        let approvals: Vec<Key> = self.world.approvals.iter().map(|(key, _)| key.clone()).collect();
        for key in approvals {
            self.approval_changed(&key);
        }
        self.scheduler.mark_rules(self.rules.names().cloned());
        self.count_rules();
    }

    /// If the clock was set back, everything is looked at again, from now.
    fn check_clock(&mut self) {
        let now = self.now();
        let Some(latest) = self.scheduler.clock_set_back(now) else { return };
        warn!(%now, %latest, "the clock was set back; everything is looked at anew");
        for entry in self.pairs.values_mut() {
            entry.clock_set_back();
        }
        for entry in self.rules.iter_mut().map(|(_, entry)| entry) {
            entry.clock_set_back(now);
        }
        self.mark_everything();
    }

    fn ring(&mut self) {
        for pair in self.scheduler.ring(self.now()) {
            if let Some(entry) = self.pairs.get_mut(&pair) {
                entry.alarm_rang();
            }
        }
    }

    fn next_wake(&self) -> Option<Timestamp> {
        let poll = (self.was_ready && self.leads()).then(|| self.earliest_poll()).flatten();
        self.scheduler.next_wake().into_iter().chain(poll).min()
    }
}

/// Waits for the next text of the configuration file; forever, if there is no such file.
async fn next_config(file: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match file {
        Some(file) => file.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Timestamp>, clock: fn() -> Timestamp) {
    match at {
        Some(at) => {
            let rest = at.duration_since(clock());
            tokio::time::sleep(Duration::try_from(rest).unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}
