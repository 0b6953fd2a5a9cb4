//! The last key: tells pressing from holding, and typing from pasting.

use std::time::Duration;

use crate::keymap::Key;

/// A key that comes again within this time is held down, not pressed.
pub(crate) const REPEAT: Duration = Duration::from_millis(700);

/// Keys closer than this are pasted, not typed.
pub(crate) const PASTED: Duration = Duration::from_millis(15);

/// The last key, to tell pressing from holding and typing from pasting.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastKey {
    /// Which.
    pub key: Option<Key>,
    /// When.
    pub at: Duration,
    /// Time at which this key came before.
    pub same_at: Option<Duration>,
    /// Time of the key before this one.
    pub before: Option<Duration>,
}
