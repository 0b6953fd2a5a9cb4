//! Everything that is known of all approvals and of the forge, and what to do next. No IO and no clock: `now` and all
//! responses are handed in.
//!
//! Each component owns one part of it with private fields and never sees another as `&mut`; [`Tracker`] passes values
//! between them. `responses` has the half of [`Tracker`] that takes in what the forge says. Never imports the worker.

mod approvals;
mod branch_audit;
mod cluster_writes;
mod folder;
mod leftover_branches;
mod leftover_files;
mod listing;
mod observations;
mod orphans;
mod pauses;
mod pulls;
mod queue;
mod rate_limit;
mod request;
mod responses;
mod schedule;

use jiff::{SignedDuration, Timestamp};

use super::forge::Pull;
use super::plan::{
    self, Ask, Class, ClusterEffect, ForgeEffect, Identity, Observed, Plan, PullRequestSettings, Slot,
    Urgency, View,
};
use crate::decide::{Approval, lookup};
use approvals::ApprovalIndex;
use branch_audit::BranchAudit;
use cluster_writes::ClusterWrites;
use folder::FolderState;
use leftover_branches::LeftoverBranches;
use listing::Listing;
use observations::Observations;
use orphans::Orphans;
use pulls::PullIndex;
use queue::Queue;
use rate_limit::RateLimit;
use request::ApprovalKey;
use schedule::Schedule;

pub use request::Figures;
pub(crate) use request::{Call, LeftoverFile, Next, Request, Response, Subject};

/// A clock that goes back further than this was set.
const CLOCK_JITTER: SignedDuration = SignedDuration::from_secs(2);

/// Everything that is known of one repository.
#[derive(Debug)]
pub struct Tracker {
    settings: PullRequestSettings,
    identity: Identity,
    /// The forge has said who we are, and nothing since makes it doubtful.
    identity_known: bool,
    /// The token is another one than before.
    token_replaced: bool,
    approvals: ApprovalIndex,
    observations: Observations,
    pulls: PullIndex,
    listing: Listing,
    orphans: Orphans,
    leftover_branches: LeftoverBranches,
    branch_audit: BranchAudit,
    folder: FolderState,
    schedule: Schedule,
    cluster_writes: ClusterWrites,
    queue: Queue,
    rate_limit: RateLimit,
    /// The clock when it was first looked at, and last.
    started: Option<Timestamp>,
    latest: Timestamp,
}

impl Tracker {
    /// Makes a tracker that knows nothing yet. `cluster` is the UID of namespace `kube-system`.
    pub fn new(settings: PullRequestSettings, repository: String, cluster: String) -> Self {
        let base = settings.base.clone().unwrap_or_default();
        Tracker {
            identity: Identity { repository, login: String::new(), cluster, base },
            settings,
            identity_known: false,
            token_replaced: false,
            approvals: ApprovalIndex::default(),
            observations: Observations::default(),
            pulls: PullIndex::default(),
            listing: Listing::new(),
            orphans: Orphans::default(),
            leftover_branches: LeftoverBranches::default(),
            branch_audit: BranchAudit::new(),
            folder: FolderState::new(),
            schedule: Schedule::default(),
            cluster_writes: ClusterWrites::default(),
            queue: Queue::default(),
            rate_limit: RateLimit::new(),
            started: None,
            latest: Timestamp::MIN,
        }
    }

    /// Returns figures for people.
    pub(crate) fn figures(&self) -> Figures {
        Figures { open: self.pulls.open().len(), waiting: self.queue.len() }
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> &PullRequestSettings {
        &self.settings
    }

    /// Our identity on the forge.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// When an approval was decided, or else its pull request ended, or else it was created.
    pub(crate) fn settled_at(&self, namespace: &str, name: &str) -> Option<Timestamp> {
        let key = ApprovalKey { namespace: namespace.to_owned(), name: name.to_owned() };
        self.approvals.settled_at(&key)
    }

    /// Whether a pull request was seen.
    pub(crate) fn knows_pull(&self, number: u64) -> bool {
        self.pulls.get(number).is_some()
    }

    /// Logins whose comments on a pull request are ours: the one that opened it, and the one of the token, which may be
    /// another account's now.
    pub(crate) fn participants(&self, number: u64) -> impl Iterator<Item = &str> {
        let opened = self.pulls.get(number).map(|pull| pull.author.as_str());
        let opened = opened.filter(|author| !author.eq_ignore_ascii_case(&self.identity.login));
        opened.into_iter().chain([self.identity.login.as_str()])
    }

    /// A list of all approvals begins.
    pub fn begin_resync(&mut self) {
        self.approvals.begin_resync();
    }

    /// The list is complete: an approval that it did not hold is gone.
    pub fn end_resync(&mut self) {
        for key in self.approvals.end_resync() {
            self.remove(&key);
        }
        self.look_for_orphans();
    }

    /// Takes in an approval; an older version than the known one is passed over.
    pub fn apply(&mut self, approval: Approval) {
        let Some(applied) = self.approvals.apply(approval) else { return };
        if applied.is_new {
            self.observations.reset(&applied.key);
            self.schedule.forget_repeats(&applied.key);
        }
        if applied.came_from_file {
            self.folder.approval_came_from_file();
        }
        self.touch(&applied.key);
        if applied.is_new {
            self.look_for_orphans();
        }
    }

    /// An approval was deleted.
    pub fn delete(&mut self, namespace: &str, name: &str, uid: &str) {
        let key = ApprovalKey { namespace: namespace.to_owned(), name: name.to_owned() };
        if self.approvals.has_uid(&key, uid) {
            self.remove(&key);
            self.look_for_orphans();
        }
    }

    fn remove(&mut self, key: &ApprovalKey) {
        self.queue.leave(key);
        if let Some(name) = self.approvals.branch(key) {
            self.keep_branch(key, &name);
        }
        self.observations.remove(key);
        self.cluster_writes.remove(key);
        self.schedule.remove(key);
        if let Some(branch) = self.approvals.remove(key) {
            for number in self.pulls.forget_ended(&branch) {
                self.orphans.remove(number);
            }
        }
    }

    /// Remembers the branch of an approval that goes, unless the branch is known to be gone.
    fn keep_branch(&mut self, key: &ApprovalKey, name: &str) {
        let Some(observed) = self.observations.get(key).filter(|o| !o.branch.is_absent()) else { return };
        let pushed = observed.tips.iter().filter(|(_, filed)| !filed.is_empty()).map(|(c, _)| c.clone());
        let heads = pushed.chain(self.pulls.our_heads(&self.identity, name)).collect();
        self.leftover_branches.add(name, heads);
    }

    /// Takes other settings. Another repository is another tracker.
    pub fn configure(&mut self, settings: PullRequestSettings) {
        if settings == self.settings {
            return;
        }
        if settings.base != self.settings.base || settings.folder != self.settings.folder {
            self.folder.forget_and_read();
        }
        if settings.base != self.settings.base {
            self.identity.base = settings.base.clone().unwrap_or_default();
            self.identity_known = false;
        }
        self.settings = settings;
        self.touch_all();
    }

    /// A cluster write was carried out, or refused because the approval is another now. `left` is what is there;
    /// `None` if the approval is gone.
    pub(crate) fn written(
        &mut self,
        now: Timestamp,
        key: &ApprovalKey,
        effect: ClusterEffect,
        left: Option<Approval>,
    ) {
        match left {
            Some(approval) => {
                let version = approval.raw.metadata.resource_version.as_deref();
                let changed = version != self.approvals.resource_version(key);
                self.apply(approval);
                self.cluster_writes.succeeded(now, key, effect, changed);
            }
            None => self.delete(&key.namespace, &key.name, &self.approvals.uid(key)),
        }
    }

    /// A cluster write has no result.
    pub(crate) fn write_failed(&mut self, now: Timestamp, key: &ApprovalKey, effect: ClusterEffect) {
        self.cluster_writes.failed(now, key, effect);
        self.schedule.replan(key.clone());
    }

    /// Returns the next thing to do.
    pub(crate) fn next(&mut self, now: Timestamp) -> Next {
        if now + CLOCK_JITTER < self.latest {
            self.clock_went_back();
        }
        self.latest = now;
        self.started.get_or_insert(now);
        if !self.approvals.is_synced() {
            return Next::Idle(None);
        }
        self.replan(now);
        let mut until = self.schedule.next_wake();
        let mut wait = |at: Timestamp| until = Some(until.map_or(at, |u| u.min(at)));
        let dues = [self.orphans.next_retry(), self.leftover_branches.next_retry(), self.branch_audit.due()];
        for due in dues.into_iter().chain(self.folder.dues()).flatten().filter(|due| *due > now) {
            wait(due);
        }
        for (key, effect) in self.schedule.cluster_effects() {
            match self.cluster_writes.held_until(key, now) {
                Some(held) => wait(held),
                None => return Next::Cluster { key: key.clone(), effect: Box::new(effect.clone()) },
            }
        }
        let (class, request) = match self.request(now) {
            Ok(found) => found,
            Err(at) => {
                wait(at);
                return Next::Idle(until);
            }
        };
        if !request.call.is_local() {
            let (weight, reads) = (request.call.write_weight(), request.call.reads());
            let at = self.rate_limit.due(now, weight, reads, class);
            if at > now {
                wait(at);
                return Next::Idle(until);
            }
            self.rate_limit.started(now, weight, reads);
        }
        Next::Forge(Box::new(request))
    }

    /// Forgets every time: nothing waits for one that is further away than it was meant to be.
    fn clock_went_back(&mut self) {
        self.started = None;
        self.rate_limit = RateLimit::new();
        self.listing.poll_now();
        self.branch_audit.retry_now();
        self.cluster_writes.clear();
        self.folder.clock_went_back();
        self.orphans.clock_went_back();
        self.leftover_branches.clock_went_back();
        self.observations.clock_went_back();
        self.schedule.clock_went_back();
        self.touch_all();
    }

    /// Returns the most urgent request, or when there may be one.
    fn request(&mut self, now: Timestamp) -> Result<(Class, Request), Timestamp> {
        let all = |call| Request { subject: Subject::All, call, basis: None };
        if !self.identity_known {
            return Ok((Class::Decision, all(Call::Login)));
        }
        if self.listing.due() <= now {
            let (page, etag) = self.listing.next();
            return Ok((Class::Decision, all(Call::List { page, etag })));
        }
        if !self.listing.is_complete() {
            return Err(self.listing.due());
        }
        let first = self.schedule.first_on_forge().map(|(class, key)| (class, key.clone()));
        let before = |class: Class| first.as_ref().is_none_or(|(step, _)| *step > class);
        if before(Class::Decision)
            && let Some(found) = self.orphan_step(now)
        {
            return Ok((Class::Ending, found));
        }
        if before(Class::Ending)
            && let Some(found) = self.leftover_step(now)
        {
            return Ok((Class::Ending, found));
        }
        if before(Class::Decision) && self.folder.is_due(now) {
            return Ok((Class::Ending, all(Call::Step(ForgeEffect::Ask(Ask::Folder)))));
        }
        if before(Class::Ending)
            && let Some(found) = self.audit_step(now, first.is_none())
        {
            return Ok((Class::Creating, found));
        }
        let step = first.and_then(|(class, key)| Some((class, self.approval_step(key)?)));
        step.ok_or_else(|| self.listing.due())
    }

    fn approval_step(&self, key: ApprovalKey) -> Option<Request> {
        let effect = self.schedule.forge_effect(&key)?.clone();
        let approval = self.approvals.get(&key)?;
        let basis = matches!(effect, ForgeEffect::Write(_)).then(|| lookup::target(approval));
        Some(Request { subject: Subject::Approval(key), call: Call::Step(effect), basis })
    }

    /// Returns the next step of a pull request without approval.
    fn orphan_step(&self, now: Timestamp) -> Option<Request> {
        self.orphans.due(now).find_map(|(number, known)| {
            let pull = self.pulls.get(number)?;
            let marker = plan::ours(&self.identity, pull)?;
            let effect = plan::orphan(pull, &marker, known)?;
            let subject = Subject::Orphan(number, Box::new(marker));
            Some(Request { subject, call: Call::Step(effect), basis: None })
        })
    }

    /// Returns the next step about leftover files or, if there is none, about leftover branches.
    fn leftover_step(&mut self, now: Timestamp) -> Option<Request> {
        let (approvals, pulls, identity) = (&self.approvals, &self.pulls, &self.identity);
        let author = &self.settings.author;
        if let Some(folder) = self.folder.to_sweep(now)
            && let Some(found) = leftover_files::next(now, folder, approvals, identity, author)
        {
            return Some(found);
        }
        let has_approval = |name: &str| approvals.has_branch(name);
        let has_open_pull = |name: &str| {
            pulls.of_branch(name).any(|pull| pull.is_open() && plan::in_repository(identity, pull))
        };
        self.leftover_branches.next(now, has_approval, has_open_pull)
    }

    fn audit_step(&mut self, now: Timestamp, idle: bool) -> Option<Request> {
        // An open pull request there was seen, or the approval looks after it.
        let is_covered = |name: &str| self.approvals.has_branch(name) || self.pulls.has_open(name);
        self.branch_audit.next(now, idle, is_covered)
    }

    /// Plans every approval about which something changed.
    fn replan(&mut self, now: Timestamp) {
        for key in self.schedule.take_due(now) {
            self.touch(&key);
        }
        // A slot that is given or lost changes a plan, and a plan the slots: bounded, since each approval has its
        // slot once before something else happens.
        for _ in 0..=self.approvals.len() {
            while let Some(key) = self.schedule.take_dirty() {
                self.plan(now, &key);
            }
            let moved = self.queue.assign_slots(self.pulls.open().len(), self.settings.max_open);
            if moved.is_empty() {
                break;
            }
            moved.into_iter().for_each(|key| self.schedule.replan(key));
        }
    }

    fn plan(&mut self, now: Timestamp, key: &ApprovalKey) {
        let Some(approval) = self.approvals.get(key) else {
            self.schedule.forget_plan(key);
            self.queue.leave(key);
            return;
        };
        let unobserved = Observed::default();
        let branch = self.approvals.branch(key).unwrap_or_default();
        let pulls: Vec<&Pull> = self.pulls.of_branch(&branch).rev().collect();
        let view = View {
            now,
            settings: &self.settings,
            identity: (self.identity_known && self.listing.is_complete()).then_some(&self.identity),
            approval,
            pulls: &pulls,
            observed: self.observations.get(key).unwrap_or(&unobserved),
            folder: self.folder.get(),
            slot: self.queue.slot(key),
            started: self.started.unwrap_or(now),
            outage: self.rate_limit.outage(),
        };
        let plan = plan::plan(&view);
        let urgency = plan::pending_proposal(approval).map(Urgency::of);
        let has_slot = view.slot == Slot::Go;
        let plan = match urgency.filter(|_| plan.wants) {
            Some(urgency) => self.queue_up(now, key, plan, urgency, has_slot),
            None => {
                self.queue.leave(key);
                plan
            }
        };
        self.schedule.set_plan(key, plan, urgency);
    }

    /// Queues an approval that wants a pull request, and passes on a slot that it cannot use now. Returns its plan,
    /// which wakes it when it wants the slot again: without the slot it does not know that time.
    fn queue_up(
        &mut self,
        now: Timestamp,
        key: &ApprovalKey,
        plan: Plan,
        urgency: Urgency,
        has_slot: bool,
    ) -> Plan {
        let held = self.cluster_writes.held_until(key, now);
        let is_idle = plan.forge.is_none() && (plan.cluster.is_none() || held.is_some());
        self.queue.enter(key, urgency);
        if is_idle && has_slot {
            self.queue.suspend(key);
            if let Some(at) = plan.wake.into_iter().chain(held).min() {
                self.schedule.suspend(key, at);
            }
        }
        let wake = plan.wake.into_iter().chain(self.schedule.suspended_until(key)).min();
        Plan { wake, ..plan }
    }

    /// Something about an approval changed.
    fn touch(&mut self, key: &ApprovalKey) {
        self.queue.resume(key);
        self.schedule.touch(key);
    }

    fn touch_all(&mut self) {
        for key in self.approvals.keys() {
            self.touch(&key);
        }
    }
}
