//! A plan in the making. The first thing that must happen on the forge is done first; what the forge refused lately is
//! passed over, so that one refusal holds up nothing else.

use autopilot_shared::api::{ActionApproval, FINALIZER, PullRequest};
use jiff::{SignedDuration, Timestamp};

use super::conditions::{self, Conditions};
use super::effect::{Ask, Class, ClusterEffect, ForgeEffect, Plan, Write};
use super::view::{Folder, Identity, View};
use crate::pull_requests::forge::{Change, Pull, PullState};
use crate::pull_requests::text::comment::Comment;
use crate::pull_requests::text::{body, branch, file, marker};
use kube::ResourceExt as _;

/// The head of the base branch moves all the time: a commit on it is made right after it was asked for.
const FRESH: SignedDuration = SignedDuration::from_secs(3);

pub(crate) struct PlanBuilder<'a, 'b> {
    pub(crate) view: &'b View<'a>,
    pub(crate) class: Class,
    pub(crate) pull: Option<PullRequest>,
    pub(crate) conditions: Conditions,
    pub(crate) cluster: Option<ClusterEffect>,
    pub(crate) wants: bool,
    /// What the status says already stays, where nothing else is said.
    pub(crate) keep: bool,
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
            conditions: Conditions::new(),
            cluster: None,
            wants: false,
            keep: false,
            forge: None,
            wake: None,
            complete: true,
        }
    }

    pub(crate) fn approval(&self) -> &'a ActionApproval {
        &self.view.approval.raw
    }

    pub(crate) fn branch(&self) -> String {
        branch::branch(&self.approval().namespace().unwrap_or_default(), &self.approval().name_any())
    }

    /// The plan: what the cluster must be told first, then the forge.
    pub(crate) fn plan(mut self) -> Plan {
        if self.keep || self.view.identity.is_none() || matches!(self.forge, Some(ForgeEffect::Ask(_))) {
            conditions::keep(self.view, &mut self.conditions);
        }
        // The status of what is being deleted interests nobody.
        let leaving = self.approval().metadata.deletion_timestamp.is_some();
        let status = conditions::write(self.view, self.pull.clone(), &self.conditions).filter(|_| !leaving);
        let cluster = self.cluster.or(status);
        let forge = if cluster.is_some() { None } else { self.forge.map(|effect| (self.class, effect)) };
        Plan { cluster, forge, wake: self.wake, wants: self.wants }
    }

    /// Nothing is left to do.
    pub(crate) fn complete(&self) -> bool {
        self.complete && self.forge.is_none()
    }

    /// The status says what it must.
    pub(crate) fn status_stands(&self) -> bool {
        conditions::write(self.view, self.pull.clone(), &self.conditions).is_none()
    }

    /// Says this, whatever was said before.
    pub(crate) fn replace_condition(
        &mut self,
        kind: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.conditions.insert(kind, (reason.into(), message.into()));
    }

    pub(crate) fn set_condition(
        &mut self,
        kind: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.conditions.entry(kind).or_insert_with(|| (reason.into(), message.into()));
    }

    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        self.effect(ForgeEffect::Ask(ask));
    }

    pub(crate) fn write(&mut self, write: Write) {
        self.effect(ForgeEffect::Write(Box::new(write)));
    }

    /// Why the forge refused this lately.
    pub(crate) fn refusal(&self, effect: &ForgeEffect) -> Option<&'a super::view::Refusal> {
        self.view.observed.refusals.get(&effect.mark())
    }

    fn effect(&mut self, effect: ForgeEffect) {
        self.complete = false;
        if let Some(hold) = self.refusal(&effect) {
            // Whoever may not look does not know better.
            self.keep |= matches!(effect, ForgeEffect::Ask(_));
            // Silence passes, most of the time; a no stands until it is a yes, also while it is asked again.
            if hold.definite {
                self.refused(&effect, &hold.why);
            }
            if hold.until > self.view.now {
                return self.wake(hold.until);
            }
        }
        self.forge.get_or_insert(effect);
    }

    fn refused(&mut self, effect: &ForgeEffect, why: &str) {
        if let Some(Write::Push { .. } | Write::Open(_)) = effect.change() {
            let text = format!("the forge refuses its pull request: {why}");
            return self.replace_condition(conditions::WAITS, "Refused", text);
        }
        let (kind, text) = match effect {
            ForgeEffect::Ask(_) if self.wants => {
                (conditions::WAITS, format!("there is no pull request yet: {why}"))
            }
            ForgeEffect::Ask(_) => (conditions::LEFT, format!("the forge does not let us look: {why}")),
            ForgeEffect::Write(_) => {
                (conditions::LEFT, format!("the forge refuses to {}: {why}", effect.mark()))
            }
        };
        self.set_condition(kind, "Refused", text);
    }

    /// Sets our finalizer, unless it is there: whatever is on the forge afterwards needs us.
    pub(crate) fn finalizer(&mut self) -> bool {
        let finalizers = self.approval().finalizers();
        if finalizers.iter().any(|f| f == FINALIZER) {
            return true;
        }
        let finalizers = finalizers.iter().cloned().chain([FINALIZER.to_owned()]).collect();
        self.cluster =
            Some(ClusterEffect::AddFinalizer { target: conditions::target(self.view), finalizers });
        false
    }

    /// Says something on a pull request, once. The comments are read first, so that a crash after the last attempt
    /// does not say it twice.
    pub(crate) fn comment(&mut self, number: u64, comment: &Comment<'_>, digest: &str) {
        let outcome = marker::outcome(comment.word(), digest);
        let said = self.view.observed.posted.get(&number);
        if said.is_some_and(|s| s.outcomes.contains(&outcome)) {
            return;
        }
        if said.is_none_or(|s| !s.fresh) {
            return self.ask(Ask::Comments { number });
        }
        let text = comment.text(Some(self.approval()), digest);
        self.write(Write::Comment { number, outcome, text });
    }

    /// Whether it was us who closed a pull request, as far as that is remembered.
    pub(crate) fn closed_by_us(&self, pull: &Pull) -> bool {
        let closed = self.view.observed.deciders.get(&pull.number);
        pull.state == PullState::Closed
            && self.view.identity.is_some_and(|identity| closed == Some(&identity.login))
    }

    /// Says how it ended, and closes.
    pub(crate) fn end(&mut self, pull: &Pull, comments: &[Comment<'_>], digest: &str) {
        for comment in comments {
            self.comment(pull.number, comment, digest);
        }
        if pull.state == PullState::Open {
            self.write(Write::Close { number: pull.number });
        }
    }

    /// Deletes the branch, if it is there and ours: `pulls` are ours, so are their heads.
    pub(crate) fn drop_branch<'p>(&mut self, pulls: impl Iterator<Item = &'p Pull>) {
        let name = self.branch();
        match &self.view.observed.branch {
            None => self.ask(Ask::Branch { name }),
            Some(None) => {}
            Some(Some(tip)) => {
                if pulls.into_iter().any(|p| p.head == tip.commit) {
                    return self.write(Write::DeleteBranch { name, commit: tip.commit.clone() });
                }
                match self.pushed_by_us(tip) {
                    None => self.ask(Ask::Tip { commit: tip.commit.clone() }),
                    Some(true) => self.write(Write::DeleteBranch { name, commit: tip.commit.clone() }),
                    Some(false) => {
                        self.set_condition(
                            conditions::LEFT,
                            "ForeignBranch",
                            format!("branch {name} is not ours and stays"),
                        );
                    }
                }
            }
        }
    }

    /// Whether the commit at the head of a branch is one that this cluster made; nothing when that must be asked. The
    /// name of the file proves it, whoever the configuration calls the author by now.
    pub(crate) fn pushed_by_us(&self, tip: &crate::pull_requests::forge::Branch) -> Option<bool> {
        if tip.message.lines().next() != body::message(self.approval()).lines().next() {
            return Some(false);
        }
        let contents = self.view.observed.tips.get(&tip.commit)?;
        Some(contents.iter().any(|c| self.is_named(c)))
    }

    pub(crate) fn is_named(&self, content: &file::FiledApproval) -> bool {
        Some(&content.namespace) == self.approval().metadata.namespace.as_ref()
            && content.name == self.approval().name_any()
    }

    /// UUIDs of the files that were made for this approval, as far as it tells: they are ours whatever is in them by now.
    fn own_uuids(&self) -> Vec<String> {
        let Some(status) = &self.approval().status else { return Vec::new() };
        let cluster = self.view.identity.map(|identity| identity.cluster.as_str()).unwrap_or_default();
        let proposed = status.proposal.as_ref().map(|p| &p.digest);
        let decided = status.decision.as_ref().map(|d| &d.digest);
        let noted = status.pull_request.as_ref().map(|p| &p.digest);
        let digests = [proposed, decided, noted].into_iter().flatten().filter(|digest| !digest.is_empty());
        digests.map(|digest| file::uuid(cluster, digest)).collect()
    }

    /// The paths of this approval's files in the folder; nothing when more must be read first.
    pub(crate) fn own_files(&mut self) -> Option<Vec<String>> {
        let folder = self.view.folder?;
        let name = self.approval().name_any();
        let uuids = self.own_uuids();
        let mut own = Vec::new();
        for found in &folder.files {
            let Some(uuid) = file::uuid_of(&found.path, &name) else { continue };
            if uuids.iter().any(|known| known == uuid) {
                own.push(found.path.clone());
                continue;
            }
            match folder.contents.get(found).map(|inside| &inside.approval) {
                None => {
                    self.ask(folder.look(found));
                    return None;
                }
                Some(Some(content)) if self.is_named(content) => own.push(found.path.clone()),
                Some(_) => {}
            }
        }
        Some(own)
    }

    /// Removes files of ours for earlier proposals of this approval, which somebody put back: a GitOps tool applies them
    /// again and again, and when they came after the pull request, merging it makes two files for one object. Looked for
    /// when the object says what such a file says.
    pub(crate) fn drop_stale_files(&mut self, identity: &Identity, current: &str) {
        let Some(folder) = self.view.folder else { return };
        let Some(own) = self.own_files() else { return };
        let (known, current) = (self.own_uuids(), file::uuid(&identity.cluster, current));
        let is_stale = |path: &String| {
            let found = folder.files.iter().find(|f| f.path == **path);
            let content = found.and_then(|f| folder.contents.get(f)?.approval.as_ref());
            let made =
                content.filter(|c| !c.digest.is_empty()).map(|c| file::uuid(&identity.cluster, &c.digest));
            file::any_uuid(path).is_some_and(|uuid| {
                uuid != current && (known.iter().any(|k| k == uuid) || made.as_deref() == Some(uuid))
            })
        };
        let stale = own.into_iter().filter(is_stale).collect();
        self.drop_paths(folder, stale);
    }

    /// Removes all files of this approval but one that was merged beside them, also those that name no proposal: two files
    /// of one object hold the whole Kustomization up, and the merged one with it.
    pub(crate) fn drop_files_beside(&mut self, merged: &str) {
        let Some(folder) = self.view.folder else { return };
        let Some(own) = self.own_files() else { return };
        self.drop_paths(folder, own.into_iter().filter(|path| path != merged).collect());
    }

    /// Removes this approval's files from the branch to merge into. The folder is asked for anew whenever something was
    /// merged.
    pub(crate) fn drop_files(&mut self) {
        let Some(folder) = self.view.folder else {
            return self.ask(Ask::Folder);
        };
        let Some(paths) = self.own_files() else { return };
        self.drop_paths(folder, paths);
    }

    fn drop_paths(&mut self, folder: &Folder, paths: Vec<String>) {
        if paths.is_empty() {
            return;
        }
        let others = match folder.others(&paths) {
            Ok(others) => others,
            Err(unread) => return self.ask(folder.look(unread)),
        };
        if folder.at + FRESH < self.view.now {
            return self.ask(Ask::Folder);
        }
        let change = Change {
            message: body::deletion(&paths, &others),
            author: self.view.settings.author.clone(),
            // Another attempt on another head is another commit anyway.
            at: self.view.now,
            add: others,
            remove: paths,
        };
        self.write(Write::DeleteFiles { parent: folder.base.clone(), change });
    }
}
