//! The resize, its refusals, its end, and the cool-down.

use autopilot_shared::RuleState as S;

use super::{Row, Then, play_all};
use crate::event::Event;
use crate::event::Event::*;
use crate::hands::{MET, NO_DATA, NOT_MET};
use autopilot_controller::evaluate::verdict::Verdict;

const T: S = S::Triggered;
const A: S = S::ActionAwaitingApproval;
const D: S = S::ActionsDeclined;
const N: S = S::Normal;
const P: S = S::ActiveActionsPending;
const I: S = S::ActiveActionsInProgress;
const K: S = S::ActiveActionsTaken;

/// The value after a resize that halved it, still above the threshold.
const STILL_MET: Event = Event::Pass(Verdict::Met, 55.0);
const FULL: Event = Event::Pass(Verdict::Met, 110.0);

const RESIZE: &[Row] = &[
    Row {
        says: "§5: a resize is done when status.capacity reaches the target; a slow driver is waited for",
        approval: false,
        given: &[Quick(false), MET, After(30), After(2), After(3600)],
        path: &[T, P, I],
        then: &[Then::Grown(1, "20Gi"), Then::Quiet],
    },
    Row {
        says: "§5: one that stays behind shows why, and is not asked again while it is under way",
        approval: false,
        given: &[Quick(false), MET, After(30), Progress("the file system grows later"), After(2), After(10)],
        path: &[T, P, I],
        then: &[Then::Because("the file system grows later"), Then::Grown(1, "20Gi"), Then::Quiet],
    },
    Row {
        says: "§3: ActiveActionsInProgress => ActiveActionsTaken, action finished",
        approval: false,
        given: &[Quick(false), MET, After(30), Capacity],
        path: &[T, P, I, K],
        then: &[Then::Grown(1, "20Gi"), Then::NothingProposed],
    },
    Row {
        says: "§5: one that the storage declares infeasible ends in an event and a state, not in silence",
        approval: true,
        given: &[
            Quick(false),
            MET,
            After(30),
            Patch("approved"),
            Infeasible,
            After(2),
            After(10),
            After(3600),
        ],
        path: &[T, A, P, I, D],
        then: &[
            Then::Backoff("ResizeInfeasible"),
            Then::Told("FailedAction", "the pool is full"),
            Then::Wrote("execution Some(\"failed\")"),
            Then::NoApproval,
            Then::Quiet,
        ],
    },
    Row {
        says: "… and is looked at again when the storage did it after all",
        approval: false,
        given: &[Quick(false), MET, After(30), Infeasible, Capacity, NOT_MET],
        path: &[T, P, I, D, N],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§6: already at `to` = done, by whomever",
        approval: false,
        given: &[Refuses(true), MET, After(30), HandResize("20Gi"), Silence(5)],
        path: &[T, P, I, P, I, K],
        then: &[Then::Grown(0, "20Gi"), Then::NothingProposed],
    },
    Row {
        says: "§6: … with a latched approval, too",
        approval: true,
        given: &[Refuses(true), MET, After(30), Patch("approved"), HandResize("20Gi"), Silence(5)],
        path: &[T, A, P, I, P, I, K],
        then: &[Then::Grown(0, "20Gi"), Then::Executed("done")],
    },
    Row {
        says: "§6: the world moved: outcome superseded, proposed anew",
        approval: true,
        given: &[
            Refuses(true),
            MET,
            After(30),
            Patch("approved"),
            HandResize("11Gi"),
            Silence(5),
            After(300),
            After(30),
        ],
        path: &[T, A, P, I, P, I, T, A],
        then: &[
            Then::Told("FailedAction", "superseded: the PVC requests 11Gi"),
            Then::Wrote("execution Some(\"superseded\")"),
            Then::Proposed(2),
            Then::Asks("pending"),
            Then::Grown(0, "11Gi"),
        ],
    },
    Row {
        says: "§6: … the PVC is another: never on a PVC with another UID",
        approval: true,
        given: &[Refuses(true), MET, After(30), Patch("approved"), Recreate, Refuses(false), Silence(5)],
        path: &[T, A, P, I, P, I, T],
        then: &[Then::Grown(0, "10Gi"), Then::Because("superseded: the PVC is gone or was replaced")],
    },
    Row {
        says: "§3: ActiveActionsInProgress => ActiveActionsPending, refused: event, backoff",
        approval: true,
        given: &[Refuses(true), MET, After(30), Patch("approved")],
        path: &[T, A, P, I, P],
        then: &[
            Then::Backoff("ResizeRefused"),
            Then::Told("FailedAction", "failed to execute Action for rule: volume-resize:pvc-1"),
            Then::Told("FailedAction", "exceeded quota"),
            Then::Grown(0, "10Gi"),
        ],
    },
    Row {
        says: "§6: … backoff: nothing before its time",
        approval: true,
        given: &[Refuses(true), MET, After(30), Patch("approved"), Silence(2), Silence(2)],
        path: &[T, A, P, I, P],
        then: &[Then::WakesIn(1), Then::Quiet],
    },
    Row {
        says: "§6: … then it works",
        approval: true,
        given: &[Refuses(true), MET, After(30), Patch("approved"), Refuses(false), Silence(5)],
        path: &[T, A, P, I, P, I, K],
        then: &[Then::Grown(1, "20Gi"), Then::Proposed(1)],
    },
    Row {
        says: "§6: … bounded, then outcome failed",
        approval: true,
        given: &[
            Refuses(true),
            MET,
            After(30),
            Patch("approved"),
            Silence(5),
            Silence(10),
            Silence(20),
            Silence(40),
            After(2),
            After(2),
        ],
        path: &[T, A, P, I, P, I, P, I, P, I, P, I, D],
        then: &[
            Then::Backoff("ResizeRefused"),
            Then::Wrote("execution Some(\"failed\")"),
            Then::Because("failed: resize from 10Gi to 20Gi refused: exceeded quota"),
            Then::NoApproval,
            Then::NothingProposed,
            Then::Grown(0, "10Gi"),
            Then::Quiet,
        ],
    },
    Row {
        says: "… asked again after a longer pause",
        approval: true,
        given: &[
            Refuses(true),
            MET,
            After(30),
            Patch("approved"),
            Silence(5),
            Silence(10),
            Silence(20),
            Silence(40),
            After(160),
            After(30),
        ],
        path: &[T, A, P, I, P, I, P, I, P, I, P, I, D, T, A],
        then: &[Then::Proposed(2), Then::Asks("pending")],
    },
    Row {
        says: "deletion of an approval while its action is in progress does not stop the action",
        approval: true,
        given: &[Quick(false), MET, After(30), Patch("approved"), DeleteApproval, Capacity],
        path: &[T, A, P, I, K],
        then: &[Then::Grown(1, "20Gi"), Then::NoApproval],
    },
    Row {
        says: "§5: a crash in the middle of an action finds it again in the journal",
        approval: false,
        given: &[Quick(false), MET, After(30), Restart, Capacity, Restart, Silence(300)],
        path: &[T, P, I, K, N],
        then: &[Then::Grown(1, "20Gi")],
    },
];

const COOL_DOWN: &[Row] = &[
    Row {
        says: "§5: Taken => Normal always when the cool-down is over",
        approval: false,
        given: &[MET, After(30), After(299)],
        path: &[T, P, I, K],
        then: &[Then::WakesIn(1)],
    },
    Row {
        says: "§5: … without data, too",
        approval: false,
        given: &[MET, After(30), NO_DATA, Silence(300)],
        path: &[T, P, I, K, N],
        then: &[],
    },
    Row {
        says: "§5: … with the rule suspended, too",
        approval: false,
        given: &[MET, After(30), Suspend(true), Silence(300)],
        path: &[T, P, I, K, N],
        then: &[],
    },
    Row {
        says: "§5: … if the condition still holds it triggers again from there (metricsLag has passed)",
        approval: false,
        given: &[MET, After(30), After(300)],
        path: &[T, P, I, K, N, T],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§5: … but not on old data",
        approval: false,
        given: &[CoolDown(10), MET, After(30), After(10), After(200)],
        path: &[T, P, I, K, N],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§5: … a drift of old data is no change",
        approval: false,
        given: &[CoolDown(10), MET, After(30), After(10), Pass(Verdict::Met, 62.0), After(200)],
        path: &[T, P, I, K, N],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§5: … unless metricsLag has passed",
        approval: false,
        given: &[CoolDown(10), MET, After(30), After(10), After(290)],
        path: &[T, P, I, K, N, T],
        then: &[],
    },
    Row {
        says: "§5: … or the object's value has changed since the action",
        approval: false,
        given: &[CoolDown(10), FULL, After(30), After(10), STILL_MET],
        path: &[T, P, I, K, N, T],
        then: &[],
    },
    Row {
        says: "§4: an explicit actionsCoolDownPeriod: 0 is zero",
        approval: false,
        given: &[CoolDown(0), MET, After(30)],
        path: &[T, P, I, K, N],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "§4: … with an approval, which still learns that it is done and goes",
        approval: true,
        given: &[CoolDown(0), MET, After(30), Patch("approved")],
        path: &[T, A, P, I, K, N],
        then: &[Then::Grown(1, "20Gi"), Then::NoApproval],
    },
    Row {
        says: "a clock that was set back does not make the cool-down last until it has caught up",
        approval: false,
        given: &[MET, After(30), ClockBack(86_400), NOT_MET, After(300)],
        path: &[T, P, I, K, N],
        then: &[],
    },
    Row {
        says: "… nor a backoff",
        approval: true,
        given: &[
            Refuses(true),
            MET,
            After(30),
            Patch("approved"),
            Refuses(false),
            ClockBack(86_400),
            Silence(5),
        ],
        path: &[T, A, P, I, P, I, K],
        then: &[Then::Grown(1, "20Gi")],
    },
    Row {
        says: "… nor a hold",
        approval: true,
        given: &[MET, ClockBack(86_400), MET, After(30)],
        path: &[T, A],
        then: &[],
    },
    Row {
        says: "… nor the wait for newer data",
        approval: false,
        given: &[CoolDown(10), MET, After(30), ClockBack(86_400), MET, After(10), After(300)],
        path: &[T, P, I, K, N, T],
        then: &[],
    },
    Row {
        says: "§3: rule edits take effect in place: a shorter cool-down",
        approval: false,
        given: &[MET, After(30), NOT_MET, CoolDown(10), After(10)],
        path: &[T, P, I, K, N],
        then: &[],
    },
    Row {
        says: "§4: nothing triggers in the cool-down",
        approval: false,
        given: &[MET, After(30), After(2), FULL, After(100), After(100)],
        path: &[T, P, I, K],
        then: &[Then::Quiet, Then::Grown(1, "20Gi")],
    },
    Row {
        says: "Normal after an action is quiet",
        approval: true,
        given: &[
            NOT_MET,
            MET,
            After(30),
            Patch("approved"),
            NOT_MET,
            After(300),
            After(2),
            After(10),
            Restart,
        ],
        path: &[T, A, P, I, K, N],
        then: &[Then::NoApproval, Then::Quiet],
    },
];

#[test]
fn an_action_is_carried_out_once_or_says_why_not() {
    play_all(RESIZE);
}

#[test]
fn nothing_triggers_in_the_cool_down_or_on_old_data() {
    play_all(COOL_DOWN);
}
