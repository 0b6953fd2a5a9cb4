//! The controller is killed before and after every write of the story, and every write's answer is lost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, bail};
use autopilot_stack::KillWhen;
use futures::future::{join_all, try_join_all};

use super::case::{Case, Path, Person};
use super::lane::{Keep, Lane, keep, lanes};
use super::writes::label;

/// What happens at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KilledBefore,
    KilledAfter,
    AnswerLost,
}

const FAULTS: [Fault; 3] = [Fault::KilledBefore, Fault::KilledAfter, Fault::AnswerLost];

/// One fault at one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Plan {
    path: Path,
    n: usize,
    fault: Fault,
}

/// The writes of a path without a fault, in their order.
async fn writes_without_fault(lane: &Lane, path: Path) -> Result<Vec<String>> {
    let case = Case::new(lane, path).await?;
    case.controllers.start()?;
    case.rule().await?;
    let result = async {
        case.until_quiet().await?;
        case.check_once().await
    };
    let result = result.await;
    case.with_log(result)?;
    let told = lane.proxy().writes().iter().map(label).collect();
    case.end().await?;
    Ok(told)
}

/// Runs a case; tells which write met the fault, if one did.
async fn run(lane: &Lane, plan: Plan) -> Result<Option<String>> {
    let case = Case::new(lane, plan.path).await?;
    match plan.fault {
        Fault::KilledBefore => drop(case.controllers.restart_at(lane, plan.n, KillWhen::BeforeForward)),
        Fault::KilledAfter => drop(case.controllers.restart_at(lane, plan.n, KillWhen::AfterForward)),
        Fault::AnswerLost => drop(lane.proxy().drop_answer_at(plan.n)),
    }
    if plan.path != Path::Unasked {
        case.person(Person::Quick);
    }
    case.controllers.start()?;
    case.rule().await?;
    let result = async {
        case.until_quiet().await?;
        case.check_once().await
    };
    let result = result.await;
    let met = || lane.proxy().writes().iter().find(|w| w.write == Some(plan.n)).map(label);
    if let Err(error) = case.with_log(result) {
        let met = met();
        case.abandon().await;
        return Err(error.context(format!("at {met:?}")));
    }
    // The last writes are those that let the rule go.
    case.end().await?;
    Ok(met())
}

/// Runs plans on one lane after the other, until none is left.
async fn work(lanes: &Keep, plans: &Mutex<VecDeque<Plan>>) -> Vec<(Plan, Result<Option<String>>)> {
    let next = || plans.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let mut found = Vec::new();
    while let Some(plan) = next() {
        let result = match lanes.lane().await {
            Ok(lane) => run(&lane, plan).await,
            Err(error) => Err(error.context("no lane")),
        };
        if let Err(error) = &result {
            println!("\n==== FAILED {:?}, write {}, {:?}: {error:#}", plan.path, plan.n, plan.fault);
        }
        found.push((plan, result));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn one_resize_and_one_event_each_with_a_fault_at_every_write() -> Result<()> {
    let began = Instant::now();
    let pool = keep();
    let dry = [Path::Approved, Path::Grows, Path::Unasked].map(async |path| {
        let lane = pool.lane().await?;
        anyhow::Ok((path, writes_without_fault(&lane, path).await?))
    });
    let stories: BTreeMap<Path, Vec<String>> = try_join_all(dry).await?.into_iter().collect();
    let mut plans = VecDeque::new();
    for (path, writes) in &stories {
        println!("{path:?}: {} writes without a fault", writes.len());
        for (n, write) in (1..).zip(writes) {
            println!("  {n:>2} {write}");
        }
        // The path that only begins differently is of interest up to where it joins the other.
        let joined = writes.iter().position(|w| w == "create autopilotruleobject").unwrap_or(writes.len());
        let last = if *path == Path::Grows { joined } else { writes.len() };
        let all = (1..=last + 2).flat_map(|n| FAULTS.map(|fault| Plan { path: *path, n, fault }));
        plans.extend(all.filter(wanted));
    }
    let number = plans.len();
    println!("{number} cases on {} lanes, dry runs took {:.0?}", lanes(), began.elapsed());

    let plans = Mutex::new(plans);
    let found = join_all((0..lanes()).map(|_| work(&pool, &plans))).await.into_iter().flatten();
    let mut hit: BTreeMap<(Path, String), BTreeSet<Fault>> = BTreeMap::new();
    let mut failed = Vec::new();
    for (plan, result) in found {
        match result {
            Ok(Some(write)) => drop(hit.entry((plan.path, write)).or_default().insert(plan.fault)),
            Ok(None) => {}
            Err(_) => failed.push(plan),
        }
    }
    let missed: Vec<String> = stories
        .iter()
        .filter(|(path, _)| **path != Path::Grows)
        .flat_map(|(path, writes)| writes.iter().map(|w| (*path, w.clone())))
        .filter_map(|key| {
            let faults = hit.get(&key).cloned().unwrap_or_default();
            let missing: Vec<Fault> = FAULTS.into_iter().filter(|f| !faults.contains(f)).collect();
            (!missing.is_empty()).then(|| format!("{:?} {}: {missing:?}", key.0, key.1))
        })
        .collect();
    println!("{number} cases took {:.0?}, {} failed", began.elapsed(), failed.len());
    println!("writes that changed places with another and met not every fault: {missed:#?}");
    if !failed.is_empty() {
        let names: Vec<String> =
            failed.iter().map(|p| format!("{:?} {} {:?}", p.path, p.n, p.fault)).collect();
        bail!("{} of {number} cases failed: {names:#?}", failed.len());
    }
    Ok(())
}

/// `AUTOPILOT_CRASH=Approved:7` runs the cases at one write only.
fn wanted(plan: &Plan) -> bool {
    match std::env::var("AUTOPILOT_CRASH") {
        Ok(only) => only == format!("{:?}:{}", plan.path, plan.n),
        Err(_) => true,
    }
}
