//! PVCs: read past every cache, and resized.

use autopilot_shared::quantity::Size;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use serde_json::json;

use super::actor::{Actor, Failure, Outcome};
use super::request::{failure, json_patch, params};
use crate::decide::Target;

/// A PVC that must be the one that was looked at.
#[derive(Clone, Copy)]
pub(super) struct PvcRef<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

impl Actor {
    /// Reads a PVC, past every cache.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn read_pvc(&self, namespace: &str, name: &str) -> Result<Outcome, Failure> {
        let _permit = self.permits.acquire().await;
        self.find_pvc(namespace, name).await
    }

    /// Resizes a PVC, if it is still the one that was looked at.
    ///
    /// # Errors
    /// If it is not known what came of it.
    pub(super) async fn resize(
        &self,
        pvc: PvcRef<'_>,
        from: Size,
        from_text: &str,
        to: Size,
    ) -> Result<Outcome, Failure> {
        const SIZE: &str = "/spec/resources/requests/storage";
        let PvcRef { namespace, name, uid } = pvc;
        let api: Api<PersistentVolumeClaim> = self.namespaced(Some(namespace));
        let patch = json_patch(json!([
            { "op": "test", "path": "/metadata/uid", "value": uid },
            { "op": "test", "path": SIZE, "value": from_text },
            { "op": "replace", "path": SIZE, "value": to.to_string() },
        ]))?;
        let what = || format!("resize of PVC {namespace}/{name} from {from} to {to}");
        let answer = self.bounded(&what, api.patch(name, &params(), &patch)).await?;
        let error = match answer {
            Ok(pvc) => {
                self.metrics.api_write("persistentvolumeclaims", "patch", "ok");
                return Ok(Outcome::Pvc(Box::new(pvc)));
            }
            Err(error) => error,
        };
        self.metrics.api_write("persistentvolumeclaims", "patch", "refused");
        let kube::Error::Api(status) = &error else {
            return Err(failure(what(), &error));
        };
        // A webhook that cannot be called refuses, too: it is asked again, but not indefinitely.
        let webhook = status.code == 500 && status.message.contains("failed calling webhook");
        if !webhook && !matches!(status.code, 400 | 403 | 404 | 409 | 422) {
            return Err(failure(what(), &error));
        }
        // A failed test means that the world moved; the same code also says that quota or admission refuse. Which of
        // the two it was shows in the PVC itself.
        match self.find_pvc(namespace, name).await? {
            Outcome::Pvc(pvc) => {
                let same = pvc.metadata.uid.as_deref() == Some(uid) && requested(&pvc) == Some(from_text);
                Ok(if same && status.code != 409 {
                    Outcome::ResizeRefused { pvc, message: status.message.clone() }
                } else {
                    Outcome::Pvc(pvc)
                })
            }
            other => Ok(other),
        }
    }

    /// As [`Self::read_pvc`], within a permit that is held.
    pub(super) async fn find_pvc(&self, namespace: &str, name: &str) -> Result<Outcome, Failure> {
        let target = Target {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: String::new(),
            version: String::new(),
        };
        let api: Api<PersistentVolumeClaim> = self.namespaced(Some(namespace));
        Ok(match self.read(&api, "persistentvolumeclaim", &target).await? {
            Some(pvc) => Outcome::Pvc(Box::new(pvc)),
            None => Outcome::NoPvc { namespace: namespace.to_owned(), name: name.to_owned() },
        })
    }
}

/// Returns whether a PVC has this UID and requests this size.
pub(super) fn is(pvc: &PersistentVolumeClaim, uid: &str, request: Size) -> bool {
    let requests = pvc.spec.as_ref().and_then(|s| s.resources.as_ref()?.requests.as_ref());
    let size = requests.and_then(|r| r.get("storage")).and_then(|q| q.0.parse::<Size>().ok());
    pvc.metadata.uid.as_deref() == Some(uid) && size == Some(request)
}

/// Returns the name of the volume of a PVC.
pub(super) fn volume_of(pvc: &PersistentVolumeClaim) -> Option<&str> {
    pvc.spec.as_ref()?.volume_name.as_deref()
}

/// Returns the size that a PVC requests, as the API keeps it.
fn requested(pvc: &PersistentVolumeClaim) -> Option<&str> {
    Some(pvc.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?.0.as_str())
}
