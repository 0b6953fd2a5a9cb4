//! Running clusters that the tests of a process use in turn, so that a fault in one meets one test.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use anyhow::Result;
use autopilot_stack::lock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Clusters of one kind, started when they are first needed.
pub struct ClusterPool<T> {
    idle: Mutex<Vec<T>>,
    permits: Arc<Semaphore>,
}

impl<T> ClusterPool<T> {
    /// Returns an empty pool for at most `size` clusters.
    pub fn new(size: usize) -> Self {
        ClusterPool { idle: Mutex::default(), permits: Arc::new(Semaphore::new(size)) }
    }

    /// Returns how many clusters may run: `AUTOPILOT_LANES`, else `default`.
    pub fn size(default: usize) -> usize {
        std::env::var("AUTOPILOT_LANES").ok().and_then(|n| n.parse().ok()).unwrap_or(default).max(1)
    }

    /// Waits for a free cluster. Calls `start` if none idles.
    ///
    /// # Errors
    /// When `start` fails.
    pub async fn take(self: &Arc<Self>, start: impl AsyncFnOnce() -> Result<T>) -> Result<PooledCluster<T>> {
        let permit = Arc::clone(&self.permits).acquire_owned().await?;
        let idle = lock(&self.idle).pop();
        let cluster = match idle {
            Some(cluster) => cluster,
            None => start().await?,
        };
        let (pool, spoilt) = (Arc::clone(self), AtomicBool::new(false));
        Ok(PooledCluster { cluster: Some(cluster), spoilt, pool, _permit: permit })
    }
}

/// The pool of a process. It lives as long as a test uses it, so that everything ends with the last test.
pub struct SharedPool<P>(Mutex<Weak<P>>);

impl<P> SharedPool<P> {
    /// Returns one without a pool yet.
    #[expect(clippy::new_without_default, reason = "a const, for statics")]
    pub const fn new() -> Self {
        SharedPool(Mutex::new(Weak::new()))
    }

    /// Returns the pool, which is made with `new` if there is none.
    pub fn get(&self, new: impl FnOnce() -> P) -> Arc<P> {
        let mut known = lock(&self.0);
        known.upgrade().unwrap_or_else(|| {
            let pool = Arc::new(new());
            *known = Arc::downgrade(&pool);
            pool
        })
    }
}

/// A cluster of a pool. Dropping it gives it back, unless the test panicked or spoilt it.
pub struct PooledCluster<T> {
    /// Present until it is dropped.
    cluster: Option<T>,
    spoilt: AtomicBool,
    pool: Arc<ClusterPool<T>>,
    _permit: OwnedSemaphorePermit,
}

impl<T> PooledCluster<T> {
    /// Marks it as not to be used again: its state is unknown.
    pub fn spoil(&self) {
        self.spoilt.store(true, Ordering::Relaxed);
    }
}

impl<T> Deref for PooledCluster<T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "taken out in drop only")]
    fn deref(&self) -> &T {
        self.cluster.as_ref().expect("a pooled cluster is there until it is dropped")
    }
}

impl<T> Drop for PooledCluster<T> {
    fn drop(&mut self) {
        let spoilt = self.spoilt.load(Ordering::Relaxed) || std::thread::panicking();
        if let Some(cluster) = self.cluster.take().filter(|_| !spoilt) {
            lock(&self.pool.idle).push(cluster);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cluster_is_used_again_unless_it_is_spoilt() {
        let pool = Arc::new(ClusterPool::new(1));
        let take = async |number: u32| pool.take(async || Ok(number)).await.unwrap();
        assert_eq!(*take(1).await, 1);
        assert_eq!(*take(2).await, 1);
        take(3).await.spoil();
        assert_eq!(*take(4).await, 4);
    }

    #[test]
    fn the_shared_pool_ends_with_its_last_user() {
        static POOL: SharedPool<u32> = SharedPool::new();
        let first = POOL.get(|| 1);
        assert_eq!(*POOL.get(|| 2), 1);
        drop(first);
        assert_eq!(*POOL.get(|| 3), 3);
    }
}
