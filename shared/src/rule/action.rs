//! The action of a rule: `openstorage.io.action.<object type>/<verb>` and its parameters.

use std::collections::BTreeMap;

use super::problem::{RuleProblem, problem};
use crate::api::RuleAction;
use crate::quantity::{Size, parse_maxsize};

const PREFIX: &str = "openstorage.io.action.";
/// Growth in percent if a rule gives none. Source: the original's reference.
const DEFAULT_PERCENT: u32 = 50;

/// A parsed action.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Grows the PVC.
    ResizeVolume {
        /// By this share of its size, in percent; at least 1.
        percent: u32,
        /// Never above this size. `None` for no limit.
        max: Option<Size>,
        /// As the rule spells them.
        params: Option<BTreeMap<String, String>>,
    },
    /// Grows or rebalances a storage pool: parsed, but there is no storage provider to do it.
    Pool {
        /// Which of the two.
        verb: PoolVerb,
    },
}

/// An action on a storage pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolVerb {
    /// Adds room.
    Expand,
    /// Spreads volumes.
    Rebalance,
}

impl Action {
    /// Returns the part after the slash, as approvals carry it.
    pub fn short_name(&self) -> &'static str {
        match self {
            Action::ResizeVolume { .. } => "resize",
            Action::Pool { verb: PoolVerb::Expand } => "expand",
            Action::Pool { verb: PoolVerb::Rebalance } => "rebalance",
        }
    }

    /// Returns the parameters as they go into an approval. `None` if the rule has none.
    pub fn params(&self) -> Option<&BTreeMap<String, String>> {
        match self {
            Action::ResizeVolume { params, .. } => params.as_ref(),
            Action::Pool { .. } => None,
        }
    }

    pub(super) fn parse(raw: &RuleAction) -> Result<Self, Vec<RuleProblem>> {
        let empty = BTreeMap::new();
        let params = raw.params.as_ref().unwrap_or(&empty);
        let mut wrong = Vec::new();
        let action = match raw.name.strip_prefix(PREFIX) {
            Some("volume/resize") => {
                known(params, &["scalepercentage", "maxsize"], "volume/resize", &mut wrong);
                let percent = percent(params, &mut wrong);
                let max = params.get("maxsize").and_then(|text| {
                    parse_maxsize(text).map_err(|e| wrong.push(param("maxsize", e.to_string()))).ok()
                });
                Action::ResizeVolume { percent, max, params: raw.params.clone() }
            }
            Some("storagepool/expand") => {
                known(
                    params,
                    &["scalepercentage", "scalesize", "scaletype", "dontWaitForCleanVolumes"],
                    "storagepool/expand",
                    &mut wrong,
                );
                percent(params, &mut wrong);
                if params.contains_key("scalepercentage") && params.contains_key("scalesize") {
                    wrong.push(param(
                        "scalesize",
                        "cannot be combined with scalepercentage; give one of them",
                    ));
                }
                if let Some(Err(e)) = params.get("scalesize").map(|text| parse_maxsize(text)) {
                    wrong.push(param("scalesize", format!("{e}; give a quantity such as 100Gi")));
                }
                if let Some(kind) = params.get("scaletype")
                    && !["add-disk", "resize-disk", "add-drive", "resize-drive", "auto"]
                        .contains(&kind.as_str())
                {
                    wrong.push(param(
                        "scaletype",
                        format!(
                            "{kind:?} is unknown; use add-disk, resize-disk, add-drive, resize-drive or auto"
                        ),
                    ));
                }
                Action::Pool { verb: PoolVerb::Expand }
            }
            Some("storagepool/rebalance") => Action::Pool { verb: PoolVerb::Rebalance },
            _ => {
                return Err(vec![problem(
                    "spec.actions[0].name",
                    format!(
                        "{:?} is unknown; use {PREFIX}volume/resize, {PREFIX}storagepool/expand or \
                         {PREFIX}storagepool/rebalance",
                        raw.name
                    ),
                )]);
            }
        };
        if wrong.is_empty() { Ok(action) } else { Err(wrong) }
    }
}

fn param(name: &str, text: impl Into<String>) -> RuleProblem {
    problem(format!("spec.actions[0].params.{name}"), text)
}

/// Refuses parameters that are not known: a `maxSize` that nobody reads would be growth without end.
fn known(params: &BTreeMap<String, String>, names: &[&str], action: &str, wrong: &mut Vec<RuleProblem>) {
    for name in params.keys().filter(|name| !names.contains(&name.as_str())) {
        wrong.push(param(name, format!("{action} does not know it; use {}", names.join(", "))));
    }
}

fn percent(params: &BTreeMap<String, String>, wrong: &mut Vec<RuleProblem>) -> u32 {
    let Some(text) = params.get("scalepercentage") else {
        return DEFAULT_PERCENT;
    };
    match text.trim().parse::<u32>() {
        Ok(percent) if percent > 0 => percent,
        _ => {
            wrong.push(param(
                "scalepercentage",
                format!("{text:?} is no whole number above 0; give for instance 50"),
            ));
            DEFAULT_PERCENT
        }
    }
}
