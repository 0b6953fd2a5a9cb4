//! Single requests, each with a bound, counted, and told apart by what is known afterwards.

use std::time::Duration;

use autopilot_shared::api::FINALIZER;
use autopilot_shared::error::chain;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::actor::{Actor, FIELD_MANAGER, Failure};
use crate::decide::Target;

/// A request that has no answer by then may or may not have been carried out.
pub(crate) const TIME_OUT: Duration = Duration::from_secs(10);

impl Actor {
    /// Creates an object. `None` if there is one of that name.
    pub(super) async fn create<K>(&self, api: &Api<K>, object: &K) -> Result<Option<K>, Failure>
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
    pub(super) async fn replace_status<K>(
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
        self.written_or_conflict(kind, "patch status", what, answer)
    }

    /// Merges fields into a status. `None` as for [`Self::written_or_conflict`].
    pub(super) async fn patch_status<K>(
        &self,
        api: &Api<K>,
        name: &str,
        patch: Value,
    ) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let kind = plural::<K>();
        let what = || format!("write of the status of {kind} {name}");
        let answer = self.bounded(&what, api.patch_status(name, &params(), &Patch::Merge(patch))).await?;
        self.written_or_conflict(kind, "patch status", what, answer)
    }

    /// Patches an object. `None` as for [`Self::written_or_conflict`].
    pub(super) async fn patch<K, P>(
        &self,
        api: &Api<K>,
        name: &str,
        patch: &Patch<P>,
    ) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
        P: Serialize + std::fmt::Debug,
    {
        let kind = plural::<K>();
        let what = || format!("write of {kind} {name}");
        let answer = self.bounded(&what, api.patch(name, &params(), patch)).await?;
        self.written_or_conflict(kind, "patch", what, answer)
    }

    /// Returns what was written. `None` if the world had moved: the object is gone, changed, or failed a test.
    fn written_or_conflict<K>(
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

    /// Deletes an object. Returns whether it is gone now: it is not if there is another or a newer one.
    pub(super) async fn delete<K>(&self, api: &Api<K>, target: &Target) -> Result<bool, Failure>
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

    /// Reads an object. An object that cannot be read as its kind is a failure that names it.
    pub(super) async fn read<K>(
        &self,
        api: &Api<K>,
        kind: &str,
        target: &Target,
    ) -> Result<Option<K>, Failure>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let what = || format!("read of {kind} {}/{}", target.namespace, target.name);
        self.bounded(&what, api.get_opt(&target.name)).await?.map_err(|error| failure(what(), &error))
    }

    /// Awaits a call, but not longer than [`TIME_OUT`].
    pub(super) async fn bounded<T>(
        &self,
        what: &impl Fn() -> String,
        call: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        tokio::time::timeout(TIME_OUT, call).await.map_err(|_| Failure {
            what: what(),
            why: format!("no answer within {} s", TIME_OUT.as_secs()),
            after: None,
            denied: None,
        })
    }
}

/// Returns the plural of a kind, for metrics.
fn plural<K: kube::Resource<DynamicType = ()>>() -> &'static str {
    match K::plural(&()) {
        std::borrow::Cow::Borrowed(plural) => plural,
        std::borrow::Cow::Owned(_) => "other",
    }
}

/// Returns the parameters of every patch.
pub(super) fn params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// Returns the metadata of a merge patch that applies to this version only.
pub(super) fn precondition(target: &Target) -> Value {
    json!({ "resourceVersion": target.version })
}

/// Returns the target of a write to an object.
pub(super) fn target_of(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Target {
    Target {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        version: metadata.resource_version.clone().unwrap_or_default(),
    }
}

/// Returns a JSON patch.
pub(super) fn json_patch(operations: Value) -> Result<Patch<Value>, Failure> {
    let parsed = serde_json::from_value(operations).map_err(|error| Failure {
        what: "making of a JSON patch".to_owned(),
        why: error.to_string(),
        after: None,
        denied: None,
    })?;
    Ok(Patch::Json(parsed))
}

/// Returns the patch that removes our finalizer from this position, if it is there.
pub(super) fn remove_finalizer(index: usize) -> Result<Patch<Value>, Failure> {
    let path = format!("/metadata/finalizers/{index}");
    json_patch(json!([
        { "op": "test", "path": path, "value": FINALIZER },
        { "op": "remove", "path": path },
    ]))
}

/// Returns whether a `test` of a JSON patch did not hold. The server says no more than 422; an object that fails validation is
/// named in the details.
fn failed_test(status: &kube::core::Status) -> bool {
    let named = status.details.as_ref().is_some_and(|d| !d.kind.is_empty() || !d.causes.is_empty());
    status.code == 422 && !named
}

/// Returns the failure of a request, with the pause that the server asked for.
pub(super) fn failure(what: String, error: &kube::Error) -> Failure {
    let after = match error {
        kube::Error::Api(status) => status
            .details
            .as_ref()
            .map(|d| d.retry_after_seconds)
            .filter(|s| *s > 0)
            .map(|s| Duration::from_secs(u64::from(s).min(60))),
        _ => None,
    };
    Failure { what, why: chain(error), after, denied: None }
}
