//! Files of ours on the branch to merge into that nobody waits for: a GitOps tool would apply them again and again.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::{Call, LeftoverFile, Request, Subject, Tracker};
use crate::decide::Approval;
use crate::pull_requests::forge::{Change, ForgeError};
use crate::pull_requests::plan::{self, Ask, ForgeEffect, Write};
use crate::pull_requests::text::file::FiledApproval;
use crate::pull_requests::text::{body, file};
use autopilot_shared::api::{FINALIZER, approval_state};

/// A commit on the base branch is made right after its head was asked for.
const FRESH: SignedDuration = SignedDuration::from_secs(3);
/// Pause after the head moved, or there was no answer.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// Pause after a refusal.
const REFUSED: SignedDuration = SignedDuration::from_mins(30);
/// Files that one commit removes.
const AT_ONCE: usize = 50;

impl Tracker {
    /// The next step about such files. Only files whose name says that this cluster made them are looked at twice.
    pub(crate) fn sweep(&self, now: Timestamp) -> Option<Request> {
        let folder = self.folder.as_ref().filter(|_| self.sweep_due <= now)?;
        let request = |subject, effect| Some(Request { subject, call: Call::Step(effect), basis: None });
        let mut strays = Vec::new();
        for found in &folder.files {
            let Some(uuid) = file::any_uuid(&found.path) else { continue };
            match folder.contents.get(found).map(|inside| &inside.approval) {
                None => return request(Subject::All, ForgeEffect::Ask(folder.look(found))),
                Some(Some(content)) if self.is_stray(uuid, content) => strays.push(LeftoverFile {
                    path: found.path.clone(),
                    key: (content.namespace.clone(), content.name.clone()),
                    digest: content.digest.clone(),
                }),
                Some(_) => {}
            }
        }
        strays.truncate(AT_ONCE);
        if strays.is_empty() {
            return None;
        }
        if folder.at + FRESH < now {
            return request(Subject::All, ForgeEffect::Ask(Ask::Folder));
        }
        let paths: Vec<String> = strays.iter().map(|s| s.path.clone()).collect();
        // All of them were read.
        let others = folder.others(&paths).ok()?;
        let change = Change {
            message: body::deletion(&paths, &others),
            author: self.settings.author.clone(),
            at: now,
            add: others,
            remove: paths,
        };
        let write = Write::DeleteFiles { parent: folder.base.clone(), change };
        request(Subject::LeftoverFiles(strays), ForgeEffect::Write(Box::new(write)))
    }

    fn is_stray(&self, uuid: &str, content: &FiledApproval) -> bool {
        if content.digest.is_empty() || uuid != file::uuid(&self.identity.cluster, &content.digest) {
            return false;
        }
        match self.approvals.get(&(content.namespace.clone(), content.name.clone())) {
            None => true,
            // What is open removes it with its own pull request, what we still hold by its own commit.
            Some(approval) => {
                plan::pending_proposal(approval).is_none()
                    && !approval.raw.finalizers().iter().any(|f| f == FINALIZER)
            }
        }
    }

    /// What came of a commit that removes them.
    pub(crate) fn swept(&mut self, now: Timestamp, error: Option<&ForgeError>) {
        self.folder = None;
        self.sweep_due = match error {
            None => now,
            Some(ForgeError::Refused(_)) => now + REFUSED,
            Some(_) => now + AGAIN,
        };
        if error.is_some() {
            self.folder_due = Some(self.sweep_due);
        }
    }

    /// An object that says what a file said and nobody asked: the file is looked for.
    pub(crate) fn comes_from_a_file(approval: &Approval) -> bool {
        let asked = approval.raw.spec.actions.iter().flatten().find_map(|a| a.proposal.as_ref());
        let status = approval.raw.status.as_ref();
        let current = status.and_then(|s| s.proposal.as_ref()).map(|p| &p.digest);
        approval.raw.spec.approval_state.as_deref() == Some(approval_state::APPROVED)
            && asked.is_some()
            && asked != current
    }
}
