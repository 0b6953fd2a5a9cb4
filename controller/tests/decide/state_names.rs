//! Short names of the states, for paths in tables.

use autopilot_shared::RuleState;

pub const TRIGGERED: RuleState = RuleState::Triggered;
pub const AWAITING: RuleState = RuleState::ActionAwaitingApproval;
pub const DECLINED: RuleState = RuleState::ActionsDeclined;
pub const NORMAL: RuleState = RuleState::Normal;
pub const ACTIVE_PENDING: RuleState = RuleState::ActiveActionsPending;
pub const IN_PROGRESS: RuleState = RuleState::ActiveActionsInProgress;
pub const TAKEN: RuleState = RuleState::ActiveActionsTaken;
