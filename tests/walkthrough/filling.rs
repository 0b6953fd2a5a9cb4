//! A workload that fills a volume, as Prometheus sees it.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use anyhow::Result;
use autopilot_stack::{lock, quantity};

use crate::support::scene::Scene;
use crate::support::series::GIB;

/// GiB that are written in a second.
const SPEED: f64 = 1.0;

/// Usage of one volume. It grows with time, its capacity is the claim's.
#[derive(Debug)]
pub struct Filling {
    namespace: String,
    claim: String,
    volume: String,
    size: f64,
    level: Mutex<Level>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    from: f64,
    since: Instant,
    target: f64,
}

impl Filling {
    /// Returns a volume of this size with this much in it, in GiB.
    pub fn new(namespace: &str, claim: &str, volume: &str, size: f64, used: f64) -> Filling {
        Filling {
            namespace: namespace.to_owned(),
            claim: claim.to_owned(),
            volume: volume.to_owned(),
            size,
            level: Mutex::new(Level { from: used, since: Instant::now(), target: used }),
        }
    }

    /// Returns the name of the volume.
    pub fn volume(&self) -> &str {
        &self.volume
    }

    /// Writes until so many GiB are used.
    pub fn fill_to(&self, used: f64) {
        let mut level = self.level();
        *level = Level { from: level.now(), since: Instant::now(), target: used };
    }

    /// Brings the series up to date; the next scrape takes them.
    ///
    /// # Errors
    /// When the storage made a claim of a size that cannot be read.
    pub fn export(&self, scene: &Scene) -> Result<()> {
        let used = self.level().now();
        let mine = |r: &&autopilot_stack::Resize| r.namespace == self.namespace && r.name == self.claim;
        let size = match scene.csi.resizes().iter().rfind(mine) {
            #[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
            Some(resize) => quantity::bytes(&resize.to)? as f64 / GIB,
            None => self.size,
        };
        scene.usage(&self.volume, used, size);
        Ok(())
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        lock(&self.level)
    }
}

impl Level {
    fn now(&self) -> f64 {
        self.target.min(self.from + SPEED * self.since.elapsed().as_secs_f64())
    }
}
