//! The writers of approvals.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use autopilot_shared::api::ActionApproval;
use autopilot_tests::Scene;
use autopilot_tests::objects::original_approval;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::case::{Case, NAMESPACE};
use crate::table::{File, Writer};

const OURS: &str = include_str!("../../fixtures/approvals/ours.yaml");

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Written,
    Refused,
    NotFound,
}

/// Finalizers of the original's file are new to an object that is being deleted.
const NO_NEW_FINALIZER: &str = "no new finalizers can be added if the object is being deleted";

impl Writer {
    /// Returns the field manager of its writes.
    pub(crate) fn manager(self) -> &'static str {
        match self {
            Writer::Flux => "kustomize-controller",
            Writer::Kubectl => "kubectl-client-side-apply",
            Writer::Merge | Writer::Guide => "kubectl-patch",
            Writer::Typed => "autopilot-api-client",
            Writer::Replace => "kubectl-replace",
        }
    }

    /// Returns how a decision that it wrote is signed.
    pub(crate) fn via(self) -> &'static str {
        match self {
            Writer::Flux => "flux",
            Writer::Typed => self.manager(),
            Writer::Kubectl | Writer::Merge | Writer::Guide | Writer::Replace => "kubectl",
        }
    }

    /// Brings a case's file to its approval.
    pub(crate) async fn write(self, scene: &Scene, case: &Case) -> Result<Answer> {
        let resource = ApiResource::erase::<ActionApproval>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(scene.client.clone(), NAMESPACE, &resource);
        let name = case.approval.as_str();
        let file = case.content()?;
        let patch = PatchParams { field_manager: Some(self.manager().to_owned()), ..PatchParams::default() };
        let put = PostParams { field_manager: Some(self.manager().to_owned()), ..PostParams::default() };
        let done = match self {
            Writer::Flux => api.patch(name, &patch.force(), &Patch::Apply(&file)).await.map(drop),
            Writer::Merge => api.patch(name, &patch, &Patch::Merge(&file)).await.map(drop),
            Writer::Guide => {
                let state = json!({ "spec": { "approvalState": file["spec"]["approvalState"] } });
                api.patch(name, &patch, &Patch::Merge(&state)).await.map(drop)
            }
            Writer::Kubectl => return client_side_apply(scene, &file).await,
            Writer::Typed => match api.get(name).await {
                Ok(live) => {
                    let mut live: TypedApproval = serde_json::from_value(serde_json::to_value(live)?)?;
                    live.spec = serde_json::from_value::<TypedApproval>(file)?.spec;
                    let object = serde_json::from_value(serde_json::to_value(live)?)?;
                    api.replace(name, &put, &object).await.map(drop)
                }
                Err(error) => Err(error),
            },
            Writer::Replace => match api.get(name).await {
                Ok(live) => {
                    let mut object: DynamicObject = serde_json::from_value(file)?;
                    object.metadata.resource_version = live.resource_version();
                    api.replace(name, &put, &object).await.map(drop)
                }
                Err(error) => Err(error),
            },
        };
        match done {
            Ok(()) => Ok(Answer::Written),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Answer::NotFound),
            Err(kube::Error::Api(status)) if status.message.contains(NO_NEW_FINALIZER) => Ok(Answer::Refused),
            Err(error) => Err(error).with_context(|| format!("{case}")),
        }
    }
}

async fn client_side_apply(scene: &Scene, file: &Value) -> Result<Answer> {
    let output = scene.cluster.kubectl_stdin(&["apply", "-f", "-"], &file.to_string()).await?;
    if output.status.success() {
        Ok(Answer::Written)
    } else if output.stderr.contains(NO_NEW_FINALIZER) {
        Ok(Answer::Refused)
    } else {
        bail!("{}{}", output.stdout, output.stderr)
    }
}

/// An approval as types see it that do not know `proposal`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypedApproval {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    spec: TypedSpec,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypedSpec {
    approval_state: String,
    actions: Vec<TypedAction>,
}

#[derive(Serialize, Deserialize)]
struct TypedAction {
    name: String,
    params: BTreeMap<String, String>,
}

impl Case {
    /// Returns the content of the case's file.
    pub(crate) fn content(&self) -> Result<Value> {
        let digest = match self.file {
            File::Original | File::Bare => "",
            File::Old => self.old.as_str(),
            File::Current | File::Declined | File::Edited => self.current.as_str(),
        };
        let text = match self.file {
            File::Original => original_approval(&self.volume, self.rule, NAMESPACE, &self.claim),
            _ => OURS
                .replace("$OBJECT", &self.volume)
                .replace("$RULE", self.rule)
                .replace("$NAMESPACE", NAMESPACE)
                .replace("$DIGEST", digest),
        };
        let mut file: Value = serde_saphyr::from_str(&text)?;
        if digest.is_empty()
            && let Some(action) = file["spec"]["actions"][0].as_object_mut()
        {
            action.remove("proposal");
        }
        if self.file == File::Declined {
            file["spec"]["approvalState"] = json!("declined");
        }
        if self.file == File::Edited {
            file["spec"]["actions"][0]["params"]["maxsize"] = json!("800Gi");
        }
        Ok(file)
    }
}
