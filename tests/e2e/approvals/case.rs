//! One case of the table in the cluster, and what is seen of all of them.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, anyhow, bail};
use autopilot_shared::RuleState;
use autopilot_shared::api::{
    ActionApproval, AutopilotRuleObject, AutopilotRuleObjectStatus, Decision, Outcome,
};
use autopilot_shared::names;
use autopilot_tests::Scene;
use autopilot_tests::objects::requested_size;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use crate::table::{File, Must, Onto, Writer};

/// Where all cases live.
pub(crate) const NAMESPACE: &str = "pg1";

/// A volume of its own, with its approval.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) writer: Writer,
    pub(crate) file: File,
    pub(crate) onto: Onto,
    pub(crate) must: Must,
    pub(crate) claim: String,
    pub(crate) rule: &'static str,
    pub(crate) volume: String,
    pub(crate) approval: String,
    /// Digest of the first question.
    pub(crate) old: String,
    /// Digest of the second, which is the last one before the write.
    pub(crate) current: String,
    /// The decision before the write.
    pub(crate) before: Option<Decision>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} of {:?} onto {:?}, must be {:?} ({})",
            self.writer, self.file, self.onto, self.must, self.claim
        )
    }
}

/// All that the API shows of the cases, at one time.
pub(crate) struct ClusterSnapshot {
    sizes: BTreeMap<String, String>,
    approvals: BTreeMap<String, ActionApproval>,
    journals: BTreeMap<String, AutopilotRuleObjectStatus>,
    stale: Vec<(String, String)>,
}

impl ClusterSnapshot {
    pub(crate) async fn look(scene: &Scene) -> Result<ClusterSnapshot> {
        let all = ListParams::default();
        let client = || scene.client.clone();
        let (claims, approvals, journals) = (
            Api::<PersistentVolumeClaim>::namespaced(client(), NAMESPACE),
            Api::<ActionApproval>::namespaced(client(), NAMESPACE),
            Api::<AutopilotRuleObject>::namespaced(client(), NAMESPACE),
        );
        let events = Api::<Event>::namespaced(client(), NAMESPACE);
        let told = ListParams::default().fields("involvedObject.kind=ActionApproval,reason=StaleApproval");
        let (claims, approvals, journals, events) = tokio::try_join!(
            claims.list(&all),
            approvals.list(&all),
            journals.list(&all),
            events.list(&told)
        )?;
        let size = |claim: &PersistentVolumeClaim| requested_size(claim).unwrap_or_default().to_owned();
        let text = |event: Event| Some((event.involved_object.name?, event.message?));
        Ok(ClusterSnapshot {
            sizes: claims.items.iter().map(|c| (c.name_any(), size(c))).collect(),
            approvals: approvals.items.into_iter().map(|a| (a.name_any(), a)).collect(),
            journals: journals
                .items
                .into_iter()
                .map(|j| (j.name_any(), j.status.unwrap_or_default()))
                .collect(),
            stale: events.items.into_iter().filter_map(text).collect(),
        })
    }

    pub(crate) fn approval(&self, case: &Case) -> Option<&ActionApproval> {
        self.approvals.get(&case.approval)
    }

    pub(crate) fn decision(&self, case: &Case) -> Option<&Decision> {
        self.approval(case)?.status.as_ref()?.decision.as_ref()
    }

    /// Returns the digest of the proposal whose approval is pending.
    pub(crate) fn question(&self, case: &Case) -> Result<&str> {
        let journal = self.journals.get(&names::rule_object_name(&case.volume, case.rule));
        let Some(proposal) = journal.and_then(|j| j.proposal.as_ref()) else { bail!("nothing is proposed") };
        let Some(approval) = self.approval(case) else { bail!("there is no approval") };
        let digest = approval.spec.actions.as_deref().and_then(|a| a.first()?.proposal.as_deref());
        let state = approval.spec.approval_state.as_deref();
        let adopted =
            journal.and_then(|j| j.approval.as_ref()).map(|r| r.uid.as_str()) == approval.uid().as_deref();
        match (state, digest) {
            (Some("pending"), Some(digest)) if digest == proposal.digest && adopted => Ok(&proposal.digest),
            other => bail!("the approval says {other:?}, adopted: {adopted}"),
        }
    }

    pub(crate) fn is(&self, case: &Case, size: &str, state: RuleState) -> Result<()> {
        let found = self.sizes.get(&case.claim).map(String::as_str).unwrap_or_default();
        let journal =
            self.journals.get(&names::rule_object_name(&case.volume, case.rule)).and_then(|j| j.state);
        if found != size || journal != Some(state) {
            bail!("{found} and {journal:?}, wanted {size} and {state:?}");
        }
        Ok(())
    }

    /// Checks that this outcome is latched for the current proposal.
    pub(crate) fn latched(&self, case: &Case, outcome: Outcome, via: &str) -> Result<()> {
        match self.decision(case) {
            Some(d) if d.outcome == outcome && d.digest == case.current && d.via == via => Ok(()),
            other => bail!("the decision is {other:?}, wanted {outcome:?} of {} via {via}", case.current),
        }
    }

    /// Checks that the approval is said to be stale, with the name of who wrote it.
    pub(crate) fn told_stale(&self, case: &Case) -> Result<()> {
        let conditions = self.approval(case).and_then(|a| a.status.as_ref()?.conditions.as_ref());
        if !conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "StaleApproval")) {
            bail!("no condition StaleApproval: {conditions:?}");
        }
        let writer = format!("written by {}", case.writer.manager());
        let told = self.stale.iter().any(|(name, text)| *name == case.approval && text.contains(&writer));
        if !told {
            bail!("no event says {writer:?}");
        }
        Ok(())
    }

    /// Checks that the case is as it must be after its write, before anything else moves.
    pub(crate) fn as_it_must(&self, case: &Case) -> Result<()> {
        let stays = || match case.onto {
            Onto::Pending => Ok(()),
            Onto::Declined => self.is(case, "10Gi", RuleState::ActionsDeclined),
            Onto::Canceled | Onto::Absent => self.is(case, "10Gi", RuleState::Normal),
            Onto::Executed => self.is(case, "20Gi", RuleState::ActiveActionsTaken),
        };
        match case.must {
            Must::Resize => {
                self.latched(case, Outcome::Approved, case.writer.via())?;
                self.is(case, "20Gi", RuleState::ActiveActionsTaken)
            }
            Must::Decline => {
                self.latched(case, Outcome::Declined, case.writer.via())?;
                self.is(case, "10Gi", RuleState::ActionsDeclined)
            }
            Must::Inert if case.onto == Onto::Pending => {
                self.told_stale(case)?;
                if self.question(case)? != case.current {
                    bail!("it asks {}, not {}", self.question(case)?, case.current);
                }
                self.undecided(case)?;
                self.is(case, "10Gi", RuleState::ActionAwaitingApproval)
            }
            Must::Inert => {
                self.told_stale(case)?;
                self.undecided(case)?;
                stays()
            }
            Must::Nothing | Must::Refused => {
                if self.decision(case) != case.before.as_ref() || case.before.is_none() {
                    bail!("the decision was {:?} and is {:?}", case.before, self.decision(case));
                }
                stays()
            }
            Must::Gone | Must::NotFound => {
                if self.approval(case).is_some() {
                    bail!("there is an approval");
                }
                stays()
            }
        }
    }

    /// Checks that a new proposal is pending, which nothing written before has answered.
    pub(crate) fn asks_anew(&self, case: &Case) -> Result<()> {
        let digest = self.question(case)?;
        if digest == case.current || digest == case.old {
            bail!("it asks with a digest of before");
        }
        self.undecided(case)?;
        self.is(case, "10Gi", RuleState::ActionAwaitingApproval)
    }

    fn undecided(&self, case: &Case) -> Result<()> {
        self.decision(case).map_or(Ok(()), |d| Err(anyhow!("it is decided: {d:?}")))
    }
}

/// Waits until all cases are so; names those that are not.
pub(crate) async fn until(
    scene: &Scene,
    what: &str,
    cases: &[Case],
    so: impl Fn(&ClusterSnapshot, &Case) -> Result<()>,
) -> Result<ClusterSnapshot> {
    scene
        .until(what, async || {
            let snapshot = ClusterSnapshot::look(scene).await?;
            let wrong: Vec<String> = cases
                .iter()
                .filter_map(|c| so(&snapshot, c).err().map(|why| format!("\n  {c}: {why:#}")))
                .collect();
            if wrong.is_empty() {
                Ok(Some(snapshot))
            } else {
                bail!("{} cases:{}", wrong.len(), wrong.concat())
            }
        })
        .await
}
