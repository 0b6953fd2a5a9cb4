//! What the flow knows of all approvals and of the forge, and what to do next. No IO and no clock: `now` and all answers
//! are handed in.

mod approvals;
mod branch_audit;
mod leftover_branches;
mod leftover_files;
mod listing;
mod pulls;
mod queue;
mod rate_limit;
mod request;
mod responses;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::forge::{File, Pull, PullState};
use super::plan::{
    self, Ask, Class, ClusterEffect, Folder, ForgeEffect, ForgeOutage, Identity, Observed, Orphan, Plan,
    Settings, Slot, Urgency, View, Write,
};
use super::text::file::FileContent;
use crate::decide::Approval;
pub use request::{Call, Figures, Key, LeftoverFile, Next, Request, Response, Subject};

use branch_audit::Survey;
use leftover_branches::Loose;
use listing::Listing;
use queue::Queue;
use rate_limit::Pace;

/// A clock that goes back further than this was set.
const CLOCK: SignedDuration = SignedDuration::from_secs(2);

/// A cluster write that failed, or changed nothing.
#[derive(Clone, Debug)]
struct Rest {
    effect: ClusterEffect,
    attempts: u32,
    until: Timestamp,
}

/// Everything the flow knows.
#[derive(Debug)]
pub struct Tracker {
    settings: Settings,
    identity: Identity,
    known: bool,
    /// The token is another one than before.
    renewed: bool,
    synced: bool,
    approvals: BTreeMap<Key, Approval>,
    observed: BTreeMap<Key, Observed>,
    branches: BTreeMap<String, BTreeSet<Key>>,
    pulls: BTreeMap<u64, Pull>,
    by_branch: BTreeMap<String, BTreeSet<u64>>,
    open: BTreeSet<u64>,
    orphans: BTreeMap<u64, Orphan>,
    loose: BTreeMap<String, Loose>,
    folder: Option<Folder>,
    contents: BTreeMap<File, FileContent>,
    folder_due: Option<Timestamp>,
    /// How often in a row the folder, or a file in it, was refused.
    folder_refused: u32,
    /// Files that nobody waits for are left alone until then.
    sweep_due: Timestamp,
    listing: Listing,
    survey: Survey,
    pace: Pace,
    queue: Queue,
    plans: BTreeMap<Key, Plan>,
    dirty: BTreeSet<Key>,
    wakes: BTreeSet<(Timestamp, Key)>,
    in_cluster: BTreeSet<Key>,
    on_forge: BTreeSet<(Class, Urgency, Key)>,
    places: BTreeMap<Key, (Class, Urgency)>,
    rests: BTreeMap<Key, Rest>,
    /// When what could do nothing with its turn wants it again.
    stalls: BTreeMap<Key, Timestamp>,
    repeats: BTreeMap<Key, (String, u32)>,
    listed_again: Option<BTreeSet<Key>>,
    /// The clock when it was first looked at, and last.
    started: Option<Timestamp>,
    latest: Timestamp,
}

impl Tracker {
    /// Knows nothing yet. `cluster` is the UID of namespace `kube-system`.
    pub fn new(settings: Settings, repository: String, cluster: String) -> Self {
        let base = settings.base.clone().unwrap_or_default();
        Tracker {
            identity: Identity { repository, login: String::new(), cluster, base },
            settings,
            known: false,
            renewed: false,
            synced: false,
            approvals: BTreeMap::new(),
            observed: BTreeMap::new(),
            branches: BTreeMap::new(),
            pulls: BTreeMap::new(),
            by_branch: BTreeMap::new(),
            open: BTreeSet::new(),
            orphans: BTreeMap::new(),
            loose: BTreeMap::new(),
            folder: None,
            contents: BTreeMap::new(),
            folder_due: Some(Timestamp::MIN),
            folder_refused: 0,
            sweep_due: Timestamp::MIN,
            listing: Listing::new(),
            survey: Survey::new(),
            pace: Pace::new(),
            queue: Queue::default(),
            plans: BTreeMap::new(),
            dirty: BTreeSet::new(),
            wakes: BTreeSet::new(),
            in_cluster: BTreeSet::new(),
            on_forge: BTreeSet::new(),
            places: BTreeMap::new(),
            rests: BTreeMap::new(),
            stalls: BTreeMap::new(),
            repeats: BTreeMap::new(),
            listed_again: None,
            started: None,
            latest: Timestamp::MIN,
        }
    }

    /// What is wrong with the forge.
    pub fn outage(&self) -> Option<&ForgeOutage> {
        self.pace.outage()
    }

    /// Figures for people.
    pub fn figures(&self) -> Figures {
        Figures { open: self.open.len(), waiting: self.queue.waiting(), outage: self.pace.outage().is_some() }
    }

    /// Settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// When an approval was decided, or else its pull request merged, or else it was made.
    pub fn begun(&self, namespace: &str, name: &str) -> Option<Timestamp> {
        let raw = &self.approvals.get(&(namespace.to_owned(), name.to_owned()))?.raw;
        let status = raw.status.as_ref();
        let decided = status.and_then(|s| s.decision.as_ref()?.at.as_ref());
        let known = decided.or_else(|| status?.pull_request.as_ref()?.at.as_ref()).map(|at| at.0);
        known.or_else(|| raw.metadata.creation_timestamp.as_ref().map(|at| at.0))
    }

    /// Whether a pull request was seen.
    pub fn knows(&self, number: u64) -> bool {
        self.pulls.contains_key(&number)
    }

    /// Whose comments on a pull request are ours: those of who opened it, and of who we are by now, since the token may be
    /// another account's.
    pub fn participants(&self, number: u64) -> impl Iterator<Item = &str> {
        let opened = self.pulls.get(&number).map(|pull| pull.author.as_str());
        let opened = opened.filter(|author| !author.eq_ignore_ascii_case(&self.identity.login));
        opened.into_iter().chain([self.identity.login.as_str()])
    }

    /// Who we are.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What to do next.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if now + CLOCK < self.latest {
            self.clock_went_back();
        }
        self.latest = now;
        self.started.get_or_insert(now);
        if !self.synced {
            return Next::Idle(None);
        }
        self.replan(now);
        let mut until = None;
        let mut wait = |at: Timestamp| until = Some(until.map_or(at, |u: Timestamp| u.min(at)));
        if let Some((at, _)) = self.wakes.first() {
            wait(*at);
        }
        let orphans = self.orphans.values().filter_map(|known| known.until).min();
        let loose = self.loose.values().filter_map(|known| known.until).min();
        let dues = [Some(self.sweep_due), self.folder_due, orphans, loose, self.survey.due()];
        for due in dues.into_iter().flatten().filter(|due| *due > now) {
            wait(due);
        }
        for key in &self.in_cluster {
            let Some(effect) = self.plans.get(key).and_then(|p| p.cluster.clone()) else { continue };
            match self.rests.get(key) {
                Some(rest) if rest.until > now => wait(rest.until),
                _ => return Next::Cluster(key.clone(), Box::new(effect)),
            }
        }
        let (class, request) = match self.request(now) {
            Ok(found) => found,
            Err(at) => {
                at.into_iter().for_each(&mut wait);
                return Next::Idle(until);
            }
        };
        let weight = weight(&request.call);
        let at =
            if local(&request.call) { now } else { self.pace.due(now, weight, reads(&request.call), class) };
        if at > now {
            wait(at);
            return Next::Idle(until);
        }
        if !local(&request.call) {
            self.pace.took(now, weight, reads(&request.call));
        }
        Next::Forge(Box::new(request))
    }

    /// Nothing waits for a time that is further away than it was meant to be.
    fn clock_went_back(&mut self) {
        self.started = None;
        self.pace = Pace::new();
        self.listing.again();
        self.survey.again();
        self.rests.clear();
        self.stalls.clear();
        self.folder = None;
        self.folder_due = Some(Timestamp::MIN);
        self.folder_refused = 0;
        self.sweep_due = Timestamp::MIN;
        for orphan in self.orphans.values_mut() {
            orphan.until = None;
        }
        for loose in self.loose.values_mut() {
            loose.until = None;
        }
        for observed in self.observed.values_mut() {
            observed.refusals.clear();
            observed.asked = None;
            observed.searched = None;
            observed.findings = None;
        }
        self.wakes.clear();
        self.touch_all();
    }

    /// The most urgent request, or when there may be one.
    fn request(&mut self, now: Timestamp) -> Result<(Class, Request), Option<Timestamp>> {
        let all = |call| Request { subject: Subject::All, call, basis: None };
        if !self.known {
            return Ok((Class::Decision, all(Call::Login)));
        }
        if self.listing.due() <= now {
            let (page, etag) = self.listing.next();
            return Ok((Class::Decision, all(Call::List { page, etag })));
        }
        if !self.listing.is_complete() {
            return Err(Some(self.listing.due()));
        }
        let first = self.on_forge.first().cloned();
        let step = first.as_ref();
        if step.is_none_or(|(class, ..)| *class > Class::Decision)
            && let Some(found) = self.stray(now)
        {
            return Ok((Class::Ending, found));
        }
        if step.is_none_or(|(class, ..)| *class > Class::Ending)
            && let Some(found) = self.sweep(now).or_else(|| self.untie(now))
        {
            return Ok((Class::Ending, found));
        }
        if self.folder.is_none()
            && self.folder_due.is_some_and(|due| due <= now)
            && step.is_none_or(|(class, ..)| *class > Class::Decision)
        {
            return Ok((Class::Ending, all(Call::Step(ForgeEffect::Ask(Ask::Folder)))));
        }
        if step.is_none_or(|(class, ..)| *class > Class::Ending)
            && let Some(found) = self.survey(now, step.is_none())
        {
            return Ok((Class::Creating, found));
        }
        let Some((class, _, key)) = step else { return Err(Some(self.listing.due())) };
        let found = self.plans.get(key).and_then(|p| p.forge.as_ref());
        let (Some((_, effect)), Some(approval)) = (found, self.approvals.get(key)) else {
            return Err(Some(self.listing.due()));
        };
        let basis = matches!(effect, ForgeEffect::Write(_)).then(|| approvals::target(approval));
        let call = Call::Step(effect.clone());
        Ok((*class, Request { subject: Subject::Approval(key.clone()), call, basis }))
    }

    /// The next step of a pull request without approval.
    fn stray(&self, now: Timestamp) -> Option<Request> {
        let due = self.orphans.iter().filter(|(_, known)| known.until.is_none_or(|until| until <= now));
        due.into_iter().find_map(|(number, known)| {
            let pull = self.pulls.get(number)?;
            let marker = plan::ours(&self.identity, pull)?;
            let (_, effect) = plan::orphan(pull, &marker, known)?;
            let subject = Subject::Orphan(*number, Box::new(marker));
            Some(Request { subject, call: Call::Step(effect), basis: None })
        })
    }

    /// Decides anew about everything that something changed about.
    fn replan(&mut self, now: Timestamp) {
        while let Some((at, key)) = self.wakes.first().cloned()
            && at <= now
        {
            self.wakes.remove(&(at, key.clone()));
            self.touch(&key);
        }
        // A turn that is given or lost changes a plan, and a plan the turns: bounded, since each approval has its turn
        // once before something else happens.
        for _ in 0..=self.approvals.len() {
            while let Some(key) = self.dirty.pop_first() {
                self.plan(now, &key);
            }
            let moved = self.queue.turns(self.open.len(), self.settings.max_open);
            if moved.is_empty() {
                break;
            }
            self.dirty.extend(moved);
        }
    }

    fn plan(&mut self, now: Timestamp, key: &Key) {
        self.forget_plan(key);
        let Some(approval) = self.approvals.get(key) else {
            self.queue.leave(key);
            return;
        };
        let observed = self.observed.entry(key.clone()).or_default();
        let name = approvals::branch_of(approval);
        let pulls: Vec<&Pull> = self
            .by_branch
            .get(&name)
            .into_iter()
            .flatten()
            .rev()
            .filter_map(|number| self.pulls.get(number))
            .collect();
        let view = View {
            now,
            settings: &self.settings,
            identity: (self.known && self.listing.is_complete()).then_some(&self.identity),
            approval,
            pulls: &pulls,
            observed,
            folder: self.folder.as_ref(),
            slot: self.queue.turn(key),
            started: self.started.unwrap_or(now),
            outage: self.pace.outage(),
        };
        let mut plan = plan::plan(&view);
        let urgency = plan::pending_proposal(approval).map(Urgency::of);
        match urgency.filter(|_| plan.wants) {
            Some(urgency) => {
                let rests = self.rests.get(key).map(|r| r.until).filter(|until| *until > now);
                let idle = plan.forge.is_none() && (plan.cluster.is_none() || rests.is_some());
                let stuck = idle && view.slot == Slot::Go;
                self.queue.enter(key, urgency);
                if stuck {
                    self.queue.stall(key);
                    if let Some(at) = plan.wake.into_iter().chain(rests).min() {
                        self.stalls.insert(key.clone(), at);
                    }
                }
                // Without its turn it does not know when to try again.
                plan.wake = plan.wake.into_iter().chain(self.stalls.get(key).copied()).min();
            }
            None => self.queue.leave(key),
        }
        if let Some(at) = plan.wake {
            self.wakes.insert((at, key.clone()));
        }
        if plan.cluster.is_some() {
            self.in_cluster.insert(key.clone());
        }
        if let Some((class, _)) = plan.forge {
            let urgency = urgency.unwrap_or(Urgency { beyond: 1.0, since: Timestamp::MIN });
            self.on_forge.insert((class, urgency, key.clone()));
            self.places.insert(key.clone(), (class, urgency));
        }
        self.plans.insert(key.clone(), plan);
    }

    fn forget_plan(&mut self, key: &Key) {
        let Some(plan) = self.plans.remove(key) else { return };
        if let Some(at) = plan.wake {
            self.wakes.remove(&(at, key.clone()));
        }
        self.in_cluster.remove(key);
        if let Some((class, urgency)) = self.places.remove(key) {
            self.on_forge.remove(&(class, urgency, key.clone()));
        }
    }

    /// Something about an approval changed.
    fn touch(&mut self, key: &Key) {
        self.queue.stir(key);
        self.stalls.remove(key);
        self.dirty.insert(key.clone());
    }

    fn touch_all(&mut self) {
        let keys: Vec<Key> = self.approvals.keys().cloned().collect();
        for key in &keys {
            self.touch(key);
        }
    }
}

/// How many requests a question takes, about.
fn reads(call: &Call) -> u32 {
    match call {
        Call::Login => 2,
        Call::Step(ForgeEffect::Ask(ask)) => Ask::weight(ask),
        _ => 1,
    }
}

/// What a request counts; nothing for a read.
fn weight(call: &Call) -> u32 {
    match call {
        Call::Step(ForgeEffect::Write(write)) => Write::weight(write),
        _ => 0,
    }
}

/// Whether it goes to the cluster and not to the forge.
fn local(call: &Call) -> bool {
    matches!(call, Call::Step(ForgeEffect::Ask(Ask::Findings | Ask::Gone | Ask::RequestReconcile)))
}

/// Pause after the same cluster write failed or changed nothing.
fn rest(attempts: u32) -> SignedDuration {
    rate_limit::backoff(SignedDuration::from_secs(1), attempts, SignedDuration::from_mins(5))
}

/// Whether a pull request waits.
fn is_open(pull: &Pull) -> bool {
    pull.state == PullState::Open
}
