//! Writes to Kubernetes: one effect, one request, with the precondition that the effect carries. What comes back is
//! what the world is now, also when the write was refused because the world had moved.

mod events;
mod pvc;
mod request;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::api::{
    ANNOTATION_DECIDED_AT, ANNOTATION_DECIDED_BY, ANNOTATION_DECIDED_VIA, ANNOTATION_REASON, ActionApproval,
    AutopilotRule, AutopilotRuleObject,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::Patch;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::decide::precondition::announced;
use crate::decide::{Effect, Precondition, RuleEffect, Target};
use crate::telemetry::Metrics;
use pvc::{Claim, is, volume_of};
pub(crate) use request::TIME_OUT;
use request::{precondition, remove_finalizer, target_of};
use workload::Workloads;

/// Field manager of every write.
pub const FIELD_MANAGER: &str = "autopilot-controller";
/// Writes to different objects that run side by side.
pub const AT_ONCE: usize = 16;

/// What a write left behind.
#[derive(Debug)]
pub enum Outcome {
    /// A rule object, as it is now.
    Journal(Box<AutopilotRuleObject>),
    /// An approval, as it is now.
    Approval(Box<ActionApproval>),
    /// A PVC, as it is now.
    Claim(Box<PersistentVolumeClaim>),
    /// A rule, as it is now.
    Rule(Box<AutopilotRule>),
    /// The rule object is gone.
    NoJournal(Target),
    /// The approval is gone.
    NoApproval(Target),
    /// The PVC is gone.
    NoClaim(String, String),
    /// The rule is gone.
    NoRule(String),
    /// Transitions are told up to this number.
    Told(u64),
    /// The API server refused the resize of this PVC, which is as it was; in its words.
    Refused(Box<PersistentVolumeClaim>, String),
}

/// Nothing is known of the write; it is decided anew after a pause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Failure {
    /// What was being done, to what.
    pub what: String,
    /// What happened.
    pub why: String,
    /// The server asked for this pause.
    pub after: Option<Duration>,
    /// It was an event, and we may not tell it, at least not now: an API server denies everything until it has read its
    /// roles. What counts as told if that goes on.
    pub denied: Option<u64>,
}

/// Carries out effects.
#[derive(Clone)]
pub struct Actor {
    client: Client,
    metrics: Metrics,
    lanes: Arc<Semaphore>,
    workloads: Workloads,
}

impl Actor {
    /// Writes through this client.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        let workloads = Workloads::new(client.clone());
        Actor { client, metrics, lanes: Arc::new(Semaphore::new(AT_ONCE)), workloads }
    }

    /// Whether previews name the workload that uses the PVC.
    pub fn name_workloads(&self, wanted: bool) {
        self.workloads.want(wanted);
    }

    /// Carries out one effect. What it takes for granted of another object is read first, past every cache: no
    /// precondition of the write would notice that it was read too long ago.
    ///
    /// # Errors
    /// When it is not known what came of it.
    pub async fn perform(&self, effect: Effect, expected: Option<Precondition>) -> Result<Outcome, Failure> {
        let _lane = self.lanes.acquire().await;
        let _in_flight = self.metrics.effect_started();
        if let Some(expected) = expected
            && let Some(otherwise) = self.otherwise(expected).await?
        {
            return Ok(otherwise);
        }
        match effect {
            Effect::CreateJournal(object) => {
                let created =
                    self.create(&self.namespaced(object.metadata.namespace.as_deref()), &*object).await?;
                Ok(Outcome::Journal(Box::new(match created {
                    Some(created) => created,
                    None => {
                        let target = target_of(&object.metadata);
                        match self.journal(&target).await? {
                            Some(found) => found,
                            None => return Ok(Outcome::NoJournal(target)),
                        }
                    }
                })))
            }
            Effect::WriteJournal { target, status } => {
                let api = self.namespaced(Some(&target.namespace));
                match self.replace_status(&api, &target, &*status).await? {
                    Some(written) => Ok(Outcome::Journal(Box::new(written))),
                    None => self.reread_journal(target).await,
                }
            }
            Effect::DeleteJournal(target) => {
                let api: Api<AutopilotRuleObject> = self.namespaced(Some(&target.namespace));
                match self.delete(&api, &target).await? {
                    true => Ok(Outcome::NoJournal(target)),
                    false => self.reread_journal(target).await,
                }
            }
            Effect::CreateApproval(object) => {
                let created =
                    self.create(&self.namespaced(object.metadata.namespace.as_deref()), &*object).await?;
                match created {
                    Some(created) => Ok(Outcome::Approval(Box::new(created))),
                    None => self.reread_approval(target_of(&object.metadata)).await,
                }
            }
            Effect::WriteApprovalStatus { target, mut status, event } => {
                if let Some(previews) = &mut status.action_previews {
                    self.workloads.name(previews).await;
                }
                let patch = json!({ "metadata": precondition(&target), "status": &*status });
                let api = self.namespaced(Some(&target.namespace));
                match self.patch_status(&api, &target.name, patch).await? {
                    Some(written) => {
                        if let Some(event) = event {
                            // The condition is the record; an event that is refused costs nothing but itself.
                            let _ = self.tell(&event).await;
                        }
                        Ok(Outcome::Approval(Box::new(written)))
                    }
                    None => self.reread_approval(target).await,
                }
            }
            Effect::ResetApproval { target, wanted } => {
                let mut metadata = precondition(&target);
                metadata["labels"] = json!(wanted.metadata.labels);
                metadata["annotations"] = json!(wanted.metadata.annotations);
                for stale in
                    [ANNOTATION_DECIDED_AT, ANNOTATION_DECIDED_BY, ANNOTATION_DECIDED_VIA, ANNOTATION_REASON]
                {
                    metadata["annotations"][stale] = Value::Null;
                }
                let patch = json!({ "metadata": metadata, "spec": wanted.spec });
                let api = self.namespaced(Some(&target.namespace));
                match self.patch(&api, &target.name, &Patch::Merge(patch)).await? {
                    Some(written) => Ok(Outcome::Approval(Box::new(written))),
                    None => self.reread_approval(target).await,
                }
            }
            Effect::DeleteApproval(target) => self.delete_approval(target).await,
            Effect::ReleaseApproval(target) => {
                let api: Api<ActionApproval> = self.namespaced(Some(&target.namespace));
                let Some(found) = self.approval(&target).await? else {
                    return Ok(Outcome::NoApproval(target));
                };
                let Some(index) = found.finalizer_index() else {
                    return Ok(Outcome::Approval(Box::new(found)));
                };
                let patch = remove_finalizer(index)?;
                match self.patch::<_, Value>(&api, &target.name, &patch).await? {
                    Some(written) => Ok(Outcome::Approval(Box::new(written))),
                    None => self.reread_approval(target).await,
                }
            }
            Effect::Resize { namespace, name, uid, from, from_text, to } => {
                let claim = Claim { namespace: &namespace, name: &name, uid: &uid };
                self.resize(claim, from, &from_text, to).await
            }
            Effect::EmitEvents { events, told } => {
                self.tell_all(&events, told).await?;
                Ok(Outcome::Told(told))
            }
        }
    }

    /// What is so instead of what was taken for granted; nothing when it is as was thought.
    async fn otherwise(&self, expected: Precondition) -> Result<Option<Outcome>, Failure> {
        let named = |namespace: String, name: String| Target {
            namespace,
            name,
            uid: String::new(),
            version: String::new(),
        };
        Ok(match expected {
            Precondition::ApprovalGone(gone) => self
                .approval(&gone)
                .await?
                .filter(|found| found.metadata.uid.as_ref() == Some(&gone.uid))
                .map(|found| Outcome::Approval(Box::new(found))),
            Precondition::JournalIs { namespace, name, version } => {
                let target = named(namespace, name);
                let found = self.journal(&target).await?;
                let same = found.as_ref().and_then(|j| j.metadata.resource_version.clone()) == version;
                (!same).then(|| found.map_or(Outcome::NoJournal(target), |j| Outcome::Journal(Box::new(j))))
            }
            Precondition::RuleGone(name) => self
                .read(
                    &Api::<AutopilotRule>::all(self.client.clone()),
                    "autopilotrule",
                    &named(String::new(), name),
                )
                .await?
                .map(|rule| Outcome::Rule(Box::new(rule))),
            Precondition::Unannounced { rule, object, created } => {
                let api = Api::<AutopilotRule>::all(self.client.clone());
                match self.read(&api, "autopilotrule", &named(String::new(), rule.clone())).await? {
                    Some(found) if found.status.as_ref().is_none_or(|s| !announced(s, &object, created)) => {
                        None
                    }
                    Some(found) => Some(Outcome::Rule(Box::new(found))),
                    None => Some(Outcome::NoRule(rule)),
                }
            }
            Precondition::ClaimGone { namespace, name, volume } => {
                match self.find_claim(&namespace, &name).await? {
                    Outcome::Claim(claim) if volume_of(&claim) == Some(volume.as_str()) => {
                        Some(Outcome::Claim(claim))
                    }
                    _ => None,
                }
            }
            Precondition::ClaimIs { namespace, name, uid, request } => {
                match self.find_claim(&namespace, &name).await? {
                    Outcome::Claim(claim) if is(&claim, &uid, request) => None,
                    otherwise => Some(otherwise),
                }
            }
        })
    }

    /// Reads an approval, past every cache.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn read_approval(&self, target: Target) -> Result<Outcome, Failure> {
        let _lane = self.lanes.acquire().await;
        self.reread_approval(target).await
    }

    /// Reads a rule object, past every cache.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn read_journal(&self, target: Target) -> Result<Outcome, Failure> {
        let _lane = self.lanes.acquire().await;
        self.reread_journal(target).await
    }

    /// Carries out a write to a rule.
    ///
    /// # Errors
    /// When it is not known what came of it.
    pub async fn perform_rule(&self, effect: RuleEffect) -> Result<Outcome, Failure> {
        let effect = match effect {
            RuleEffect::Approval(effect) => return self.perform(effect, None).await,
            other => other,
        };
        let _lane = self.lanes.acquire().await;
        let _in_flight = self.metrics.effect_started();
        let api: Api<AutopilotRule> = Api::all(self.client.clone());
        let (target, written) = match effect {
            RuleEffect::AddFinalizer { target, finalizers } => {
                let mut metadata = precondition(&target);
                metadata["finalizers"] = json!(finalizers);
                let patch = json!({ "metadata": metadata });
                let written = self.patch(&api, &target.name, &Patch::Merge(patch)).await?;
                (target, written)
            }
            RuleEffect::RemoveFinalizer { target, index } => {
                let patch = remove_finalizer(index)?;
                let written = self.patch::<_, Value>(&api, &target.name, &patch).await?;
                (target, written)
            }
            RuleEffect::Status { target, status } => {
                let written = self.replace_status(&api, &target, &*status).await?;
                (target, written)
            }
            RuleEffect::EmitEvents(events) => {
                self.tell_all(&events, events.len() as u64).await?;
                return Ok(Outcome::Told(events.len() as u64));
            }
            RuleEffect::Approval(_) => unreachable!("handled above"),
        };
        match written {
            Some(rule) => Ok(Outcome::Rule(Box::new(rule))),
            None => match self.read(&api, "autopilotrule", &target).await? {
                Some(rule) => Ok(Outcome::Rule(Box::new(rule))),
                None => Ok(Outcome::NoRule(target.name)),
            },
        }
    }

    async fn delete_approval(&self, target: Target) -> Result<Outcome, Failure> {
        let api: Api<ActionApproval> = self.namespaced(Some(&target.namespace));
        self.delete(&api, &target).await?;
        // With a finalizer the object is still there.
        self.reread_approval(target).await
    }

    async fn reread_approval(&self, target: Target) -> Result<Outcome, Failure> {
        Ok(match self.approval(&target).await? {
            Some(found) => Outcome::Approval(Box::new(found)),
            None => Outcome::NoApproval(target),
        })
    }

    async fn reread_journal(&self, target: Target) -> Result<Outcome, Failure> {
        Ok(match self.journal(&target).await? {
            Some(found) => Outcome::Journal(Box::new(found)),
            None => Outcome::NoJournal(target),
        })
    }

    async fn approval(&self, target: &Target) -> Result<Option<ActionApproval>, Failure> {
        self.read(&self.namespaced(Some(&target.namespace)), "actionapproval", target).await
    }

    async fn journal(&self, target: &Target) -> Result<Option<AutopilotRuleObject>, Failure> {
        self.read(&self.namespaced(Some(&target.namespace)), "autopilotruleobject", target).await
    }

    fn namespaced<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace.unwrap_or("default"))
    }
}
