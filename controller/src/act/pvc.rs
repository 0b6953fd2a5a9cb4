//! PVCs: read past every cache, and resized.

use autopilot_shared::quantity::Size;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use serde_json::json;

use super::request::{failure, json_patch, params};
use super::{Actor, Failure, Outcome};
use crate::decide::Target;

/// A PVC that must be the one that was looked at.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
}

impl Actor {
    /// Reads a PVC, past every cache.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn read_claim(&self, namespace: &str, name: &str) -> Result<Outcome, Failure> {
        let _lane = self.lanes.acquire().await;
        self.find_claim(namespace, name).await
    }

    pub(crate) async fn resize(
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

    pub(crate) async fn find_claim(&self, namespace: &str, name: &str) -> Result<Outcome, Failure> {
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
}

pub(crate) fn is(claim: &PersistentVolumeClaim, uid: &str, request: Size) -> bool {
    let requests = claim.spec.as_ref().and_then(|s| s.resources.as_ref()?.requests.as_ref());
    let size = requests.and_then(|r| r.get("storage")).and_then(|q| q.0.parse::<Size>().ok());
    claim.metadata.uid.as_deref() == Some(uid) && size == Some(request)
}

pub(crate) fn volume_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.volume_name.as_deref()
}

pub(crate) fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    Some(claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")?.0.as_str())
}
