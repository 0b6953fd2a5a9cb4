//! A forge in memory: git with commits that are named by their content, pull requests, and the people who use them. It
//! enforces what GitHub documents, can lose answers, and counts.

// By path, since the benchmarks take this file from another place.
#[path = "fake_forge/port.rs"]
mod port;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use autopilot_controller::pull_requests::{Branch, ForgeError, Pull, PullState};

use autopilot_shared::digest;
use jiff::{SignedDuration, Timestamp};

pub(crate) const REPOSITORY: &str = "acme/fleet";
pub(crate) const BOT: &str = "bot";

#[derive(Clone, Debug)]
struct Commit {
    parent: Option<String>,
    tree: BTreeMap<String, String>,
    message: String,
    email: String,
}

/// What goes wrong with the n-th write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not happen, and there is no answer.
    Before,
    /// It happens, and there is no answer.
    After,
}

/// A forge that says no to one kind of request.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub what: &'static str,
    pub error: ForgeError,
    /// How often it will.
    pub times: u32,
    /// How often it did.
    pub refused: u32,
}

impl Refusal {
    /// Until it is taken away.
    pub(crate) fn always(what: &'static str, error: ForgeError) -> Self {
        Refusal { what, error, times: u32::MAX, refused: 0 }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Lists that were not conditional.
    pub lists: u32,
    /// Conditional lists.
    pub conditional: u32,
    pub reads: u32,
    pub writes: u32,
    /// Answers that were a limit.
    pub limited: u32,
}

pub(crate) struct State {
    pub now: Timestamp,
    pub refs: BTreeMap<String, String>,
    commits: BTreeMap<String, Commit>,
    pub pulls: BTreeMap<u64, Pull>,
    /// By pull request: who said what.
    pub comments: BTreeMap<u64, Vec<(String, String)>>,
    /// Counts what changed about pull requests.
    revision: u64,
    /// Whose the token is.
    pub bot: String,
    /// Whose it was when that was asked.
    pub known: String,
    /// The branch that is merged into by default.
    pub default: String,
    deciders: BTreeMap<u64, String>,
    pub counts: Counts,
    pub log: Vec<String>,
    /// By number of the write.
    pub faults: BTreeMap<u32, Fault>,
    /// One of them happened.
    pub faulted: bool,
    /// Every request gives this.
    pub down: Option<ForgeError>,
    /// Requests of which the line in the log begins so, or would, give this, so many times.
    pub refusals: Vec<Refusal>,
    /// Who cannot be asked for a review.
    pub strangers: BTreeSet<String>,
    /// Branches that nobody may move.
    pub protected: BTreeSet<String>,
    /// Branches that nobody may delete.
    pub kept: BTreeSet<String>,
    /// Duplicates of open pull requests are accepted, as some forges do.
    pub duplicates: bool,
    recent: VecDeque<(Timestamp, u32)>,
    requests: VecDeque<Timestamp>,
    last_write: Option<Timestamp>,
}

/// A handle; all handles see the same forge.
#[derive(Clone)]
pub(crate) struct FakeForge(Arc<Mutex<State>>);

impl FakeForge {
    pub(crate) fn new(now: Timestamp) -> Self {
        let root = Commit {
            parent: None,
            tree: BTreeMap::from([("clusters/prod/.keep".to_owned(), String::new())]),
            message: "first".to_owned(),
            email: "someone@example.com".to_owned(),
        };
        FakeForge(Arc::new(Mutex::new(State {
            now,
            refs: BTreeMap::from([("main".to_owned(), "root".to_owned())]),
            commits: BTreeMap::from([("root".to_owned(), root)]),
            pulls: BTreeMap::new(),
            comments: BTreeMap::new(),
            revision: 0,
            bot: BOT.to_owned(),
            known: String::new(),
            default: "main".to_owned(),
            deciders: BTreeMap::new(),
            counts: Counts::default(),
            log: Vec::new(),
            faults: BTreeMap::new(),
            faulted: false,
            down: None,
            refusals: Vec::new(),
            strangers: BTreeSet::new(),
            protected: BTreeSet::new(),
            kept: BTreeSet::new(),
            duplicates: false,
            recent: VecDeque::new(),
            requests: VecDeque::new(),
            last_write: None,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn read_once(&self, what: &str) -> Result<MutexGuard<'_, State>, ForgeError> {
        let mut state = self.state();
        state.request()?;
        state.counts.reads += 1;
        state.refused(what)?;
        Ok(state)
    }

    fn write_once<T>(
        &self,
        weight: u32,
        what: &str,
        act: impl FnOnce(&mut State) -> Result<T, ForgeError>,
    ) -> Result<T, ForgeError> {
        let mut state = self.state();
        state.request()?;
        state.content(weight)?;
        state.refused(what)?;
        state.counts.writes += 1;
        let number = state.counts.writes;
        let fault = state.faults.remove(&number);
        state.faulted |= fault.is_some();
        if fault == Some(Fault::Before) {
            return Err(ForgeError::Unavailable(format!("{what} (before)")));
        }
        let done = act(&mut state);
        state.log.push(what.to_owned());
        if fault == Some(Fault::After) {
            return Err(ForgeError::Unavailable(format!("{what} (after)")));
        }
        done
    }

    /// The controllers' clock is set back; the forge's own limits are not.
    pub(crate) fn set_back(&self, by: SignedDuration) {
        let mut state = self.state();
        state.now -= by;
        state.last_write = state.last_write.map(|at| at - by);
        state.recent.iter_mut().for_each(|(at, _)| *at -= by);
        state.requests.iter_mut().for_each(|at| *at -= by);
    }

    /// What stands in a file of a branch.
    pub(crate) fn file(&self, branch: &str, path: &str) -> Option<String> {
        let state = self.state();
        state.commits[state.refs.get(branch)?].tree.get(path).cloned()
    }

    /// Paths of all approvals on the base branch.
    pub(crate) fn base_files(&self) -> Vec<(String, String)> {
        let state = self.state();
        let tree = &state.commits[&state.refs["main"]].tree;
        tree.iter().filter(|(p, _)| p.ends_with(".yaml")).map(|(p, c)| (p.clone(), c.clone())).collect()
    }

    pub(crate) fn branches(&self) -> Vec<String> {
        self.state().refs.keys().filter(|name| *name != "main").cloned().collect()
    }

    pub(crate) fn pulls(&self) -> Vec<Pull> {
        self.state().pulls.values().cloned().collect()
    }

    /// The newest pull request.
    pub(crate) fn last(&self) -> Pull {
        self.pulls().pop().expect("a pull request")
    }

    pub(crate) fn open_pulls(&self) -> Vec<Pull> {
        self.pulls().into_iter().filter(|p| p.state == PullState::Open).collect()
    }

    /// How many comments of an outcome a pull request has.
    pub(crate) fn said(&self, number: u64, word: &str) -> usize {
        let state = self.state();
        let mark = format!("autopilot-said {word} ");
        state.comments.get(&number).into_iter().flatten().filter(|(_, c)| c.contains(&mark)).count()
    }

    // What people do.

    pub(crate) fn merge(&self, number: u64, by: &str) {
        let mut state = self.state();
        let pull = state.pulls[&number].clone();
        assert_eq!(pull.state, PullState::Open, "{pull:?}");
        let base = state.refs[&pull.base].clone();
        let mut before = pull.head.clone();
        while !state.is_ancestor(&before, &base) {
            before = state.commits[&before].parent.clone().unwrap();
        }
        let (old, new) = (state.commits[&before].tree.clone(), state.commits[&pull.head].tree.clone());
        let mut tree = state.commits[&base].tree.clone();
        tree.extend(new.iter().filter(|(p, c)| old.get(*p) != Some(*c)).map(|(p, c)| (p.clone(), c.clone())));
        tree.retain(|path, _| !old.contains_key(path) || new.contains_key(path));
        let id = state.add(Commit {
            parent: Some(base),
            tree,
            message: format!("Merge {number}"),
            email: "person@example.com".to_owned(),
        });
        state.refs.insert(pull.base.clone(), id);
        state.end(number, PullState::Merged, by);
    }

    pub(crate) fn close_by(&self, number: u64, by: &str) {
        self.state().end(number, PullState::Closed, by);
    }

    pub(crate) fn reopen(&self, number: u64) {
        let mut state = self.state();
        let (branch, head) = (state.pulls[&number].branch.clone(), state.pulls[&number].head.clone());
        state.refs.entry(branch).or_insert(head);
        state.change(number, |pull| {
            pull.state = PullState::Open;
            pull.ended = None;
        });
    }

    pub(crate) fn delete_by(&self, branch: &str, by: &str) {
        self.state().delete_branch(branch, by);
    }

    pub(crate) fn edit(&self, number: u64, edit: impl FnOnce(&mut Pull)) {
        self.state().change(number, edit);
    }

    /// Somebody pushes to a branch, new or not.
    pub(crate) fn push(&self, branch: &str, edit: impl FnOnce(&mut BTreeMap<String, String>)) {
        let mut state = self.state();
        let parent = state.refs.get(branch).or_else(|| state.refs.get("main")).cloned().unwrap();
        let mut tree = state.commits[&parent].tree.clone();
        edit(&mut tree);
        let id = state.add(Commit {
            parent: Some(parent),
            tree,
            message: "by hand".to_owned(),
            email: "person@example.com".to_owned(),
        });
        state.refs.insert(branch.to_owned(), id.clone());
        let open: Vec<u64> = state
            .pulls
            .values()
            .filter(|p| p.branch == branch && p.state == PullState::Open)
            .map(|p| p.number)
            .collect();
        for number in open {
            state.change(number, |pull| pull.head.clone_from(&id));
        }
    }

    /// Somebody opens a pull request that looks like another one.
    pub(crate) fn look_alike(&self, of: &Pull, author: &str, repository: &str) -> u64 {
        let mut state = self.state();
        let number = state.next_number();
        let now = state.now;
        let pull = Pull {
            number,
            author: author.to_owned(),
            head_repo: Some(repository.to_owned()),
            updated: now,
            state: PullState::Open,
            ended: None,
            ..of.clone()
        };
        state.pulls.insert(number, pull);
        number
    }
}

impl State {
    fn request(&mut self) -> Result<(), ForgeError> {
        if let Some(error) = &self.down {
            return Err(error.clone());
        }
        if !self.known.is_empty() && self.known != self.bot {
            return Err(ForgeError::NewToken);
        }
        let now = self.now;
        self.requests.retain(|at| *at + SignedDuration::from_hours(1) > now);
        self.requests.push_back(now);
        let minute = self.requests.iter().rev().take_while(|at| **at + SignedDuration::from_mins(1) > now);
        if self.requests.len() > 5_000 || minute.count() > 900 {
            return self.limited("primary");
        }
        Ok(())
    }

    fn refused(&mut self, what: &str) -> Result<(), ForgeError> {
        let mut all = self.refusals.iter_mut();
        match all.find(|refusal| what.starts_with(refusal.what) && refusal.refused < refusal.times) {
            Some(refusal) => {
                refusal.refused += 1;
                Err(refusal.error.clone())
            }
            None => Ok(()),
        }
    }

    /// GitHub: 80 creations a minute, 500 an hour, a second between writes.
    fn content(&mut self, weight: u32) -> Result<(), ForgeError> {
        let now = self.now;
        self.recent.retain(|(at, _)| *at + SignedDuration::from_hours(1) > now);
        let hour: u32 = self.recent.iter().map(|(_, w)| w).sum();
        let in_minute = |at: &Timestamp| *at + SignedDuration::from_mins(1) > now;
        let minute: u32 = self.recent.iter().filter(|(at, _)| in_minute(at)).map(|(_, w)| w).sum();
        let close = self.last_write.is_some_and(|at| at + SignedDuration::from_secs(1) > now);
        self.recent.push_back((now, weight));
        if hour + weight > 500 || minute + weight > 80 || close {
            return self.limited("secondary");
        }
        self.last_write = Some(now);
        Ok(())
    }

    fn limited<T>(&mut self, why: &str) -> Result<T, ForgeError> {
        self.counts.limited += 1;
        Err(ForgeError::Limited { until: self.now + SignedDuration::from_mins(1), why: why.to_owned() })
    }

    fn add(&mut self, commit: Commit) -> String {
        let text = format!("{commit:?}");
        let id = digest::hex(text.as_bytes(), 40);
        self.commits.insert(id.clone(), commit);
        id
    }

    fn is_ancestor(&self, old: &str, new: &str) -> bool {
        let mut at = Some(new.to_owned());
        while let Some(id) = at {
            if id == old {
                return true;
            }
            at = self.commits[&id].parent.clone();
        }
        false
    }

    fn next_number(&mut self) -> u64 {
        self.revision += 1;
        self.pulls.keys().next_back().map_or(1, |n| n + 1)
    }

    fn change(&mut self, number: u64, edit: impl FnOnce(&mut Pull)) {
        let now = self.now;
        self.revision += 1;
        let pull = self.pulls.get_mut(&number).unwrap();
        edit(pull);
        // GitHub's clock has seconds.
        pull.updated = Timestamp::from_second(now.as_second()).unwrap().max(pull.updated);
    }

    fn end(&mut self, number: u64, state: PullState, by: &str) {
        let now = Timestamp::from_second(self.now.as_second()).unwrap();
        self.deciders.insert(number, by.to_owned());
        self.change(number, |pull| {
            pull.state = state;
            pull.ended = Some(now);
        });
    }

    fn delete_branch(&mut self, branch: &str, by: &str) {
        self.refs.remove(branch);
        let open: Vec<u64> = self
            .pulls
            .values()
            .filter(|p| p.branch == branch && p.state == PullState::Open)
            .filter(|p| p.head_repo.as_deref() == Some(REPOSITORY))
            .map(|p| p.number)
            .collect();
        for number in open {
            self.end(number, PullState::Closed, by);
        }
    }

    fn tip(&self, name: &str) -> Option<Branch> {
        let commit = self.refs.get(name)?;
        let found = &self.commits[commit];
        Some(Branch {
            name: name.to_owned(),
            commit: commit.clone(),
            tree: format!("tree of {commit}"),
            message: found.message.clone(),
            email: found.email.clone(),
        })
    }

    fn at(&self, at: &str) -> Option<&Commit> {
        self.commits.get(self.refs.get(at).map_or(at, String::as_str))
    }
}
