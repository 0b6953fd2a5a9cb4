//! The folder on the branch to merge into: what it holds, and when it is to be read again.

use std::collections::BTreeMap;

use autopilot_shared::backoff::backoff;
use jiff::{SignedDuration, Timestamp};

use super::pauses;
use crate::pull_requests::forge::{Branch, File, ForgeError};
use crate::pull_requests::plan::Folder;
use crate::pull_requests::text::file::FileContent;

/// Between two looks because of what a file may have written.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// Pause of the removal of leftover files after the head of the branch moved, or there was no response.
const SWEEP_AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// The same after a refusal.
const SWEEP_REFUSED: SignedDuration = SignedDuration::from_mins(30);

/// The folder as it was read last.
#[derive(Debug)]
pub(super) struct FolderState {
    folder: Option<Folder>,
    /// Content of the files that were read, also while the list of files is not known.
    contents: BTreeMap<File, FileContent>,
    /// When to read it although no approval asks for it; `None` if there is no need.
    due: Option<Timestamp>,
    /// How often in a row the folder, or a file in it, was refused.
    refused: u32,
    /// Leftover files are left alone until then.
    sweep_due: Timestamp,
}

impl FolderState {
    pub(super) fn new() -> Self {
        FolderState {
            folder: None,
            contents: BTreeMap::new(),
            due: Some(Timestamp::MIN),
            refused: 0,
            sweep_due: Timestamp::MIN,
        }
    }

    pub(super) fn get(&self) -> Option<&Folder> {
        self.folder.as_ref()
    }

    /// The folder, if leftover files in it may be removed now.
    pub(super) fn to_sweep(&self, now: Timestamp) -> Option<&Folder> {
        self.folder.as_ref().filter(|_| self.sweep_due <= now)
    }

    /// Whether it is to be read although no approval asks for it.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.folder.is_none() && self.due.is_some_and(|due| due <= now)
    }

    /// Times at which there may be something to do.
    pub(super) fn dues(&self) -> [Option<Timestamp>; 2] {
        [Some(self.sweep_due), self.due]
    }

    /// It is not as it was read; an approval that needs it asks for it.
    pub(super) fn forget(&mut self) {
        self.folder = None;
    }

    /// It is not as it was read, and is read again in any case.
    pub(super) fn forget_and_read(&mut self) {
        self.folder = None;
        self.due = Some(Timestamp::MIN);
    }

    /// A file of it may have written an approval. It is read soon, and not with every change of somebody who writes
    /// all the time.
    pub(super) fn approval_came_from_file(&mut self) {
        let due = self.folder.take().map(|folder| folder.at + AGAIN).or(self.due);
        self.due = Some(due.unwrap_or(Timestamp::MIN));
    }

    pub(super) fn listed(&mut self, now: Timestamp, base: Branch, files: Vec<File>) {
        self.due = None;
        self.contents.retain(|file, _| files.contains(file));
        self.folder = Some(Folder { base, at: now, files, contents: self.contents.clone() });
    }

    pub(super) fn file_read(&mut self, file: File, content: FileContent) {
        if let Some(folder) = &mut self.folder {
            folder.contents.insert(file.clone(), content.clone());
        }
        self.contents.insert(file, content);
    }

    /// A step of its own, not of an approval, succeeded.
    pub(super) fn succeeded(&mut self) {
        self.refused = 0;
    }

    /// A step of its own, not of an approval, failed.
    pub(super) fn failed(&mut self, now: Timestamp, error: &ForgeError) {
        let due = now + backoff(self.refused, pauses::REFUSED, pauses::LONGEST);
        // Silence has a pause of its own.
        self.refused = if error.is_definite() { self.refused.saturating_add(1) } else { 0 };
        self.due = Some(due);
        self.sweep_due = due;
    }

    /// A commit that removes leftover files was made, or one of them is no leftover.
    pub(super) fn swept(&mut self, now: Timestamp) {
        self.folder = None;
        self.sweep_due = now;
    }

    pub(super) fn sweep_failed(&mut self, now: Timestamp, error: &ForgeError) {
        let pause = if matches!(error, ForgeError::Refused(_)) { SWEEP_REFUSED } else { SWEEP_AGAIN };
        self.folder = None;
        self.sweep_due = now + pause;
        self.due = Some(self.sweep_due);
    }

    /// Lifts what the forge refused under another token.
    pub(super) fn lift_refusals(&mut self) {
        self.refused = 0;
        self.sweep_due = Timestamp::MIN;
        if self.folder.is_none() {
            self.due = Some(Timestamp::MIN);
        }
    }

    pub(super) fn clock_went_back(&mut self) {
        self.forget_and_read();
        self.refused = 0;
        self.sweep_due = Timestamp::MIN;
    }
}
