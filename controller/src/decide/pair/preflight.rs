//! Whether a resize may be proposed at all: what is found here would make it fail, be reverted, or break somebody's
//! Kustomization.

use autopilot_shared::quantity::{Format, Grown, Size, grow};
use autopilot_shared::rule::{Action, Rule};

use crate::decide::view::ObjectView;

/// A refusal: a word for machines and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `MaxSizeReached`, `ExpansionNotAllowed`, `QuotaExceeded`, `SizeOwnedByGit`, …
    pub reason: &'static str,
    /// The obstacle and the way out, for people.
    pub message: String,
}

/// The size that a rule would give an object, or why not.
///
/// # Errors
/// The first refusal, in the order in which a person would fix them.
pub fn target(rule: &Rule, object: &ObjectView<'_>) -> Result<Size, Refusal> {
    let refuse = |reason, message| Err(Refusal { reason, message });
    let Action::ResizeVolume { percent, max, .. } = &rule.action else {
        return refuse(
            "NoStorageProvider",
            "no storage provider is configured that could act on pools".to_owned(),
        );
    };
    let to = match grow(object.request, *percent, *max) {
        Grown::To(to) if to.bytes > object.request.bytes => to,
        Grown::To(_) => {
            return refuse(
                "NothingToGrow",
                format!("{percent} % of {} is not a byte more; raise scalepercentage", object.request),
            );
        }
        Grown::AtMaximum => {
            let max = max.map(|m| m.to_string()).unwrap_or_default();
            return refuse(
                "MaxSizeReached",
                format!(
                    "the PVC requests {}, maxsize is {max}; raise maxsize to let it grow",
                    object.request
                ),
            );
        }
    };
    let seen = &object.obstacles;
    match (seen.class, seen.expandable) {
        (Some(_), Some(true)) => {}
        (Some(class), Some(false)) => {
            return refuse(
                "ExpansionNotAllowed",
                format!("StorageClass {class} has no allowVolumeExpansion: true"),
            );
        }
        (Some(class), None) => {
            return refuse("ExpansionNotAllowed", format!("there is no StorageClass {class}"));
        }
        (None, _) => {
            return refuse(
                "ExpansionNotAllowed",
                "the PVC has no StorageClass, so Kubernetes does not expand it".to_owned(),
            );
        }
    }
    if let Some(owner) = seen.size_in_git
        && !rule.ignore_size_in_git
    {
        return refuse(
            "SizeOwnedByGit",
            format!(
                "{owner} owns the size of the PVC and would revert a resize; change it in git, or set annotation \
                 autopilot.libopenstorage.org/size-in-git: ignore on the PVC or the rule"
            ),
        );
    }
    let more = to.bytes.saturating_sub(object.request.bytes);
    for quota in seen.quotas {
        let counts = quota.class.as_deref().is_none_or(|class| Some(class) == seen.class);
        if counts && quota.left < more {
            return refuse(
                "QuotaExceeded",
                format!(
                    "ResourceQuota {} leaves {}, {} to {to} needs {}",
                    quota.name,
                    Size::new(quota.left.max(0), Format::BinarySI),
                    object.request,
                    Size::new(more, Format::BinarySI),
                ),
            );
        }
    }
    Ok(to)
}
