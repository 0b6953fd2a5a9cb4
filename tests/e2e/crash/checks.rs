//! Invariants that hold at the end of every case, whatever happened on the way.

use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use autopilot_shared::api::AutopilotRuleObjectStatus;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::case::Case;
use super::writes;

/// The transitions of a case as its journal and its events tell them, `A => B`, oldest first.
#[derive(Debug)]
pub(crate) struct Transitions {
    pub(crate) journal: Vec<String>,
    pub(crate) on_rule: Vec<String>,
    pub(crate) on_claim: Vec<String>,
    /// Events about the rule with another reason than `Transition`.
    pub(crate) others: Vec<String>,
}

impl Transitions {
    /// Returns whether each transition of the journal has one event on the rule and one on the PVC, in its order. An
    /// object that becomes Normal from Initializing has no journal, only the events.
    pub(crate) fn each_once(&self) -> bool {
        let first = self.on_rule.first().filter(|t| *t == "Initializing => Normal").into_iter();
        let all: Vec<&String> = first.chain(&self.journal).collect();
        self.on_rule.iter().eq(all.iter().copied()) && self.on_claim.iter().eq(all)
    }
}

impl Case<'_> {
    /// Returns what journal and events tell.
    pub(crate) async fn transitions(&self, journal: &AutopilotRuleObjectStatus) -> Result<Transitions> {
        let about_rule = format!("involvedObject.kind=AutopilotRule,involvedObject.name={}", self.name);
        let about_claim =
            format!("involvedObject.kind=PersistentVolumeClaim,involvedObject.name={}", self.name);
        let mut rule = self.events("default", &about_rule).await?;
        let claim = self.events(&self.name, &about_claim).await?;
        let others = rule.extract_if(.., |e| e.reason.as_deref() != Some("Transition"));
        let others = others.map(|e| e.message.unwrap_or_default()).collect();
        let line = |text: &str| text.split_once(" transition from ").map_or(text, |(_, t)| t).to_owned();
        let lines = |events: Vec<Event>| {
            events.iter().map(|e| line(e.message.as_deref().unwrap_or_default())).collect()
        };
        Ok(Transitions {
            journal: journal.items.iter().map(|i| line(&i.message)).collect(),
            on_rule: lines(rule),
            on_claim: lines(claim),
            others,
        })
    }

    /// Returns events in the order of their names, which is that of time.
    async fn events(&self, namespace: &str, fields: &str) -> Result<Vec<Event>> {
        let api: Api<Event> = Api::namespaced(self.cluster.client.clone(), namespace);
        let mut events = api.list(&ListParams::default().fields(fields)).await?.items;
        events.sort_by_key(ResourceExt::name_any);
        Ok(events)
    }

    /// Checks that the transitions are these, each with one event on the rule and one on the PVC, and how often the PVC
    /// was resized and an approval was created.
    pub(crate) async fn check(&self, expected: &[&str], resizes: usize, approvals: usize) -> Result<()> {
        let look = self.look().await?;
        let transitions = self.transitions(&look.journal).await?;
        // A pass that began just before the first scrape sees the object below its threshold.
        let mut expected = expected.to_vec();
        if expected[0] == "Initializing => Triggered"
            && transitions.journal.first().is_some_and(|t| t == "Normal => Triggered")
        {
            expected.splice(..1, ["Initializing => Normal", "Normal => Triggered"]);
        }
        let mut problems = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                problems.push(what);
            }
        };
        // An object that becomes Normal from Initializing has no journal, only the events.
        let quiet = usize::from(expected.first() == Some(&"Initializing => Normal"));
        must(transitions.journal == expected[quiet..], format!("the journal must say {expected:#?}"));
        must(transitions.on_rule == expected, "events on the rule".to_owned());
        must(transitions.on_claim == expected, "events on the PVC".to_owned());
        must(transitions.others.is_empty(), "no other event about the rule".to_owned());
        must(look.journal.told == look.journal.transitions, "all is told".to_owned());

        let log = self.cluster.proxy.writes();
        let sizes = self.cluster.csi.requests(&self.name, &self.name);
        let patched = writes::resizes(&log);
        must(patched == resizes, format!("{resizes} resizes, not {patched}"));
        let changes = resizes + self.by_hand.load(Ordering::Relaxed);
        must(sizes.len() == changes + 1, format!("{changes} changes of the request, not {sizes:?}"));
        let created =
            log.iter().filter(|w| writes::done(w) && writes::label(w) == "create actionapproval").count();
        must(created == approvals, format!("{approvals} approvals, not {created}"));
        must(self.controllers.all_alive(), "the controllers live".to_owned());
        if problems.is_empty() {
            return Ok(());
        }
        bail!(
            "does not hold: {problems:#?}\nwhat is told: {transitions:#?}\nthe journal: {}",
            serde_json::to_string(&look.journal)?
        )
    }

    /// Checks that the scenario ended in the right order, once: for cases that nothing legitimate can lead astray.
    pub(crate) async fn check_once(&self) -> Result<()> {
        let approvals = usize::from(self.path != super::case::Path::Unasked);
        self.check(&self.path.transitions(), 1, approvals).await
    }

    /// Returns the result, with the end of the log if it is an error.
    pub(crate) fn with_log<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let writes: Vec<String> = self
                .cluster
                .proxy
                .writes()
                .iter()
                .map(|w| {
                    format!(
                        "{:>3} {} {:?}/{:?} {}",
                        w.write.unwrap_or_default(),
                        w.at,
                        w.upstream,
                        w.status,
                        writes::label(w)
                    )
                })
                .collect();
            error.context(format!(
                "the writes:\n{}\nthe log ends:\n{}",
                writes.join("\n"),
                self.controllers.tail(60)
            ))
        })
    }
}
