//! Orders to the driver, and the resizes that it carried out.

use std::time::Duration;

use jiff::Timestamp;

/// The reaction of the driver when a claim asks for more than it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Resizes at once.
    Immediate,
    /// Reports that a resize is under way, and finishes after this time.
    Slow(Duration),
    /// Does nothing at all.
    Never,
    /// Declares the size infeasible (`ControllerResizeInfeasible`), for good.
    Infeasible,
    /// Fails with this message (condition `ControllerResizeError`) and says that it will try again.
    Failing(String),
}

/// A resize that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resize {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name.
    pub name: String,
    /// The capacity before.
    pub from: String,
    /// The capacity after.
    pub to: String,
    /// When it was done.
    pub at: Timestamp,
}
