//! What it costs: requests at rest, a thousand questions at once, a restart with a thousand open. The benchmarks
//! print the same figures.

use jiff::SignedDuration;

pub(crate) use crate::fake_forge::Counts;
use crate::scene::{ForgeScene, settings};

/// What was counted.
#[derive(Debug)]
pub(crate) struct Spent {
    /// On the forge.
    pub forge: Counts,
    /// Writes to the cluster.
    pub cluster: usize,
    /// Pull requests that there are.
    pub pulls: usize,
}

/// How a storm went.
#[derive(Debug)]
pub(crate) struct Storm {
    /// Pull requests that were opened, in all.
    pub opened: usize,
    /// Most that were open at once.
    pub most: usize,
    /// Answers that were a limit.
    pub limited: u32,
    /// Whether the most urgent came first.
    pub in_order: bool,
    /// How long it took.
    pub hours: usize,
}

fn full(count: usize) -> ForgeScene {
    let mut settings = settings();
    settings.max_open = 2_000;
    let mut scene = ForgeScene::with(settings);
    for i in 0..count {
        scene.propose(&format!("a{i:04}"));
    }
    // As fast as the limits allow.
    scene.run(SignedDuration::from_hours(count as i64 * 6 / 350 + 1));
    assert_eq!(scene.forge.open_pulls().len(), count);
    scene.minute();
    scene
}

fn spent(scene: &mut ForgeScene, during: impl FnOnce(&mut ForgeScene)) -> Spent {
    scene.forge.state().counts = Counts::default();
    let before = scene.cluster.state().writes;
    during(scene);
    let forge = scene.forge.state().counts.clone();
    let cluster = scene.cluster.state().writes - before;
    Spent { forge, cluster: cluster as usize, pulls: scene.forge.pulls().len() }
}

/// An hour in which nothing happens, with so many open.
pub(crate) fn an_hour_at_rest(count: usize) -> Spent {
    spent(&mut full(count), |scene| scene.run(SignedDuration::from_hours(1)))
}

/// The first minute after a restart, with so many open.
pub(crate) fn restart(count: usize) -> Spent {
    spent(&mut full(count), |scene| {
        scene.restart();
        scene.minute();
    })
}

/// So many fire at once. Every twenty minutes a person closes what is open.
pub(crate) fn all_at_once(count: u32) -> Storm {
    let mut scene = ForgeScene::new();
    // Scattered, so that neither name nor age gives the order away.
    let urgency = |i: u32| 51 + (i * 37) % 1_000;
    for i in 0..count {
        scene.propose_at(&format!("a{i:04}"), &urgency(i).to_string());
    }
    scene.run(SignedDuration::from_mins(2));
    let (mut reviewed, mut rounds, mut most) = (0, 0, 0);
    while reviewed < count && rounds < 600 {
        scene.run(SignedDuration::from_mins(20));
        most = most.max(scene.forge.open_pulls().len());
        for pull in scene.forge.open_pulls() {
            scene.forge.close_by(pull.number, "bob");
            reviewed += 1;
        }
        rounds += 1;
    }
    let opened = scene.forge.pulls();
    let number = |branch: &str| branch.rsplit('a').next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let order: Vec<u32> = opened.iter().map(|pull| urgency(number(&pull.branch))).collect();
    Storm {
        opened: opened.len(),
        most,
        limited: scene.forge.state().counts.limited,
        in_order: order.is_sorted_by(|a, b| a >= b),
        hours: rounds / 3,
    }
}
