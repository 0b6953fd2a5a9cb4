//! Row 4: a hundred claims of ten thousand cross the threshold at once, on real servers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use autopilot_tests::objects::requested_size;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::progress::progress;
use super::real::{ClaimName, KEY, LOOKBACK, Observer, Site};
use crate::table::{Row, p50_p99};

const CLAIMS: usize = 10_000;
const AT_ONCE: usize = 100;
/// Seconds between two passes: the rule's default.
const INTERVAL: u64 = 10;
const SCRAPE: Duration = Duration::from_secs(2);
/// Each begins at another phase of the interval, so that the waiting for the next pass is spread.
const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_secs(60);

/// Measures it.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let mut site = Site::start(SCRAPE).await?;
    let began = Instant::now();
    let claims = site.claims(CLAIMS, 100).await?;
    progress(&format!("{CLAIMS} claims made in {:.0} s", began.elapsed().as_secs_f64()));
    sleep(Duration::from_secs(LOOKBACK + 1)).await;
    site.rule("crossing", INTERVAL, &json!({})).await?;
    let metrics = site.prometheus.url().to_owned();
    site.control(&metrics, "").await?;
    site.until_known("crossing", CLAIMS, Duration::from_secs(120)).await?;
    let mut patches = site.observe::<PersistentVolumeClaim>().await?;
    let mut waits = Vec::new();
    for round in 0..ROUNDS {
        // One claim in every namespace, and others than in the rounds before.
        let crossing = claims.iter().skip(round).step_by(CLAIMS / AT_ONCE - 1).take(AT_ONCE);
        let crossing: Vec<ClaimName> = crossing.cloned().collect();
        phase(round).await;
        site.fill(&crossing, 9.0, 10.0);
        let seen = tokio::time::timeout(ROUND, cross(&site, &crossing, &mut patches)).await;
        let round_waits =
            seen.with_context(|| format!("round {round}: not all were patched; {}", site.log()))??;
        let (median, worst) = p50_p99(round_waits.clone());
        progress(&format!("round {round}: median {median:.2} s, p99 {worst:.2} s"));
        waits.extend(round_waits);
    }
    let (median, worst) = p50_p99(waits);
    let target = INTERVAL as f64 + 1.0;
    Ok(vec![Row {
        number: 4,
        what: format!(
            "{AT_ONCE} of {}k claims cross at once: visible in Prometheus -> patched",
            CLAIMS / 1000
        ),
        figure: format!("p50 {median:.2} s, p99 {worst:.2} s"),
        target: format!("p99 <= {target:.0} s (interval + 1 s)"),
        met: worst <= target,
        note: format!(
            "real servers; interval {INTERVAL} s, 'for: 0', no enforcement, scrape every {} s; {ROUNDS} rounds of \
             {AT_ONCE} claims, begun at different phases of the interval.",
            SCRAPE.as_secs()
        ),
    }])
}

/// Waits for the phase of a round: passes begin at whole intervals since the epoch.
async fn phase(round: usize) {
    let interval = INTERVAL * 1000;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let now = u64::try_from(now).unwrap_or_default() % interval;
    let wanted = interval * round as u64 / ROUNDS as u64 + 100;
    sleep(Duration::from_millis((wanted + interval - now) % interval)).await;
}

/// Returns the seconds from the moment at which Prometheus answers the crossing to the moment at which the watch shows
/// the new size.
async fn cross(
    site: &Site,
    claims: &[ClaimName],
    patches: &mut Observer<PersistentVolumeClaim>,
) -> Result<Vec<f64>> {
    let wanted: BTreeSet<&ClaimName> = claims.iter().collect();
    let mut visible: BTreeMap<ClaimName, Instant> = BTreeMap::new();
    let mut patched: BTreeMap<ClaimName, Instant> = BTreeMap::new();
    let mut look = tokio::time::interval(Duration::from_millis(100));
    while patched.len() < wanted.len() || visible.len() < wanted.len() {
        tokio::select! {
            _ = look.tick(), if visible.len() < wanted.len() => {
                let samples = site.prometheus.query(&format!("{KEY} > 80")).await?;
                let now = Instant::now();
                for claim in samples.iter().filter_map(claim_of).filter(|claim| wanted.contains(claim)) {
                    visible.entry(claim).or_insert(now);
                }
            }
            change = patches.next() => {
                let (at, claim) = change?;
                let name = ClaimName::of(&claim);
                if wanted.contains(&name) && requested_size(&claim) != Some("10Gi") {
                    patched.entry(name).or_insert(at);
                }
            }
        }
    }
    let waits: Vec<f64> = patched
        .iter()
        .filter_map(|(claim, at)| Some(at.saturating_duration_since(*visible.get(claim)?).as_secs_f64()))
        .collect();
    if waits.len() != wanted.len() {
        bail!("{} of {} were both seen and patched", waits.len(), wanted.len());
    }
    Ok(waits)
}

fn claim_of(sample: &Value) -> Option<ClaimName> {
    let label = |name: &str| sample["metric"][name].as_str().map(str::to_owned);
    Some(ClaimName { namespace: label("namespace")?, name: label("persistentvolumeclaim")? })
}
