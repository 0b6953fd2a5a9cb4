//! Everything that rules and journals say, in two requests: many cases are watched at once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use autopilot_shared::RuleState;
use autopilot_shared::api::{
    AutopilotRule, AutopilotRuleObject, AutopilotRuleObjectStatus, AutopilotRuleStatus,
};
use autopilot_stack::fetch::form_value;
use autopilot_stack::{FaultProxy, Recorded};
use autopilot_tests::Scene;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

/// Returns the statuses of all rules, by name.
pub(crate) async fn rules(scene: &Scene) -> Result<BTreeMap<String, AutopilotRuleStatus>> {
    let list = Api::<AutopilotRule>::all(scene.client.clone()).list(&ListParams::default()).await?;
    Ok(list.items.into_iter().map(|r| (r.name_any(), r.status.unwrap_or_default())).collect())
}

/// A rule's condition `DataAvailable`. Empty if the rule has none.
#[derive(Default)]
pub(crate) struct DataAvailable<'a> {
    pub(crate) status: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// Returns a rule's condition `DataAvailable`.
pub(crate) fn data(status: &AutopilotRuleStatus) -> DataAvailable<'_> {
    let found = status.conditions.iter().find(|c| c.type_ == "DataAvailable");
    found.map_or_else(DataAvailable::default, |c| DataAvailable {
        status: &c.status,
        reason: &c.reason,
        message: &c.message,
    })
}

/// Journals by rule and volume.
pub(crate) struct Journals(BTreeMap<(String, String), AutopilotRuleObjectStatus>);

impl Journals {
    /// Reads all journals.
    pub(crate) async fn read(scene: &Scene) -> Result<Self> {
        let list = Api::<AutopilotRuleObject>::all(scene.client.clone()).list(&ListParams::default()).await?;
        let entry = |object: AutopilotRuleObject| {
            let label = |name: &str| object.labels().get(name).cloned().unwrap_or_default();
            ((label("rule"), label("object")), object.status.unwrap_or_default())
        };
        Ok(Journals(list.items.into_iter().map(entry).collect()))
    }

    /// Returns the journal of a pair.
    pub(crate) fn of(&self, rule: &str, volume: &str) -> Option<&AutopilotRuleObjectStatus> {
        self.0.get(&(rule.to_owned(), volume.to_owned()))
    }

    /// Returns the state of a pair.
    pub(crate) fn state(&self, rule: &str, volume: &str) -> Option<RuleState> {
        self.of(rule, volume)?.state
    }
}

/// Waits until every one of many pairs is in its state; says which are not.
pub(crate) async fn until_states(
    scene: &Scene,
    what: &str,
    wanted: &[(String, String, RuleState)],
) -> Result<()> {
    let last = std::sync::Mutex::new(Vec::new());
    let all = scene
        .until(what, async || {
            let journals = Journals::read(scene).await?;
            let missing: Vec<String> = wanted
                .iter()
                .filter(|(rule, volume, state)| journals.state(rule, volume) != Some(*state))
                .map(|(rule, volume, state)| {
                    format!("{rule}:{volume} is {:?}, not {state}", journals.state(rule, volume))
                })
                .collect();
            let done = missing.is_empty().then_some(());
            if let Ok(mut last) = last.lock() {
                *last = missing;
            }
            Ok(done)
        })
        .await;
    all.with_context(|| last.into_inner().unwrap_or_default().join("\n"))
}

fn time(request: &Recorded) -> Option<String> {
    form_value(&String::from_utf8_lossy(&request.body), "time")
}

/// Returns the times of the passes whose questions came through a proxy.
pub(crate) fn passes(proxy: &FaultProxy) -> BTreeSet<String> {
    proxy.requests().iter().filter_map(time).collect()
}

/// Returns how many passes have got no answer from a proxy.
pub(crate) fn unanswered(proxy: &FaultProxy) -> usize {
    let times: BTreeSet<String> =
        proxy.requests().iter().filter(|r| r.status.is_none()).filter_map(time).collect();
    times.len()
}

/// Waits for so many further passes through a proxy.
pub(crate) async fn until_passes(scene: &Scene, proxy: &FaultProxy, more: usize) -> Result<()> {
    let before = passes(proxy).len();
    let what = format!("{more} further passes");
    scene.until(&what, async || Ok((passes(proxy).len() >= before + more).then_some(()))).await
}
