//! Pull requests, as the forge shows them.

use autopilot_shared::api::PullRequestState;
use jiff::{SignedDuration, Timestamp};

use super::{Key, Tracker, is_open};
use crate::pull_requests::forge::{Conditional, Page, Pull, PullState};
use crate::pull_requests::plan;
use crate::pull_requests::text::branch::PREFIX;

impl Tracker {
    pub(crate) fn listed(&mut self, now: Timestamp, page: Conditional<Page>) {
        let poll = self.settings.poll;
        match page {
            Conditional::NotModified => self.listing.not_modified(now, poll),
            Conditional::Changed(page) => {
                for pull in &page.pulls {
                    self.take(pull.clone());
                }
                let enough = self.all_found();
                let first = !self.listing.is_complete();
                if self.listing.read(now, poll, &page, enough) && first {
                    self.look_for_orphans();
                    self.touch_all();
                }
            }
        }
    }

    /// Every pull request that an approval knows of was seen.
    fn all_found(&self) -> bool {
        self.approvals.values().all(|approval| {
            let noted = approval.raw.status.as_ref().and_then(|s| s.pull_request.as_ref());
            noted.is_none_or(|r| {
                r.number == 0 || r.state != PullRequestState::Open || self.pulls.contains_key(&r.number)
            })
        })
    }

    /// A pull request is as this; what is older than what is known is passed over.
    pub(crate) fn take(&mut self, pull: Pull) {
        if !pull.branch.starts_with(PREFIX) {
            return;
        }
        let known = self.pulls.get(&pull.number);
        if known.is_some_and(|k| k.updated > pull.updated || *k == pull) {
            return;
        }
        let keys: Vec<Key> = self.branches.get(&pull.branch).into_iter().flatten().cloned().collect();
        if known.is_none_or(|k| k.state != pull.state) {
            if pull.state == PullState::Merged {
                // Whatever is known of the folder is from before, and what was merged may be nobody's by now.
                self.folder = None;
                self.folder_due = Some(Timestamp::MIN);
            }
            for key in &keys {
                // People and the forge delete branches when a pull request ends, and restore them to open it again.
                if let Some(observed) = self.observed.get_mut(key)
                    && known.is_some()
                {
                    observed.branch = None;
                    observed.deciders.remove(&pull.number);
                }
            }
        }
        if keys.is_empty() && !is_open(&pull) {
            // Nobody will ask for it.
            return self.drop_pull(pull.number);
        }
        let ours = plan::ours(&self.identity, &pull).is_some();
        if ours
            && is_open(&pull)
            && known.is_some_and(|k| k.base == self.identity.base && k.base != pull.base)
        {
            self.base_is_doubtful();
        }
        if is_open(&pull) && ours {
            self.open.insert(pull.number);
        } else {
            self.open.remove(&pull.number);
            self.orphans.remove(&pull.number);
        }
        self.by_branch.entry(pull.branch.clone()).or_default().insert(pull.number);
        let number = pull.number;
        self.pulls.insert(number, pull);
        for key in &keys {
            self.touch(key);
        }
        if self.listing.is_complete() {
            self.is_orphan(number);
        }
    }

    /// A default branch can be renamed, which also turns every open pull request to it; one that the configuration names
    /// is what it says.
    pub(crate) fn base_is_doubtful(&mut self) {
        if self.settings.base.is_none() {
            self.known = false;
        }
    }

    /// Counts anew what is open and ours.
    pub(crate) fn count_open(&mut self) {
        let open = |pull: &&Pull| is_open(pull) && plan::ours(&self.identity, pull).is_some();
        self.open = self.pulls.values().filter(open).map(|pull| pull.number).collect();
    }

    fn drop_pull(&mut self, number: u64) {
        self.open.remove(&number);
        self.orphans.remove(&number);
        if let Some(pull) = self.pulls.remove(&number)
            && let Some(numbers) = self.by_branch.get_mut(&pull.branch)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_branch.remove(&pull.branch);
            }
        }
    }

    /// Forgets what ended on a branch that no approval has any more.
    pub(crate) fn forget_branch(&mut self, name: &str) {
        let numbers: Vec<u64> = self.by_branch.get(name).into_iter().flatten().copied().collect();
        for number in numbers {
            if self.pulls.get(&number).is_some_and(|p| !is_open(p)) {
                self.drop_pull(number);
            }
        }
    }

    pub(crate) fn look_for_orphans(&mut self) {
        if self.synced && self.listing.is_complete() {
            let open: Vec<u64> = self.open.iter().copied().collect();
            for number in open {
                self.is_orphan(number);
            }
        }
    }

    fn is_orphan(&mut self, number: u64) {
        let Some(pull) = self.pulls.get(&number).filter(|p| is_open(p)) else { return };
        let Some(marker) = plan::ours(&self.identity, pull) else { return };
        let there = self
            .approvals
            .get(&(marker.namespace, marker.name))
            .is_some_and(|a| a.raw.metadata.uid.as_ref() == Some(&marker.uid));
        if there {
            self.orphans.remove(&number);
        } else if self.synced {
            self.orphans.entry(number).or_default();
        }
    }

    /// We closed it. A list from before that shows it open is passed over: it is older by a hair.
    pub(crate) fn closed(&mut self, now: Timestamp, number: u64) {
        let Some(pull) = self.pulls.get(&number).cloned() else { return };
        let keys: Vec<Key> = self.branches.get(&pull.branch).into_iter().flatten().cloned().collect();
        let updated = pull.updated + SignedDuration::from_millis(1);
        self.take(Pull { state: PullState::Closed, ended: Some(now), updated, ..pull });
        for key in keys {
            if let Some(observed) = self.observed.get_mut(&key) {
                observed.deciders.insert(number, self.identity.login.clone());
            }
        }
    }
}
