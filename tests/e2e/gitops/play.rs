//! Plays scenarios side by side. Each has a scene of its own, so that a fault on one GitHub meets one test.

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use autopilot_stack::ClusterOptions;
use autopilot_tests::gitops::GitOpsScene;
use autopilot_tests::{ClusterPool, SharedPool};
use futures::future::{LocalBoxFuture, join_all};
use tokio::runtime::Runtime;

/// Most of the time is waiting: several scenes cost little more than one.
const SCENES: usize = 5;

/// Outlives the tests: the scenes' clients belong to it.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(Runtime::new);

static POOL: SharedPool<ClusterPool<GitOpsScene>> = SharedPool::new();

/// A function that plays in a scene.
pub(crate) type Scenario = for<'g> fn(&'g GitOpsScene) -> LocalBoxFuture<'g, Result<()>>;

/// A scenario and its name.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) scenario: Scenario,
}

/// Lists scenarios with their names.
macro_rules! scenarios {
    ($($name:path),+ $(,)?) => {
        vec![$($crate::play::Named {
            name: stringify!($name),
            scenario: {
                fn run(
                    gitops: &autopilot_tests::gitops::GitOpsScene,
                ) -> futures::future::LocalBoxFuture<'_, anyhow::Result<()>> {
                    Box::pin($name(gitops))
                }
                run
            },
        }),+]
    };
}
pub(crate) use scenarios;

/// Plays scenarios side by side, as far as there are scenes, and prints how each ended.
pub(crate) fn play(scenarios: Vec<Named>) -> Result<()> {
    let runtime = RUNTIME.as_ref().map_err(|error| anyhow!("no runtime: {error}"))?;
    let pool = POOL.get(|| ClusterPool::new(ClusterPool::<GitOpsScene>::size(SCENES)));
    let only = std::env::var("AUTOPILOT_ONLY").unwrap_or_default();
    let played =
        scenarios.into_iter().filter(|s| s.name.contains(&only)).map(async |Named { name, scenario }| {
            let (result, took) = play_one(&pool, scenario).await;
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

/// Plays a scenario in a free scene. Returns how that ended and how long it took. A scene in which something went wrong
/// is not used again.
async fn play_one(pool: &Arc<ClusterPool<GitOpsScene>>, scenario: Scenario) -> (Result<()>, Duration) {
    let start = async || {
        let options = ClusterOptions::without_binder();
        GitOpsScene::start(options).await
    };
    let scene = match pool.take(start).await.context("no scene") {
        Ok(scene) => scene,
        Err(error) => return (Err(error), Duration::ZERO),
    };
    let began = Instant::now();
    let result = async {
        scenario(&scene).await?;
        scene.reset().await
    };
    let result = result.await;
    if result.is_err() {
        scene.spoil();
    }
    (result, began.elapsed())
}
