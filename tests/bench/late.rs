//! Row 6: Prometheus answers three seconds late and knows new sizes three seconds late, while resizes finish.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use autopilot_stack::{Action, Behaviour, CsiDriver, FaultProxy, Match, wait_for};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::sleep;

use super::real::{ClaimName, LOOKBACK, Site};
use crate::table::Row;

const CLAIMS: usize = 250;
const NAMESPACES: usize = 10;
/// The delay of Prometheus' answers, and of its data after a resize.
const LATE: Duration = Duration::from_secs(3);
/// The duration of a resize.
const RESIZE: Duration = Duration::from_secs(2);
/// Until all have been resized once.
const LIMIT: Duration = Duration::from_secs(180);
/// The time it is looked on after that: thirty passes with fresh data.
const AFTER: Duration = Duration::from_secs(30);

/// Measures it.
pub(crate) async fn measure() -> Result<Vec<Row>> {
    let mut site = Site::start(Duration::from_secs(1)).await?;
    let csi = CsiDriver::start(&site.cluster).await?;
    csi.set_default(Behaviour::Slow(RESIZE));
    for i in 0..NAMESPACES {
        site.cluster.namespace(&format!("late-{i}"), &[]).await?;
    }
    let claims: Vec<ClaimName> = (0..CLAIMS)
        .map(|i| ClaimName { namespace: format!("late-{}", i % NAMESPACES), name: format!("data-{i:03}") })
        .collect();
    stream::iter(&claims)
        .map(|claim| csi.provision(&claim.namespace, &claim.name, "10Gi", &[], "fast"))
        .buffer_unordered(16)
        .try_collect::<Vec<String>>()
        .await?;
    site.fill(&claims, 1.0, 10.0);
    let proxy = FaultProxy::to_plain(site.prometheus.url())?;
    proxy.rule(Match::any().path("/api/v1/query"), Action::Delay(LATE));
    sleep(Duration::from_secs(LOOKBACK + 1)).await;
    // Every pause that could hide a second resize is as short as it can be.
    site.rule("late", 1, &json!({ "actionsCoolDownPeriod": 1 })).await?;
    site.control(&proxy.url(), "min_poll_interval: 1\n").await?;
    site.until_known("late", CLAIMS, Duration::from_secs(60)).await?;
    site.fill(&claims, 9.0, 10.0);
    let mut shown = 0;
    wait_for("all claims to be resized", LIMIT, || {
        shown = show(&site, &csi, shown);
        let resized: BTreeSet<String> =
            csi.resizes().into_iter().map(|r| r.namespace + "/" + &r.name).collect();
        async move { Ok((resized.len() == CLAIMS).then_some(())) }
    })
    .await
    .with_context(|| site.log())?;
    let end = tokio::time::Instant::now() + AFTER;
    while tokio::time::Instant::now() < end {
        shown = show(&site, &csi, shown);
        sleep(Duration::from_millis(100)).await;
    }
    let twice = claims.iter().filter(|claim| csi.requests(&claim.namespace, &claim.name).len() > 2).count();
    Ok(vec![Row {
        number: 6,
        what: format!("Prometheus 3 s late while resizes finish, {CLAIMS} claims: resized twice"),
        figure: twice.to_string(),
        target: "0".to_owned(),
        met: twice == 0,
        note: format!(
            "real servers; every answer comes {} s late, and the new capacity is exported {} s after a resize that takes \
             {} s; passes every second, cool-down 1 s, 'for: 0'; all were resized, then looked at for {} s.",
            LATE.as_secs(),
            LATE.as_secs(),
            RESIZE.as_secs(),
            AFTER.as_secs()
        ),
    }])
}

/// Exports the new capacity of what was resized long enough ago; `from` are those of before. Returns how many are shown.
fn show(site: &Site, csi: &CsiDriver, from: usize) -> usize {
    let resizes = csi.resizes();
    let late = Timestamp::now() - LATE;
    let mut shown = from;
    for resize in resizes.iter().skip(from).take_while(|resize| resize.at <= late) {
        let bytes = autopilot_stack::quantity::bytes(&resize.to).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "a size in GiB")]
        let capacity = (bytes >> 30) as f64;
        let claim = ClaimName { namespace: resize.namespace.clone(), name: resize.name.clone() };
        site.fill(&[claim], 9.0, capacity);
        shown += 1;
    }
    shown
}
