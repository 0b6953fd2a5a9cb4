//! The controller is killed before and after every write of the scenario, and every write's answer is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Result, ensure};
use autopilot_stack::{Action, KillWhen, Match, lock};
use futures::future::{join_all, try_join_all};

use super::case::{Case, Path, Person};
use super::cluster::{CaseCluster, Clusters, clusters, pool_size};
use super::writes::{label, labelled};

/// A fault at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KilledBefore,
    KilledAfter,
    AnswerLost,
}

const FAULTS: [Fault; 3] = [Fault::KilledBefore, Fault::KilledAfter, Fault::AnswerLost];

/// The write that meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    /// By number, whatever it says.
    Write(usize),
    /// The first that says this, whatever its number: writes to different objects may change places.
    Step(String),
}

/// One fault at one write.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    path: Path,
    at: At,
    fault: Fault,
}

/// Returns the writes of a path without a fault, in their order.
async fn writes_without_fault(cluster: &CaseCluster, path: Path) -> Result<Vec<String>> {
    let case = Case::new(cluster, path).await?;
    case.controllers.start()?;
    let result = see(&case).await;
    case.with_log(result)?;
    let told = cluster.proxy.writes().iter().map(label).collect();
    case.end().await?;
    Ok(told)
}

async fn see(case: &Case<'_>) -> Result<()> {
    case.rule().await?;
    case.until_quiet().await?;
    case.check_once().await
}

/// Runs a case; tells what the write said that met the fault, if one did.
async fn run(cluster: &CaseCluster, plan: &Plan) -> Result<Option<String>> {
    let case = Case::new(cluster, plan.path).await?;
    let request = match &plan.at {
        At::Write(n) => Match::writes().write(*n),
        At::Step(step) => labelled(step),
    };
    match plan.fault {
        Fault::KilledBefore => {
            drop(case.controllers.restart_on(&cluster.proxy, request, KillWhen::BeforeForward))
        }
        Fault::KilledAfter => {
            drop(case.controllers.restart_on(&cluster.proxy, request, KillWhen::AfterForward))
        }
        Fault::AnswerLost => {
            cluster.proxy.rule(request.times(1), Action::DropAnswer);
        }
    }
    if plan.path != Path::Unasked {
        case.person(Person::Quick);
    }
    case.controllers.start()?;
    let result = see(&case).await;
    // Nothing else is left without an answer on a server that is well.
    let met = || cluster.proxy.writes().iter().find(|w| w.status.is_none()).map(label);
    if let Err(error) = case.with_log(result) {
        let met = met();
        case.abandon().await;
        return Err(error.context(format!("at {met:?}")));
    }
    // The last writes are those that let the rule go.
    case.end().await?;
    Ok(met())
}

/// Runs plans on one cluster after the other, until none is left.
async fn work(clusters: &Clusters, plans: &Mutex<VecDeque<Plan>>) -> Vec<(Plan, Result<Option<String>>)> {
    let next = || lock(plans).pop_front();
    let mut found = Vec::new();
    while let Some(plan) = next() {
        let result = match clusters.take().await {
            Ok(cluster) => run(&cluster, &plan).await,
            Err(error) => Err(error.context("no cluster")),
        };
        if let Err(error) = &result {
            println!("\n==== FAILED {plan:?}: {error:#}");
        }
        found.push((plan, result));
    }
    found
}

/// Which faults met which steps, and which cases failed.
#[derive(Default)]
struct Tally {
    cases: usize,
    met: BTreeMap<(Path, String), BTreeSet<Fault>>,
    failed: Vec<Plan>,
}

impl Tally {
    async fn run(&mut self, pool: &Clusters, plans: Vec<Plan>) {
        self.cases += plans.len();
        let plans = Mutex::new(VecDeque::from(plans));
        let found = join_all((0..pool_size()).map(|_| work(pool, &plans))).await;
        for (plan, result) in found.into_iter().flatten() {
            match result {
                Ok(Some(step)) => drop(self.met.entry((plan.path, step)).or_default().insert(plan.fault)),
                Ok(None) => {}
                Err(_) => self.failed.push(plan),
            }
        }
    }

    /// Returns the steps that have not met every fault.
    fn missing(&self, scenarios: &BTreeMap<Path, Vec<String>>) -> Vec<Plan> {
        let steps = scenarios.iter().flat_map(|(path, steps)| steps.iter().map(|step| (*path, step.clone())));
        let steps: BTreeSet<(Path, String)> = steps.collect();
        let unmet =
            |key: &(Path, String), fault: &Fault| !self.met.get(key).is_some_and(|f| f.contains(fault));
        steps
            .into_iter()
            .flat_map(|key| FAULTS.map(|fault| (key.clone(), fault)))
            .filter(|(key, fault)| unmet(key, fault))
            .map(|((path, step), fault)| Plan { path, at: At::Step(step), fault })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_resize_and_one_event_each_with_a_fault_at_every_write() -> Result<()> {
    let began = Instant::now();
    let pool = clusters();
    let dry = [Path::Approved, Path::Grows, Path::Unasked].map(async |path| {
        let cluster = pool.take().await?;
        anyhow::Ok((path, writes_without_fault(&cluster, path).await?))
    });
    let mut scenarios: BTreeMap<Path, Vec<String>> = try_join_all(dry).await?.into_iter().collect();
    let mut plans = Vec::new();
    for (path, steps) in &mut scenarios {
        println!("{path:?}: {} writes without a fault", steps.len());
        for (n, step) in (1..).zip(&*steps) {
            println!("  {n:>2} {step}");
        }
        if *path == Path::Grows {
            // It only begins differently, and is of interest up to where it joins the other.
            steps.truncate(
                steps.iter().position(|s| s == "create autopilotruleobject").unwrap_or(steps.len()),
            );
        }
        // The two more are those that let the deleted rule go.
        let all = (1..=steps.len() + 2).flat_map(|n| FAULTS.map(|fault| (At::Write(n), fault)));
        plans.extend(all.map(|(at, fault)| Plan { path: *path, at, fault }));
    }
    println!("{} cases on {} clusters, dry runs took {:.0?}", plans.len(), pool_size(), began.elapsed());

    let mut tally = Tally::default();
    tally.run(&pool, plans).await;
    let missing = tally.missing(&scenarios);
    println!("{} cases more for steps that changed places with another", missing.len());
    tally.run(&pool, missing).await;
    println!("{} cases took {:.0?}, {} failed", tally.cases, began.elapsed(), tally.failed.len());
    println!("steps that did not come by a second time: {:#?}", tally.missing(&scenarios));
    ensure!(
        tally.failed.is_empty(),
        "{} of {} cases failed: {:#?}",
        tally.failed.len(),
        tally.cases,
        tally.failed
    );
    Ok(())
}
