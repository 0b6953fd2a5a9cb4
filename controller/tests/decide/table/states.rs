//! Into Triggered and out of it, and what preflight refuses.

use autopilot_shared::RuleState as S;

use super::{Row, Then, play_all};
use crate::event::Event::*;
use crate::hands::{MET, NO_DATA, NOT_MET};

const T: S = S::Triggered;
const A: S = S::ActionAwaitingApproval;
const D: S = S::ActionsDeclined;
const N: S = S::Normal;
const P: S = S::ActiveActionsPending;
const I: S = S::ActiveActionsInProgress;
const K: S = S::ActiveActionsTaken;

const ROWS: &[Row] = &[
    Row {
        says: "§5: an object that never left Normal has no rule object",
        approval: true,
        given: &[NOT_MET, After(10), After(10)],
        path: &[],
        then: &[Then::NoJournal, Then::Quiet],
    },
    Row {
        says: "§3: Initializing => Triggered, conditions already met at the first evaluation",
        approval: true,
        given: &[MET],
        path: &[T],
        then: &[Then::Told("Transition", "transition from Initializing => Triggered"), Then::NothingProposed],
    },
    Row {
        says: "§3: Normal => Triggered, conditions met at a poll",
        approval: true,
        given: &[NOT_MET, MET],
        path: &[T],
        then: &[Then::Told("Transition", "volume-resize:pvc-1 transition from Normal => Triggered")],
    },
    Row {
        says: "§3: Triggered => Normal, conditions stop holding before `for` has passed",
        approval: true,
        given: &[NOT_MET, MET, After(29), NOT_MET, After(2)],
        path: &[T, N],
        then: &[Then::Proposed(0), Then::NoApproval],
    },
    Row {
        says: "§3: held for `for` seconds: one second less proposes nothing",
        approval: true,
        given: &[NOT_MET, MET, After(2), After(27)],
        path: &[T],
        then: &[Then::Proposed(0), Then::Quiet],
    },
    Row {
        says: "§3: Triggered => ActionAwaitingApproval, held for `for` seconds, approvalRequired",
        approval: true,
        given: &[NOT_MET, MET, After(30)],
        path: &[T, A],
        then: &[Then::Asks("pending"), Then::Grown(0, "10Gi"), Then::Proposed(1), Then::NoCondition],
    },
    Row {
        says: "§3: Triggered => ActiveActionsPending, held for `for` seconds, no approval needed",
        approval: false,
        given: &[NOT_MET, MET, After(30)],
        path: &[T, P, I, K],
        then: &[Then::NoApproval, Then::Grown(1, "20Gi"), Then::WakesIn(2)],
    },
    Row {
        says: "§4: an explicit `for: 0` is zero",
        approval: true,
        given: &[Hold(0), NOT_MET, MET],
        path: &[T, A],
        then: &[Then::Asks("pending")],
    },
    Row {
        says: "§5: one proposal is cleared from the journal before another is written there",
        approval: true,
        given: &[Hold(0), MET, Percent("50"), MET],
        path: &[T, A, T, A],
        then: &[Then::Proposed(2), Then::Asks("pending")],
    },
    Row {
        says: "§4: NoData is never NotMet: a hold goes on, and no transition happens",
        approval: true,
        given: &[NOT_MET, MET, After(2), NO_DATA, After(100)],
        path: &[T],
        then: &[Then::Proposed(0), Then::Quiet],
    },
    Row {
        says: "§4: NoData does not leave Initializing",
        approval: true,
        given: &[NO_DATA, After(100)],
        path: &[],
        then: &[Then::NoJournal, Then::Quiet],
    },
    Row {
        says: "§4: NoData does not take a question back",
        approval: true,
        given: &[MET, After(30), After(2), NO_DATA, After(1000), After(1000)],
        path: &[T, A],
        then: &[Then::Asks("pending"), Then::Quiet],
    },
    Row {
        says: "§3: selector no longer matching means no trigger; matching again resumes",
        approval: true,
        given: &[NOT_MET, Select(false), MET, Select(true), MET],
        path: &[T],
        then: &[],
    },
    Row {
        says: "§3: Triggered, and the selector does not match any more",
        approval: true,
        given: &[MET, Select(false)],
        path: &[T, N],
        then: &[Then::Because("does not select")],
    },
    Row {
        says: "§4: suspend starts nothing new",
        approval: true,
        given: &[NOT_MET, Suspend(true), MET, After(100)],
        path: &[],
        then: &[Then::NoJournal],
    },
    Row {
        says: "§4: suspend while Triggered",
        approval: true,
        given: &[MET, Suspend(true)],
        path: &[T, N],
        then: &[Then::Because("suspended")],
    },
    Row {
        says: "§4: the configuration's suspend does so for all rules",
        approval: true,
        given: &[MET, SuspendAll(true)],
        path: &[T, N],
        then: &[Then::Because("all rules are suspended")],
    },
    Row {
        says: "§4: a rule that cannot be understood is not half-run",
        approval: true,
        given: &[MET, Break, After(100)],
        path: &[T, N],
        then: &[Then::Because("not understood"), Then::Proposed(0)],
    },
    Row {
        says: "§4: higher weight wins, then the older rule; the others wait in Triggered and say for whom",
        approval: true,
        given: &[MET, Precedence(Some("first")), After(30), After(2), After(10)],
        path: &[T],
        then: &[Then::Because("waits for rule first"), Then::Proposed(0), Then::Quiet],
    },
    Row {
        says: "§4: … and go on when the other is done",
        approval: true,
        given: &[MET, Precedence(Some("first")), After(30), After(2), Precedence(None), After(10)],
        path: &[T, A],
        then: &[Then::Asks("pending")],
    },
    Row {
        says: "§6: size at or above maxsize: no approval, declined with the reason",
        approval: true,
        given: &[MaxSize("10Gi"), MET, After(30), After(2), After(10)],
        path: &[T, D],
        then: &[
            Then::NoApproval,
            Then::Backoff("MaxSizeReached"),
            Then::Because("maxsize is 10Gi"),
            Then::Told("ActionDeclined", "maxsize is 10Gi"),
            Then::Told("Transition", "Triggered => ActiveActionsDeclined"),
            Then::Quiet,
        ],
    },
    Row {
        says: "AUT-87: declined was retried at once, flooding logs and events: a refusal repeats in silence",
        approval: false,
        given: &[MaxSize("10Gi"), MET, After(30), After(10), After(10), After(3600), Restart, After(3600)],
        path: &[T, D],
        then: &[Then::Quiet],
    },
    Row {
        says: "§3: ActionsDeclined => Triggered, declined by Autopilot itself, when maxsize is raised",
        approval: true,
        given: &[MaxSize("10Gi"), MET, After(30), MaxSize("15Gi"), After(10), After(30)],
        path: &[T, D, T, A],
        then: &[Then::Asks("pending"), Then::Proposed(1)],
    },
    Row {
        says: "declined by Autopilot itself, and the conditions stop",
        approval: true,
        given: &[MaxSize("10Gi"), MET, After(30), NOT_MET],
        path: &[T, D, N],
        then: &[Then::NothingProposed],
    },
    Row {
        says: "declined by Autopilot itself, and only NoData: stays",
        approval: true,
        given: &[MaxSize("10Gi"), MET, After(30), After(2), NO_DATA, After(100)],
        path: &[T, D],
        then: &[Then::Quiet],
    },
    Row {
        says: "§4: preflight: the StorageClass allows expansion",
        approval: true,
        given: &[Expandable(Some(false)), MET, After(30)],
        path: &[T, D],
        then: &[Then::Backoff("ExpansionNotAllowed"), Then::Because("standard has no allowVolumeExpansion")],
    },
    Row {
        says: "§4: preflight: there is no such StorageClass",
        approval: true,
        given: &[Expandable(None), MET, After(30)],
        path: &[T, D],
        then: &[Then::Backoff("ExpansionNotAllowed"), Then::Because("no StorageClass standard")],
    },
    Row {
        says: "§4: preflight: no StorageClass at all",
        approval: true,
        given: &[NoClass, MET, After(30)],
        path: &[T, D],
        then: &[Then::Backoff("ExpansionNotAllowed"), Then::Because("has no StorageClass")],
    },
    Row {
        says: "§4: preflight: a ResourceQuota leaves room, to the byte",
        approval: true,
        given: &[Quota(9), MET, After(30)],
        path: &[T, D],
        then: &[Then::Backoff("QuotaExceeded"), Then::Because("ResourceQuota storage leaves")],
    },
    Row {
        says: "§4: … and exactly enough is enough",
        approval: true,
        given: &[Quota(10), MET, After(30)],
        path: &[T, A],
        then: &[Then::Asks("pending")],
    },
    Row {
        says: "§4: the size is not owned by a GitOps tool",
        approval: true,
        given: &[InGit(true), MET, After(30)],
        path: &[T, D],
        then: &[Then::Backoff("SizeOwnedByGit"), Then::Because("kustomize-controller owns the size")],
    },
    Row {
        says: "§4: … unless the rule carries annotation size-in-git: ignore",
        approval: true,
        given: &[InGit(true), MET, After(30), IgnoreGit, After(10), After(30)],
        path: &[T, D, T, A],
        then: &[Then::Asks("pending")],
    },
    Row {
        says: "another refusal than before is journalled, without a transition",
        approval: true,
        given: &[InGit(true), MET, After(30), Quota(1), InGit(false), After(10), After(2), After(10)],
        path: &[T, D],
        then: &[Then::Backoff("QuotaExceeded"), Then::Because("ResourceQuota"), Then::Quiet],
    },
    Row {
        says: "§5: a resize that is under way is not asked for again",
        approval: true,
        given: &[Quick(false), HandResize("12Gi"), MET, After(30), After(2), After(10)],
        path: &[T],
        then: &[Then::Because("under way"), Then::Proposed(0), Then::Quiet],
    },
    Row {
        says: "§5: … but one that the storage declares infeasible is no reason to wait: it is told",
        approval: true,
        given: &[Quick(false), HandResize("12Gi"), Infeasible, MET, After(30), After(2), After(10)],
        path: &[T, D],
        then: &[
            Then::Backoff("ResizeInfeasible"),
            Then::Told("ActionDeclined", "the pool is full"),
            Then::Quiet,
        ],
    },
];

#[test]
fn into_triggered_and_out_of_it() {
    play_all(ROWS);
}
