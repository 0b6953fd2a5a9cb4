//! Names that many rows share.

use std::collections::HashSet;
use std::sync::Arc;

use crate::text::Safe;

/// Names that many rows share are kept once.
#[derive(Debug, Default)]
pub struct Names {
    known: HashSet<Safe>,
}

/// More different names than this are not worth remembering.
const KNOWN: usize = 20_000;

impl Names {
    /// Returns the text as [`Safe`], in shared memory.
    pub(crate) fn safe(&mut self, raw: &str) -> Safe {
        let safe = Safe::new(raw);
        if let Some(known) = self.known.get(&safe) {
            return known.clone();
        }
        if self.known.len() < KNOWN {
            self.known.insert(safe.clone());
        }
        safe
    }

    /// Returns the text as it came: shared with `safe` if that is the same.
    pub(crate) fn raw(raw: &str, safe: &Safe) -> Arc<str> {
        if safe.as_str() == raw { safe.shared() } else { raw.into() }
    }
}

/// A PVC as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PvcName {
    /// Its namespace.
    pub namespace: Safe,
    /// Its name.
    pub name: Safe,
}

/// Returns the key that joins a rule's object across kinds: rule and volume.
pub fn pair(rule: &str, volume: &str) -> Arc<str> {
    format!("{rule}\u{0}{volume}").into()
}
