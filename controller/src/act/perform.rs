//! An effect's way: what it takes for granted is read first, then the one request is sent.

use autopilot_shared::api::{
    ANNOTATION_DECIDED_AT, ANNOTATION_DECIDED_BY, ANNOTATION_DECIDED_VIA, ANNOTATION_REASON, ActionApproval,
    ActionApprovalStatus, AutopilotRule, AutopilotRuleObject,
};
use kube::Api;
use kube::api::Patch;
use serde_json::{Value, json};

use super::actor::{Actor, Failure, Outcome};
use super::pvc::{PvcRef, is, volume_of};
use super::request::{precondition, remove_finalizer, target_of};
use crate::decide::precondition::announced;
use crate::decide::{Effect, EventDraft, Precondition, RuleEffect, Target};

impl Actor {
    /// Carries out one effect. What it takes for granted of another object is read first, past every cache: no
    /// precondition of the write would notice that it was read too long ago.
    ///
    /// # Errors
    /// If it is not known what came of it.
    pub(crate) async fn perform(
        &self,
        effect: Effect,
        expected: Option<Precondition>,
    ) -> Result<Outcome, Failure> {
        let _permit = self.permits.acquire().await;
        let _in_flight = self.metrics.effect_started();
        if let Some(expected) = expected
            && let Some(otherwise) = self.unmet(expected).await?
        {
            return Ok(otherwise);
        }
        match effect {
            Effect::CreateJournal(object) => self.create_journal(&object).await,
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
                let api = self.namespaced(object.metadata.namespace.as_deref());
                match self.create(&api, &*object).await? {
                    Some(created) => Ok(Outcome::Approval(Box::new(created))),
                    None => self.reread_approval(target_of(&object.metadata)).await,
                }
            }
            Effect::WriteApprovalStatus { target, status, event } => {
                self.write_approval_status(target, *status, event.as_deref()).await
            }
            Effect::ResetApproval { target, wanted } => self.reset_approval(target, &wanted).await,
            Effect::DeleteApproval(target) => self.delete_approval(target).await,
            Effect::ReleaseApproval(target) => self.release_approval(target).await,
            Effect::Resize { namespace, name, uid, from, from_text, to } => {
                let pvc = PvcRef { namespace: &namespace, name: &name, uid: &uid };
                self.resize(pvc, from, &from_text, to).await
            }
            Effect::EmitEvents { events, told } => {
                self.emit_all(&events, told).await?;
                Ok(Outcome::EventsEmitted(told))
            }
        }
    }

    /// Returns what is so instead of what was taken for granted; `None` if the precondition holds.
    async fn unmet(&self, expected: Precondition) -> Result<Option<Outcome>, Failure> {
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
                // A rule that is gone announced nothing. When it goes is for the watch to say: by now there may be a new one
                // under its name.
                self.read(&api, "autopilotrule", &named(String::new(), rule))
                    .await?
                    .filter(|found| found.status.as_ref().is_some_and(|s| announced(s, &object, created)))
                    .map(|found| Outcome::Rule(Box::new(found)))
            }
            Precondition::PvcGone { namespace, name, volume } => {
                match self.find_pvc(&namespace, &name).await? {
                    Outcome::Pvc(pvc) if volume_of(&pvc) == Some(volume.as_str()) => Some(Outcome::Pvc(pvc)),
                    _ => None,
                }
            }
            Precondition::PvcIs { namespace, name, uid, request } => {
                match self.find_pvc(&namespace, &name).await? {
                    Outcome::Pvc(pvc) if is(&pvc, &uid, request) => None,
                    otherwise => Some(otherwise),
                }
            }
        })
    }

    async fn create_journal(&self, object: &AutopilotRuleObject) -> Result<Outcome, Failure> {
        let api = self.namespaced(object.metadata.namespace.as_deref());
        match self.create(&api, object).await? {
            Some(created) => Ok(Outcome::Journal(Box::new(created))),
            None => self.reread_journal(target_of(&object.metadata)).await,
        }
    }

    async fn write_approval_status(
        &self,
        target: Target,
        mut status: ActionApprovalStatus,
        event: Option<&EventDraft>,
    ) -> Result<Outcome, Failure> {
        if let Some(previews) = &mut status.action_previews {
            self.workloads.name(previews).await;
        }
        let patch = json!({ "metadata": precondition(&target), "status": status });
        let api = self.namespaced(Some(&target.namespace));
        let Some(written) = self.patch_status(&api, &target.name, patch).await? else {
            return self.reread_approval(target).await;
        };
        if let Some(event) = event {
            // The condition is the record; an event that is refused costs nothing but itself.
            let _ = self.emit(event).await;
        }
        Ok(Outcome::Approval(Box::new(written)))
    }

    async fn reset_approval(&self, target: Target, wanted: &ActionApproval) -> Result<Outcome, Failure> {
        let mut metadata = precondition(&target);
        metadata["labels"] = json!(wanted.metadata.labels);
        metadata["annotations"] = json!(wanted.metadata.annotations);
        for stale in [ANNOTATION_DECIDED_AT, ANNOTATION_DECIDED_BY, ANNOTATION_DECIDED_VIA, ANNOTATION_REASON]
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

    async fn release_approval(&self, target: Target) -> Result<Outcome, Failure> {
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

    /// Reads an approval, past every cache.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn read_approval(&self, target: Target) -> Result<Outcome, Failure> {
        let _permit = self.permits.acquire().await;
        self.reread_approval(target).await
    }

    /// Reads a rule object, past every cache.
    ///
    /// # Errors
    /// If there is no answer.
    pub(crate) async fn read_journal(&self, target: Target) -> Result<Outcome, Failure> {
        let _permit = self.permits.acquire().await;
        self.reread_journal(target).await
    }

    /// Carries out a write to a rule.
    ///
    /// # Errors
    /// If it is not known what came of it.
    pub(crate) async fn perform_rule(&self, effect: RuleEffect) -> Result<Outcome, Failure> {
        let effect = match effect {
            RuleEffect::Approval(effect) => return self.perform(effect, None).await,
            other => other,
        };
        let _permit = self.permits.acquire().await;
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
                self.emit_all(&events, events.len() as u64).await?;
                return Ok(Outcome::EventsEmitted(events.len() as u64));
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
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::telemetry::Metrics;

    /// Returns what an actor finds instead of a rule that has not announced `pvc-1`, if the API answers so.
    async fn instead_of_unannounced(code: StatusCode, answer: Value) -> Option<Outcome> {
        let api = axum::Router::<()>::new().fallback(move || async move { (code, answer.to_string()) });
        let actor = Actor::new(kube::Client::new(api, "default"), Metrics::new());
        let (rule, object) = ("r".to_owned(), "pvc-1".to_owned());
        actor.unmet(Precondition::Unannounced { rule, object, created: 0 }).await.unwrap()
    }

    #[tokio::test]
    async fn a_rule_has_announced_what_its_status_says_and_nothing_if_it_is_gone() {
        let rule = |status: Value| json!({ "metadata": { "name": "r" }, "spec": {}, "status": status });
        let through = |time: &str| rule(json!({ "initializedThrough": time }));
        for (code, answer, announced) in [
            (StatusCode::OK, rule(Value::Null), false),
            (StatusCode::OK, through("1969-12-31T23:59:59.000000Z"), false),
            (StatusCode::OK, through("1970-01-01T00:00:00.000000Z"), true),
            (StatusCode::NOT_FOUND, json!({ "kind": "Status", "code": 404, "reason": "NotFound" }), false),
        ] {
            let found = instead_of_unannounced(code, answer.clone()).await;
            assert_eq!(matches!(found, Some(Outcome::Rule(_))), announced, "{answer}: {found:?}");
            assert_eq!(found.is_some(), announced, "{answer}: {found:?}");
        }
    }
}
