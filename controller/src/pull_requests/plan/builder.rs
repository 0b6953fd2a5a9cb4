//! A plan in the making. The first thing that must happen on the forge is done first; a step that the forge refused
//! lately is passed over, so that one refusal holds up nothing else.

use autopilot_shared::api::{ActionApproval, FINALIZER, PullRequest};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::conditions::{self, Conditions};
use super::effect::{Ask, Class, ClusterEffect, EffectKey, ForgeEffect, ForgeStep, Plan, Write};
use super::view::View;
use crate::pull_requests::text::comment::Comment;
use crate::pull_requests::text::{branch, marker};

/// Collects what a plan consists of.
pub(crate) struct PlanBuilder<'a, 'b> {
    view: &'b View<'a>,
    class: Class,
    /// The record of the pull request that the status is to have.
    pull: Option<PullRequest>,
    cluster: Option<ClusterEffect>,
    /// The approval wants a pull request and has none.
    wants: bool,
    /// The conditions in the status stay, where nothing else is said.
    keep: bool,
    conditions: Conditions,
    forge: Option<ForgeEffect>,
    wake: Option<Timestamp>,
    /// Nothing on the forge is left to do, as far as it was looked at.
    complete: bool,
}

impl<'a, 'b> PlanBuilder<'a, 'b> {
    pub(crate) fn new(view: &'b View<'a>, class: Class) -> Self {
        PlanBuilder {
            view,
            class,
            pull: None,
            cluster: None,
            wants: false,
            keep: false,
            conditions: Conditions::default(),
            forge: None,
            wake: None,
            complete: true,
        }
    }

    pub(crate) fn view(&self) -> &'b View<'a> {
        self.view
    }

    /// Sets how urgent the step on the forge is.
    pub(crate) fn set_class(&mut self, class: Class) {
        self.class = class;
    }

    /// Notes that the approval wants a pull request and has none.
    pub(crate) fn want_pull_request(&mut self) {
        self.wants = true;
    }

    /// Keeps the conditions in the status, where nothing else is said.
    pub(crate) fn keep_conditions(&mut self) {
        self.keep = true;
    }

    /// Returns the record of the pull request that the status is to have.
    pub(crate) fn record(&self) -> Option<&PullRequest> {
        self.pull.as_ref()
    }

    /// Sets the record of the pull request that the status is to have.
    pub(crate) fn set_record(&mut self, record: Option<PullRequest>) {
        self.pull = record;
    }

    /// Notes in the record, if there is one, that its file is in the base branch.
    pub(crate) fn keep_in_base(&mut self) {
        if let Some(record) = &mut self.pull {
            record.in_base = true;
        }
    }

    /// Sets the write to the cluster, which goes before that of the status.
    pub(crate) fn write_cluster(&mut self, effect: ClusterEffect) {
        self.cluster = Some(effect);
    }

    pub(crate) fn approval(&self) -> &'a ActionApproval {
        self.view.raw()
    }

    /// Name of the approval's branch.
    pub(crate) fn branch(&self) -> String {
        branch::branch(&self.approval().namespace().unwrap_or_default(), &self.view.name())
    }

    /// Returns the plan: the write to the cluster comes first, then the step on the forge.
    pub(crate) fn plan(mut self) -> Plan {
        if self.keep || self.view.identity.is_none() || matches!(self.forge, Some(ForgeEffect::Ask(_))) {
            self.conditions.keep_all(self.view);
        }
        // Nobody reads the status of an object that is being deleted.
        let leaving = self.approval().is_deleting();
        let status = self.conditions.write(self.view, self.pull.clone()).filter(|_| !leaving);
        let cluster = self.cluster.or(status);
        let class = self.class;
        let forge = self.forge.filter(|_| cluster.is_none()).map(|effect| ForgeStep { class, effect });
        Plan { cluster, forge, wake: self.wake, wants: self.wants }
    }

    /// Whether nothing is left to do on the forge.
    pub(crate) fn complete(&self) -> bool {
        self.complete && self.forge.is_none()
    }

    /// Whether the status says what it must.
    pub(crate) fn status_stands(&self) -> bool {
        self.conditions.write(self.view, self.pull.clone()).is_none()
    }

    /// Sets a condition, whatever was said before.
    pub(crate) fn replace_condition(
        &mut self,
        kind: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.conditions.replace(kind, reason, message.into());
    }

    /// Sets a condition, unless something else was said already.
    pub(crate) fn set_condition(
        &mut self,
        kind: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.conditions.set(kind, reason, message.into());
    }

    /// Keeps the condition in the status that ends with the address of a pull request.
    pub(crate) fn keep_condition(&mut self, kind: &'static str, url: &str) {
        self.conditions.keep_about(self.view, kind, url);
    }

    /// Plans again at this time, or at an earlier one.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        self.effect(ForgeEffect::Ask(ask));
    }

    pub(crate) fn write(&mut self, write: Write) {
        self.effect(ForgeEffect::Write(Box::new(write)));
    }

    fn effect(&mut self, effect: ForgeEffect) {
        self.complete = false;
        let key = effect.key();
        if let Some(refusal) = self.view.observed.refusals.get(&key) {
            // A read that is refused leaves what was known.
            self.keep |= matches!(effect, ForgeEffect::Ask(_));
            // Silence passes, most of the time; a no stands until it is a yes, also while it is asked again.
            if refusal.definite {
                self.refused(&key, &refusal.why);
            }
            if refusal.until > self.view.now {
                return self.wake(refusal.until);
            }
        }
        self.forge.get_or_insert(effect);
    }

    fn refused(&mut self, key: &EffectKey, why: &str) {
        if let EffectKey::Push { .. } | EffectKey::Open { .. } = key {
            let text = format!("the forge refuses its pull request: {why}");
            return self.replace_condition(conditions::WAITS, "Refused", text);
        }
        let (kind, text) = match key {
            EffectKey::Ask(_) if self.wants => {
                (conditions::WAITS, format!("there is no pull request yet: {why}"))
            }
            EffectKey::Ask(_) => (conditions::LEFT, format!("the forge refuses to show it: {why}")),
            write => (conditions::LEFT, format!("the forge refuses to {write}: {why}")),
        };
        self.set_condition(kind, "Refused", text);
    }

    /// Sets our finalizer, unless it is there: what is on the forge afterwards needs us. Returns whether it is there.
    pub(crate) fn finalizer(&mut self) -> bool {
        if self.approval().has_finalizer() {
            return true;
        }
        let finalizers = self.approval().finalizers().iter().cloned();
        let finalizers = finalizers.chain([FINALIZER.to_owned()]).collect();
        self.cluster = Some(ClusterEffect::AddFinalizer { target: self.view.target(), finalizers });
        false
    }

    /// Comments on a pull request, once. The comments are read first, so that a crash after the last attempt does not
    /// make two of it.
    pub(crate) fn comment(&mut self, number: u64, comment: &Comment<'_>, digest: &str) {
        let outcome = marker::outcome(comment.word(), digest);
        let posted = self.view.observed.posted.get(&number);
        if posted.is_some_and(|posted| posted.outcomes.contains(&outcome)) {
            return;
        }
        if posted.is_none_or(|posted| !posted.fresh) {
            return self.ask(Ask::Comments { number });
        }
        let text = comment.text(Some(self.approval()), digest);
        self.write(Write::Comment { number, outcome, text });
    }
}
