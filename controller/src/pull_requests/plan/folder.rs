//! The folder on the branch to merge into, as it was read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::effect::Ask;
use crate::pull_requests::forge::{Branch, File, is_kustomization};
use crate::pull_requests::text::file::{self, FileContent};

/// The folder on the branch to merge into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    /// That branch when it was read.
    pub(crate) base: Branch,
    /// When it was read.
    pub(crate) at: Timestamp,
    /// The files in it, and the lists of files in the folders above it.
    pub(crate) files: Vec<File>,
    /// Content of those that were read.
    pub(crate) contents: BTreeMap<File, FileContent>,
}

impl Folder {
    /// Returns the list of files that the folder at this path brings along, if any: then new files are not picked up.
    pub(crate) fn kustomization(&self, folder: &str) -> Option<&str> {
        self.lists().find(|path| folder_of(path) == folder)
    }

    /// Returns the nearest such list in a folder above it, not above the one that the GitOps tool begins at: it may
    /// leave this folder out.
    pub(crate) fn kustomization_above(&self, folder: &str, begin: &str) -> Option<&str> {
        let inside = |at: &str| {
            begin.is_empty()
                || at.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let lists = self.lists().filter(|path| folder_of(path) != folder && inside(folder_of(path)));
        lists.max_by_key(|path| path.matches('/').count())
    }

    /// Returns path and text of the files that keep the documents of others when these files are removed.
    ///
    /// # Errors
    /// The first of them that was not read.
    pub(crate) fn others(&self, paths: &[String]) -> Result<Vec<(String, String)>, &File> {
        let mut kept = BTreeMap::new();
        for found in self.files.iter().filter(|f| paths.contains(&f.path)) {
            let others = &self.contents.get(found).ok_or(found)?.others;
            if !others.is_empty() {
                kept.insert(file::beside(&found.path, others), others.clone());
            }
        }
        Ok(kept.into_iter().collect())
    }

    /// Returns the step that reads a file of it.
    pub(crate) fn look(&self, file: &File) -> Ask {
        Ask::File { path: file.path.clone(), blob: file.blob.clone(), at: self.base.commit.clone() }
    }

    fn lists(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|f| f.path.as_str()).filter(|path| is_kustomization(path))
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
