//! Short names of the states, for paths in tables.

use autopilot_shared::RuleState;

pub(crate) const TRIGGERED: RuleState = RuleState::Triggered;
pub(crate) const AWAITING: RuleState = RuleState::ActionAwaitingApproval;
pub(crate) const DECLINED: RuleState = RuleState::ActionsDeclined;
pub(crate) const NORMAL: RuleState = RuleState::Normal;
pub(crate) const ACTIVE_PENDING: RuleState = RuleState::ActiveActionsPending;
pub(crate) const IN_PROGRESS: RuleState = RuleState::ActiveActionsInProgress;
pub(crate) const TAKEN: RuleState = RuleState::ActiveActionsTaken;
