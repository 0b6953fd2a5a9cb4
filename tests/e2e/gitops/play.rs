//! Lanes: worlds that the tests take in turn, so that a fault on one GitHub meets one test.

use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use autopilot_stack::ClusterOptions;
use autopilot_tests::gitops::Gitops;
use futures::future::{LocalBoxFuture, join_all};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Outlives the tests: the worlds' clients belong to it.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(Runtime::new);

struct Pool {
    idle: Mutex<Vec<Gitops>>,
    permits: Semaphore,
}

/// Lives as long as a test needs it, so that everything ends with the last one.
static POOL: Mutex<Weak<Pool>> = Mutex::new(Weak::new());

/// How many worlds there are: `AUTOPILOT_LANES`, else 5: most of the time is waiting.
fn lanes() -> usize {
    std::env::var("AUTOPILOT_LANES").ok().and_then(|n| n.parse().ok()).unwrap_or(5).max(1)
}

/// Something that is played in a world.
pub type Scenario = for<'w> fn(&'w Gitops) -> LocalBoxFuture<'w, Result<()>>;

/// Scenarios with their names.
macro_rules! scenarios {
    ($($name:path),+ $(,)?) => {
        vec![$((stringify!($name), {
            fn run(world: &autopilot_tests::gitops::Gitops) -> futures::future::LocalBoxFuture<'_, anyhow::Result<()>> {
                Box::pin($name(world))
            }
            run as $crate::play::Scenario
        })),+]
    };
}
pub(crate) use scenarios;

/// Plays scenarios side by side, as far as there are worlds, and says how each ended.
pub fn play(scenarios: Vec<(&'static str, Scenario)>) -> Result<()> {
    let runtime = RUNTIME.as_ref().map_err(|error| anyhow!("no runtime: {error}"))?;
    let pool = {
        let mut known = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let pool = Arc::new(Pool { idle: Mutex::default(), permits: Semaphore::new(lanes()) });
            *known = Arc::downgrade(&pool);
            pool
        })
    };
    let only = std::env::var("AUTOPILOT_ONLY").unwrap_or_default();
    let played =
        scenarios.into_iter().filter(|(name, _)| name.contains(&only)).map(async |(name, scenario)| {
            let (result, took) = pool.play(scenario).await;
            match &result {
                Ok(()) => println!("{name}: well, after {took:.0?}"),
                Err(error) => println!("\n==== {name}: {error:?}\n"),
            }
            result.err().map(|error| format!("{name}: {error:#}"))
        });
    let failed: Vec<String> = runtime.block_on(join_all(played)).into_iter().flatten().collect();
    ensure!(failed.is_empty(), "failed:\n{}", failed.join("\n"));
    Ok(())
}

impl Pool {
    /// Waits for a free world, and plays in it. One in which something went wrong is not used again.
    async fn play(&self, scenario: Scenario) -> (Result<()>, Duration) {
        let Ok(_permit) = self.permits.acquire().await else {
            return (Err(anyhow!("there are no worlds any more")), Duration::ZERO);
        };
        let began = Instant::now();
        let result = async {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let world = match idle {
                Some(world) => world,
                None => {
                    let options = ClusterOptions { controller_manager: false, ..ClusterOptions::default() };
                    Gitops::start(options).await.context("no world")?
                }
            };
            scenario(&world).await?;
            world.reset().await?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(world);
            Ok(())
        };
        (result.await, began.elapsed())
    }
}
