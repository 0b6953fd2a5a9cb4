//! The transitions of an object, as its events name them.

/// From the first look to the approval that a person must decide, on a volume that is full.
pub const ASKED: [&str; 2] = ["Initializing => Triggered", "Triggered => ActionAwaitingApproval"];
/// From the decision to the end of the cool-down.
pub const APPROVED: [&str; 4] = [
    "ActionAwaitingApproval => ActiveActionsPending",
    "ActiveActionsPending => ActiveActionsInProgress",
    "ActiveActionsInProgress => ActiveActionsTaken",
    "ActiveActionsTaken => Normal",
];
/// Both: one resize that a person approved.
pub const ASKED_AND_APPROVED: [&str; 6] =
    [ASKED[0], ASKED[1], APPROVED[0], APPROVED[1], APPROVED[2], APPROVED[3]];
