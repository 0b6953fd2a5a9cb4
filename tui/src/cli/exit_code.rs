//! Exit codes.

/// Everything went well.
pub const OK: u8 = 0;
/// It failed.
pub const FAILED: u8 = 1;
/// The call is not understood.
pub(crate) const USAGE: u8 = 2;
/// There is nothing of that name, or nothing to do.
pub const NOTHING: u8 = 3;
/// It was not what had been shown any more; nothing was written.
pub(crate) const CHANGED: u8 = 4;
/// The server refused: no permission.
pub const DENIED: u8 = 5;
/// The server did not answer; it may have been written.
pub(crate) const UNKNOWN: u8 = 6;
