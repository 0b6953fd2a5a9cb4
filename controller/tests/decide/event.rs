//! What happens in the world, as data: rows of the table list it, property tests draw it.

use autopilot_controller::evaluate::verdict::Verdict;

/// Which digest a file carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// Of the proposal that the journal holds now.
    Current,
    /// Of an older proposal, or of none that ever was.
    Old,
    /// The original's file: the field is not there.
    Missing,
}

/// What a person, a tool or the cluster does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    // ---- metrics and time
    /// A pass sees this verdict, with this value, and what follows is carried out.
    Pass(Verdict, f64),
    /// Seconds pass, with a pass at their end that sees what the last one saw.
    After(u64),
    /// Seconds pass in which Prometheus is not asked.
    Silence(u64),
    /// The clock is set back by so many seconds.
    ClockBack(u64),
    // ---- the approval
    /// `kubectl patch --type=merge` of the state alone.
    Patch(&'static str),
    /// The console: as [`Event::Patch`], with user and reason.
    Console(&'static str, &'static str, &'static str),
    /// `kubectl delete actionapproval`.
    DeleteApproval,
    /// Server-side apply with force of a file, as kustomize-controller does it.
    Apply(&'static str, Digest),
    /// `kubectl apply` of a file: an Update that leaves the last-applied annotation.
    ClientApply(&'static str, Digest),
    /// A typed client that does not know the digest: reads, sets the state, writes all of it.
    Put(&'static str),
    /// As [`Event::Put`], by a client that loses annotations, too.
    PutWithoutAnnotation(&'static str),
    /// A reviewer edits `maxsize` in the spec and leaves the digest.
    EditParams,
    /// A reviewer adds a second action.
    AddAction,
    /// Somebody makes an object of the usual name, with labels that are not ours.
    Foreign,
    /// Somebody makes an object of the hashed name, too.
    ForeignHashed,
    /// The original left an approval, pending, with its finalizer.
    Original,
    /// Sets the finalizer on the approval.
    Finalizer,
    /// Takes the labels off the approval.
    Unlabel,
    /// The forge writes how the pull request with this digest stands: `open`, `merged`, `closed`, or `reverted`: merged,
    /// and its file has left the branch again.
    Pull(&'static str, Digest),
    /// A forge is configured, or no more.
    Forge(bool),
    // ---- the rule
    /// Edits `scalepercentage`.
    Percent(&'static str),
    /// Edits `maxsize`.
    MaxSize(&'static str),
    /// Edits `enforcement`.
    Enforce(bool),
    /// Edits `suspend`.
    Suspend(bool),
    /// Edits the configuration's `suspend`.
    SuspendAll(bool),
    /// The configuration cannot be understood, and there was no good one; or it can.
    Unknown(bool),
    /// Edits `actionsCoolDownPeriod`.
    CoolDown(i64),
    /// Edits `for`.
    Hold(i64),
    /// Sets the annotation `size-in-git: ignore` on the rule.
    IgnoreGit,
    /// Breaks the rule: an action that nobody knows.
    Break,
    /// The rule (de)selects the PVC.
    Select(bool),
    /// A rule that goes first has the PVC, or no more.
    Precedence(Option<&'static str>),
    // ---- the PVC and its storage
    /// Somebody sets the request by hand.
    HandResize(&'static str),
    /// The PVC is deleted and made anew at once, under the same volume name.
    Recreate,
    /// The PVC is deleted.
    DeleteClaim,
    /// The storage finishes at once (or, with `false`, never by itself).
    Quick(bool),
    /// The storage finishes what is requested.
    Capacity,
    /// The storage gives up.
    Infeasible,
    /// The storage says how far it is.
    Progress(&'static str),
    /// A GitOps tool owns the size.
    InGit(bool),
    /// A ResourceQuota leaves so many GiB.
    Quota(i64),
    /// The StorageClass allows expansion.
    Expandable(Option<bool>),
    /// The PVC has no StorageClass.
    NoClass,
    /// The API server refuses resizes.
    Refuses(bool),
    // ---- the controller
    /// Ends and starts anew.
    Restart,
    /// Somebody deletes the rule object.
    DeleteJournal,
}
