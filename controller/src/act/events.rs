//! Kubernetes Events (core/v1), with a name that follows from what they say: emitted twice, there is one.

use autopilot_shared::names;
use autopilot_shared::text::truncate_bytes;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Api;
use kube::api::PostParams;
use kube::core::Status;

use super::actor::{Actor, FIELD_MANAGER, Failure};
use super::request::failure;
use crate::decide::{EventDraft, Regarding};

/// Source of every event, as the original's.
const COMPONENT: &str = "autopilot";
/// The API refuses longer notes.
const NOTE_LIMIT: usize = 1024;
/// Where events about cluster-scoped objects live.
const CLUSTER_EVENTS: &str = "default";

/// Returns the event of a draft.
fn event(draft: &EventDraft) -> Event {
    let (regarding, place) = match &draft.regarding {
        Regarding::Rule { name, uid } => (
            reference("autopilot.libopenstorage.org/v1alpha1", "AutopilotRule", None, name, uid),
            CLUSTER_EVENTS,
        ),
        Regarding::Pvc { namespace, name, uid } => {
            (reference("v1", "PersistentVolumeClaim", Some(namespace), name, uid), namespace.as_str())
        }
        Regarding::Approval { namespace, name, uid } => (
            reference("autopilot.libopenstorage.org/v1alpha1", "ActionApproval", Some(namespace), name, uid),
            namespace.as_str(),
        ),
        Regarding::ConfigMap { namespace, name } => {
            (reference("v1", "ConfigMap", Some(namespace), name, ""), namespace.as_str())
        }
    };
    let seed: Vec<&str> = draft.seed.iter().map(String::as_str).collect();
    let subject = regarding.name.clone().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            name: Some(names::event_name(&subject, draft.when.as_second(), draft.step, &seed)),
            namespace: Some(place.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: regarding,
        type_: Some(if draft.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(draft.reason.to_owned()),
        message: Some(truncate_bytes(&draft.message, NOTE_LIMIT).to_owned()),
        first_timestamp: Some(Time(draft.when)),
        last_timestamp: Some(Time(draft.when)),
        count: Some(1),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
        reporting_component: Some(COMPONENT.to_owned()),
        ..Event::default()
    }
}

fn reference(
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    uid: &str,
) -> ObjectReference {
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: namespace.map(str::to_owned),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()).filter(|u| !u.is_empty()),
        ..ObjectReference::default()
    }
}

/// Returns whether an event was refused because its namespace is being deleted.
fn namespace_goes(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|d| d.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
}

impl Actor {
    /// Emits events; one that is denied keeps no other from being emitted. With them, the events of `told` transitions are
    /// out.
    ///
    /// # Errors
    /// As [`Self::emit`], of the first that was not emitted.
    pub(super) async fn emit_all(&self, drafts: &[EventDraft], told: u64) -> Result<(), Failure> {
        let mut denied = Ok(());
        for draft in drafts {
            match self.emit(draft).await {
                Err(failure) if failure.denied.is_some() => {
                    denied = denied.and(Err(Failure { denied: Some(told), ..failure }));
                }
                other => other?,
            }
        }
        denied
    }

    /// Emits an event, unless it is there already.
    ///
    /// # Errors
    /// If it is not known whether it was emitted, or we may not emit it ([`Failure::denied`]). An event that the API
    /// server refuses for good (because its namespace is being deleted, say) counts as emitted: it must hold up nothing.
    pub(super) async fn emit(&self, draft: &EventDraft) -> Result<(), Failure> {
        let event = event(draft);
        let place = event.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Event> = self.namespaced(Some(&place));
        let what = || {
            format!("event {} about {}", draft.reason, event.involved_object.name.as_deref().unwrap_or(""))
        };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match self.bounded(&what, api.create(&params, &event)).await? {
            Ok(_) => {
                self.metrics.api_write("events", "create", "ok");
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                self.metrics.api_write("events", "create", "exists");
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 403 && !namespace_goes(&status) => {
                self.metrics.api_write("events", "create", "denied");
                Err(Failure { denied: Some(0), ..failure(what(), &kube::Error::Api(status)) })
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 404 | 422) => {
                self.metrics.api_write("events", "create", "refused");
                tracing::warn!(event = draft.message, why = status.message, "an event was refused");
                Ok(())
            }
            Err(error) => Err(failure(what(), &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_ends_on_a_character_boundary_below_the_limit() {
        let long = "ü".repeat(600);
        let note = truncate_bytes(&long, NOTE_LIMIT);
        assert_eq!(note.len(), NOTE_LIMIT);
        assert!(truncate_bytes(&format!("x{long}"), NOTE_LIMIT).len() == NOTE_LIMIT - 1);
        assert_eq!(truncate_bytes("short", NOTE_LIMIT), "short");
    }
}
