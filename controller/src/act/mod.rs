//! Writes to Kubernetes: one effect, one request, with the precondition that the effect carries. What comes back is
//! what the world is now, also when the write was refused because the world had moved.

mod events;

use std::sync::Arc;
use std::time::Duration;

use autopilot_shared::api::{
    ANNOTATION_DECIDED_BY, ANNOTATION_DECIDED_VIA, ANNOTATION_REASON, ActionApproval, AutopilotRule,
    AutopilotRuleObject, AutopilotRuleStatus, FINALIZER,
};
use autopilot_shared::quantity::Size;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::DeserializeGuard;
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::decide::{Doubt, Effect, EventDraft, Target};
use crate::observe::chain;
use crate::serve::Metrics;

/// Field manager of every write.
pub const FIELD_MANAGER: &str = "autopilot-controller";
/// Writes to different objects that run side by side.
pub const AT_ONCE: usize = 16;
/// A request that has no answer by then may or may not have been carried out.
const TIME_OUT: Duration = Duration::from_secs(10);

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
}

/// A write to a rule.
#[derive(Clone, Debug)]
pub enum RuleEffect {
    /// Set our finalizer.
    AddFinalizer {
        /// The rule.
        target: Target,
        /// All finalizers, ours among them.
        finalizers: Vec<String>,
    },
    /// Remove our finalizer.
    RemoveFinalizer {
        /// The rule.
        target: Target,
        /// Position of ours.
        index: usize,
    },
    /// Write the status.
    Status {
        /// The rule.
        target: Target,
        /// The whole status.
        status: Box<AutopilotRuleStatus>,
    },
    /// Tell events.
    Tell(Vec<EventDraft>),
    /// Remove an approval of a rule that goes.
    Approval(Effect),
}

/// A PVC that must be the one that was looked at.
#[derive(Clone, Copy)]
struct Claim<'a> {
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
}

/// Carries out effects.
#[derive(Clone)]
pub struct Actor {
    client: Client,
    metrics: Metrics,
    lanes: Arc<Semaphore>,
}

impl Actor {
    /// Writes through this client.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        Actor { client, metrics, lanes: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Carries out one effect. What it takes for granted of another object is read first, past every cache: no
    /// precondition of the write would notice that it was read too long ago.
    ///
    /// # Errors
    /// When it is not known what came of it.
    pub async fn perform(&self, effect: Effect, doubt: Option<Doubt>) -> Result<Outcome, Failure> {
        let _lane = self.lanes.acquire().await;
        let _in_flight = self.metrics.effect_started();
        if let Some(doubt) = doubt
            && let Some(otherwise) = self.otherwise(doubt).await?
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
            Effect::WriteApprovalStatus { target, status, event } => {
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
                for stale in [ANNOTATION_DECIDED_BY, ANNOTATION_REASON, ANNOTATION_DECIDED_VIA] {
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
                let finalizers = found.metadata.finalizers.clone().unwrap_or_default();
                let Some(index) = finalizers.iter().position(|f| f == FINALIZER) else {
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
            Effect::Tell { events, told } => {
                for event in &events {
                    self.tell(event).await?;
                }
                Ok(Outcome::Told(told))
            }
        }
    }

    /// What is so instead of what was taken for granted; nothing when it is as was thought.
    async fn otherwise(&self, doubt: Doubt) -> Result<Option<Outcome>, Failure> {
        let named = |namespace: String, name: String| Target {
            namespace,
            name,
            uid: String::new(),
            version: String::new(),
        };
        Ok(match doubt {
            Doubt::ApprovalGone(gone) => self
                .approval(&gone)
                .await?
                .filter(|found| found.metadata.uid.as_ref() == Some(&gone.uid))
                .map(|found| Outcome::Approval(Box::new(found))),
            Doubt::JournalIs { namespace, name, version } => {
                let target = named(namespace, name);
                let found = self.journal(&target).await?;
                let same = found.as_ref().and_then(|j| j.metadata.resource_version.clone()) == version;
                (!same).then(|| found.map_or(Outcome::NoJournal(target), |j| Outcome::Journal(Box::new(j))))
            }
            Doubt::RuleGone(name) => self
                .read(
                    &Api::<AutopilotRule>::all(self.client.clone()),
                    "autopilotrule",
                    &named(String::new(), name),
                )
                .await?
                .map(|rule| Outcome::Rule(Box::new(rule))),
            Doubt::ClaimGone { namespace, name, volume } => match self.find_claim(&namespace, &name).await? {
                Outcome::Claim(claim) if volume_of(&claim) == Some(volume.as_str()) => {
                    Some(Outcome::Claim(claim))
                }
                _ => None,
            },
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
            RuleEffect::Tell(events) => {
                for event in &events {
                    self.tell(event).await?;
                }
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

    /// Reads a PVC, past every cache.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn read_claim(&self, namespace: &str, name: &str) -> Result<Outcome, Failure> {
        let _lane = self.lanes.acquire().await;
        self.find_claim(namespace, name).await
    }

    async fn resize(
        &self,
        claim: Claim<'_>,
        from: Size,
        from_text: &str,
        to: Size,
    ) -> Result<Outcome, Failure> {
        const SIZE: &str = "/spec/resources/requests/storage";
        let Claim { namespace, name, uid } = claim;
        let api: Api<PersistentVolumeClaim> = self.namespaced(Some(namespace));
        let patch = json_patch(json!([
            { "op": "test", "path": "/metadata/uid", "value": uid },
            { "op": "test", "path": SIZE, "value": from_text },
            { "op": "replace", "path": SIZE, "value": to.to_string() },
        ]))?;
        let what = || format!("resize of PVC {namespace}/{name} from {from} to {to}");
        let answer = self.bounded(&what, api.patch(name, &params(), &patch)).await?;
        let error = match answer {
            Ok(claim) => {
                self.metrics.api_write("persistentvolumeclaims", "patch", "ok");
                return Ok(Outcome::Claim(Box::new(claim)));
            }
            Err(error) => error,
        };
        self.metrics.api_write("persistentvolumeclaims", "patch", "refused");
        let kube::Error::Api(status) = &error else {
            return Err(failure(what(), &error));
        };
        // A webhook that cannot be called refuses, too: it is asked again, but not for ever.
        let webhook = status.code == 500 && status.message.contains("failed calling webhook");
        if !webhook && !matches!(status.code, 400 | 403 | 404 | 409 | 422) {
            return Err(failure(what(), &error));
        }
        // A failed test means that the world moved; the same code also says that quota or admission refuse. Which of
        // the two it was shows in the PVC itself.
        match self.find_claim(namespace, name).await? {
            Outcome::Claim(claim) => {
                let same = claim.metadata.uid.as_deref() == Some(uid) && requested(&claim) == Some(from_text);
                Ok(if same && status.code != 409 {
                    Outcome::Refused(claim, status.message.clone())
                } else {
                    Outcome::Claim(claim)
                })
            }
            other => Ok(other),
        }
    }

    async fn find_claim(&self, namespace: &str, name: &str) -> Result<Outcome, Failure> {
        let target = Target {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: String::new(),
            version: String::new(),
        };
        let api: Api<PersistentVolumeClaim> = self.namespaced(Some(namespace));
        Ok(match self.read(&api, "persistentvolumeclaim", &target).await? {
            Some(claim) => Outcome::Claim(Box::new(claim)),
            None => Outcome::NoClaim(namespace.to_owned(), name.to_owned()),
        })
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

    /// Creates an object; nothing when one of that name is there.
    async fn create<K>(&self, api: &Api<K>, object: &K) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let kind = plural::<K>();
        let what = || format!("create of {kind} {}", object.meta().name.as_deref().unwrap_or_default());
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match self.bounded(&what, api.create(&params, object)).await? {
            Ok(created) => {
                self.metrics.api_write(kind, "create", "ok");
                Ok(Some(created))
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                self.metrics.api_write(kind, "create", "exists");
                Ok(None)
            }
            Err(error) => {
                self.metrics.api_write(kind, "create", "error");
                Err(failure(what(), &error))
            }
        }
    }

    /// Replaces a whole status. Not a merge: what the new one does not name must be gone.
    async fn replace_status<K>(
        &self,
        api: &Api<K>,
        target: &Target,
        status: &impl Serialize,
    ) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let kind = plural::<K>();
        let what = || format!("write of the status of {kind} {}", target.name);
        let patch: Patch<Value> = json_patch(json!([
            { "op": "test", "path": "/metadata/resourceVersion", "value": target.version },
            { "op": "add", "path": "/status", "value": status },
        ]))?;
        let answer = self.bounded(&what, api.patch_status(&target.name, &params(), &patch)).await?;
        self.settled(kind, "patch status", what, answer)
    }

    async fn patch_status<K>(&self, api: &Api<K>, name: &str, patch: Value) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let kind = plural::<K>();
        let what = || format!("write of the status of {kind} {name}");
        let answer = self.bounded(&what, api.patch_status(name, &params(), &Patch::Merge(patch))).await?;
        self.settled(kind, "patch status", what, answer)
    }

    async fn patch<K, P>(&self, api: &Api<K>, name: &str, patch: &Patch<P>) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
        P: Serialize + std::fmt::Debug,
    {
        let kind = plural::<K>();
        let what = || format!("write of {kind} {name}");
        let answer = self.bounded(&what, api.patch(name, &params(), patch)).await?;
        self.settled(kind, "patch", what, answer)
    }

    /// Nothing when the world had moved: gone, changed, or a failed test.
    fn settled<K>(
        &self,
        kind: &'static str,
        verb: &'static str,
        what: impl Fn() -> String,
        answer: Result<K, kube::Error>,
    ) -> Result<Option<K>, Failure> {
        match answer {
            Ok(written) => {
                self.metrics.api_write(kind, verb, "ok");
                Ok(Some(written))
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) || failed_test(&status) => {
                self.metrics.api_write(kind, verb, "conflict");
                Ok(None)
            }
            Err(error) => {
                self.metrics.api_write(kind, verb, "error");
                Err(failure(what(), &error))
            }
        }
    }

    /// Whether the object is gone now; not, when it is another or a newer one.
    async fn delete<K>(&self, api: &Api<K>, target: &Target) -> Result<bool, Failure>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let kind = plural::<K>();
        let what = || format!("delete of {kind} {}/{}", target.namespace, target.name);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(target.uid.clone()),
                resource_version: Some(target.version.clone()),
            }),
            ..DeleteParams::default()
        };
        let answer = self.bounded(&what, api.delete(&target.name, &params)).await?;
        match answer {
            Ok(_) => {
                self.metrics.api_write(kind, "delete", "ok");
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(failure(what(), &error)),
        }
    }

    /// Reads an object. One that cannot be read as its kind is a failure that names it.
    async fn read<K>(&self, api: &Api<K>, kind: &str, target: &Target) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let what = || format!("read of {kind} {}/{}", target.namespace, target.name);
        self.bounded(&what, api.get_opt(&target.name)).await?.map_err(|error| failure(what(), &error))
    }

    async fn bounded<T>(
        &self,
        what: &impl Fn() -> String,
        call: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        tokio::time::timeout(TIME_OUT, call).await.map_err(|_| Failure {
            what: what(),
            why: format!("no answer within {} s", TIME_OUT.as_secs()),
            after: None,
        })
    }
}

/// Plural of a kind, for metrics.
fn plural<K: kube::Resource<DynamicType = ()>>() -> &'static str {
    match K::plural(&()) {
        std::borrow::Cow::Borrowed(plural) => plural,
        std::borrow::Cow::Owned(_) => "other",
    }
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

fn precondition(target: &Target) -> Value {
    json!({ "resourceVersion": target.version })
}

fn target_of(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Target {
    Target {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        version: metadata.resource_version.clone().unwrap_or_default(),
    }
}

fn json_patch(operations: Value) -> Result<Patch<Value>, Failure> {
    let parsed = serde_json::from_value(operations).map_err(|error| Failure {
        what: "making of a JSON patch".to_owned(),
        why: error.to_string(),
        after: None,
    })?;
    Ok(Patch::Json(parsed))
}

fn remove_finalizer(index: usize) -> Result<Patch<Value>, Failure> {
    let path = format!("/metadata/finalizers/{index}");
    json_patch(json!([
        { "op": "test", "path": path, "value": FINALIZER },
        { "op": "remove", "path": path },
    ]))
}

fn volume_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.volume_name.as_deref()
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    Some(claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?.0.as_str())
}

/// A `test` of a JSON patch that did not hold. The server says no more than 422; an object that fails validation is
/// named in the details.
fn failed_test(status: &kube::core::Status) -> bool {
    let named = status.details.as_ref().is_some_and(|d| !d.kind.is_empty() || !d.causes.is_empty());
    status.code == 422 && !named
}

fn failure(what: String, error: &kube::Error) -> Failure {
    let after = match error {
        kube::Error::Api(status) => status
            .details
            .as_ref()
            .map(|d| d.retry_after_seconds)
            .filter(|s| *s > 0)
            .map(|s| Duration::from_secs(u64::from(s).min(60))),
        _ => None,
    };
    Failure { what, why: chain(error), after }
}

/// A watched object that cannot be read as its kind.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Its namespace, empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// A watched object, or the name of the one that cannot be read.
///
/// # Errors
/// When it cannot be read as its kind.
pub fn readable<K: kube::Resource>(guarded: DeserializeGuard<K>) -> Result<K, Unreadable> {
    guarded.0.map_err(|invalid| Unreadable {
        namespace: invalid.metadata.namespace.clone().unwrap_or_default(),
        name: invalid.metadata.name.clone().unwrap_or_default(),
        why: invalid.to_string(),
    })
}
