//! Row 5: from the moment that an approval is seen to the moment that its claim is patched, on real servers.

use std::time::Duration;

use anyhow::{Context as _, Result};
use autopilot_shared::RuleState;
use autopilot_shared::api::{ActionApproval, AutopilotRuleObject};
use autopilot_shared::names;
use autopilot_stack::wait_for;
use autopilot_tests::objects::requested_size;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::real::{ClaimName, LOOKBACK, Observer, Site};
use crate::table::{Row, p50_p99};

const CLAIMS: usize = 100;
const RULE: &str = "approved";
const INTERVAL: u64 = 5;
/// One approval, from the patch to the resize.
const STEP: Duration = Duration::from_secs(20);
/// Plain patches whose round trip is measured.
const TRIPS: usize = 200;

/// Measures it.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let mut site = Site::start(Duration::from_secs(1)).await?;
    let claims = site.claims(CLAIMS + 1, 10).await?;
    let (extra, claims) = claims.split_last().context("no claims")?;
    sleep(Duration::from_secs(LOOKBACK + 1)).await;
    site.fill(claims, 9.0, 10.0);
    site.rule(RULE, INTERVAL, &json!({ "enforcement": "approvalRequired" })).await?;
    let metrics = site.prometheus.url().to_owned();
    site.control(&metrics, "").await?;
    until_asked(&site).await.with_context(|| site.log())?;
    let (trip, slow_trip) = p50_p99(round_trips(&site, extra).await?);
    let mut approvals = site.observe::<ActionApproval>().await?;
    let mut patches = site.observe::<PersistentVolumeClaim>().await?;
    let mut waits = Vec::new();
    for claim in claims {
        let one = approve(&site, claim, &mut approvals, &mut patches);
        let wait = tokio::time::timeout(STEP, one).await;
        waits.push(wait.with_context(|| format!("{claim:?} was approved and not patched; {}", site.log()))??);
        // The writes that follow a resize must not delay the next one.
        sleep(Duration::from_millis(100)).await;
    }
    let (median, worst) = p50_p99(waits);
    let target = 50.0 + 2.0 * trip;
    Ok(vec![Row {
        number: 5,
        what: "'approved' seen -> PVC patched".to_owned(),
        figure: format!("p50 {median:.1} ms, p99 {worst:.1} ms"),
        target: format!("p99 <= {target:.1} ms (50 ms + 2 round trips)"),
        met: worst <= target,
        note: format!(
            "real servers; {CLAIMS} approvals by merge patch, one after another, from watch event to watch event; a \
             round trip is the median of {TRIPS} plain patches of a PVC: {trip:.1} ms (p99 {slow_trip:.1} ms)."
        ),
    }])
}

/// Waits until every claim has an approval that its journal knows.
async fn until_asked(site: &Site) -> Result<()> {
    let journals: Api<AutopilotRuleObject> = Api::all(site.client.clone());
    wait_for("all approvals to be asked for", Duration::from_secs(120), async || {
        let all = journals.list(&ListParams::default()).await?;
        let awaiting = all.iter().filter(|journal| {
            let state = journal.status.as_ref().and_then(|status| status.state);
            state == Some(RuleState::ActionAwaitingApproval)
        });
        let awaiting = awaiting.count();
        anyhow::ensure!(awaiting == CLAIMS, "{awaiting} of {CLAIMS} await approval");
        Ok(Some(()))
    })
    .await
}

/// Returns the milliseconds that plain patches take.
async fn round_trips(site: &Site, claim: &ClaimName) -> Result<Vec<f64>> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(site.client.clone(), &claim.namespace);
    let mut trips = Vec::new();
    for i in 0..TRIPS {
        let patch: Value = json!({ "metadata": { "annotations": { "bench": i.to_string() } } });
        let began = Instant::now();
        api.patch(&claim.name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        trips.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(trips)
}

/// Approves as `kubectl patch` does. Milliseconds from watch event to watch event.
async fn approve(
    site: &Site,
    claim: &ClaimName,
    approvals: &mut Observer<ActionApproval>,
    patches: &mut Observer<PersistentVolumeClaim>,
) -> Result<f64> {
    let name = names::approval_name(RULE, &claim.volume());
    let api: Api<ActionApproval> = Api::namespaced(site.client.clone(), &claim.namespace);
    let patch: Value = json!({ "spec": { "approvalState": "approved" } });
    api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    let seen = loop {
        let (at, approval) = approvals.next().await?;
        let state = serde_json::to_value(&approval.spec)?;
        if approval.name_any() == name && state["approvalState"] == "approved" {
            break at;
        }
    };
    loop {
        let (at, pvc) = patches.next().await?;
        if ClaimName::of(&pvc) == *claim && requested_size(&pvc) != Some("10Gi") {
            return Ok(at.saturating_duration_since(seen).as_secs_f64() * 1000.0);
        }
    }
}
