//! Given a view of the lease and a time: the next step. No runtime, no server.

use super::*;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};

const SECOND: Duration = Duration::from_secs(1);

fn election() -> Election {
    Election::new("autopilot", "me", Settings::default())
}

fn record(version: u32, holder: &str) -> Record {
    let mut object = Object::default();
    object.metadata.name = Some("autopilot".to_owned());
    object.metadata.resource_version = Some(version.to_string());
    object.spec = Some(LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: Some(15),
        ..LeaseSpec::default()
    });
    Record::from(object)
}

fn reads(step: &Step) -> bool {
    matches!(step, Step::Read { .. })
}

/// The resourceVersion that a replace would name.
fn replaces(step: &Step) -> Option<String> {
    match step {
        Step::Replace { record, .. } => {
            assert_eq!(record.holder(), Some("me"));
            record.version().map(str::to_owned)
        }
        _ => None,
    }
}

/// A candidate that took the lease with a write sent at `sent`.
fn holding(sent: Instant) -> Election {
    let mut election = election();
    election.saw(None, sent);
    assert!(matches!(election.next(sent), Step::Create { .. }));
    election.wrote(record(1, "me"), sent);
    election
}

#[test]
fn the_first_thing_is_to_look_and_a_missing_lease_is_created() {
    let (mut election, start) = (election(), Instant::now());
    assert!(reads(&election.next(start)));
    election.saw(None, start);
    let Step::Create { record, within } = election.next(start) else { panic!("no create") };
    assert_eq!((record.holder(), record.version()), (Some("me"), None));
    assert_eq!(within, 5 * SECOND);
    assert!(!election.holds());
}

#[test]
fn a_blank_lease_is_taken_at_once_with_the_version_that_was_read() {
    let (mut election, start) = (election(), Instant::now());
    election.saw(Some(record(7, "")), start);
    assert_eq!(replaces(&election.next(start)).as_deref(), Some("7"));
}

#[test]
fn a_held_lease_is_looked_at_every_two_seconds_and_taken_when_we_saw_no_change_for_its_duration() {
    let (mut election, start) = (election(), Instant::now());
    for second in (0..15).step_by(2) {
        let now = start + second * SECOND;
        election.saw(Some(record(7, "other")), now);
        let next_look = (now + 2 * SECOND).min(start + 15 * SECOND);
        assert_eq!(election.next(now), Step::Wait(next_look));
        assert!(reads(&election.next(next_look)));
    }
    let end = start + 15 * SECOND;
    election.saw(Some(record(7, "other")), end);
    assert_eq!(replaces(&election.next(end)).as_deref(), Some("7"));
}

#[test]
fn any_write_to_the_record_starts_the_waiting_anew_whatever_times_it_carries() {
    let (mut election, start) = (election(), Instant::now());
    election.saw(Some(record(7, "other")), start);
    election.saw(Some(record(8, "other")), start + 14 * SECOND);
    election.saw(Some(record(8, "other")), start + 28 * SECOND);
    assert_eq!(election.next(start + 28 * SECOND), Step::Wait(start + 29 * SECOND));
    election.saw(Some(record(8, "other")), start + 29 * SECOND);
    assert!(replaces(&election.next(start + 29 * SECOND)).is_some());
}

#[test]
fn a_record_without_a_version_never_expires() {
    let (mut election, start) = (election(), Instant::now());
    let mut object = record(1, "other").object().clone();
    object.metadata.resource_version = None;
    election.saw(Some(Record::from(object.clone())), start);
    election.saw(Some(Record::from(object)), start + 60 * SECOND);
    assert!(matches!(election.next(start + 60 * SECOND), Step::Wait(_)));
}

#[test]
fn losing_the_race_for_a_free_lease_means_following() {
    let (mut election, start) = (election(), Instant::now());
    election.saw(None, start);
    election.refused(start);
    assert_eq!(election.next(start), Step::Wait(start + 2 * SECOND));
    assert!(reads(&election.next(start + 2 * SECOND)));
    assert!(!election.holds());
}

#[test]
fn a_holder_renews_every_two_seconds_without_reading_first() {
    let start = Instant::now();
    let mut election = holding(start);
    for beat in 1..20 {
        let now = start + 2 * beat * SECOND;
        assert_eq!(election.next(now - SECOND), Step::Wait(now));
        assert_eq!(replaces(&election.next(now)), Some(beat.to_string()));
        election.wrote(record(beat + 1, "me"), now);
        assert!(election.holds());
    }
}

#[test]
fn a_holder_that_cannot_renew_loses_ten_seconds_after_it_sent_its_last_good_write() {
    let start = Instant::now();
    let mut election = holding(start);
    let mut now = start;
    let mut waited = Vec::new();
    let loss = loop {
        match election.next(now) {
            Step::Wait(until) => now = until,
            Step::Read { within } | Step::Replace { within, .. } => {
                waited.push(within);
                now += within;
                election.failed(now);
            }
            Step::Lost(loss) => break loss,
            Step::Create { .. } => panic!("nobody said that the lease is gone"),
        }
    };
    assert_eq!(loss, Loss::NotRenewed(10 * SECOND));
    assert_eq!(now, start + 10 * SECOND);
    // Five seconds for the renewal at 2 s; the next look, at 9 s, may take one second only.
    assert_eq!(waited, [5 * SECOND, SECOND]);
}

#[test]
fn an_answer_that_comes_after_the_deadline_is_too_late() {
    let start = Instant::now();
    let mut election = holding(start);
    election.wrote(record(2, "me"), start + 2 * SECOND);
    assert_eq!(election.next(start + 12 * SECOND), Step::Lost(Loss::NotRenewed(10 * SECOND)));
}

#[test]
fn a_refused_renewal_is_looked_into_at_once_and_lost_to_another_holder() {
    let start = Instant::now();
    let mut election = holding(start);
    let now = start + 2 * SECOND;
    election.refused(now);
    assert!(reads(&election.next(now)));
    election.saw(Some(record(9, "other")), now);
    assert_eq!(election.next(now), Step::Lost(Loss::Taken("other".to_owned())));
}

#[test]
fn a_refused_renewal_that_was_our_own_write_or_a_label_is_repeated_with_the_new_version() {
    let start = Instant::now();
    let mut election = holding(start);
    let now = start + 2 * SECOND;
    election.refused(now);
    election.saw(Some(record(9, "me")), now);
    assert_eq!(replaces(&election.next(now)).as_deref(), Some("9"));
    // A server that always refuses is not asked in a tight loop, and reading does not prolong anything.
    election.refused(now);
    assert_eq!(election.next(now), Step::Wait(now + 2 * SECOND));
    assert_eq!(election.next(start + 10 * SECOND), Step::Lost(Loss::NotRenewed(10 * SECOND)));
}

#[test]
fn a_holder_whose_record_was_deleted_creates_it_again() {
    let start = Instant::now();
    let mut election = holding(start);
    let now = start + 2 * SECOND;
    election.refused(now);
    election.saw(None, now);
    assert!(matches!(election.next(now), Step::Create { .. }));
}

#[test]
fn a_write_whose_answer_was_lost_is_found_again_and_only_then_counted() {
    let (mut election, start) = (election(), Instant::now());
    election.saw(None, start);
    election.failed(start + 5 * SECOND);
    assert!(!election.holds());
    let now = start + 7 * SECOND;
    election.saw(Some(record(1, "me")), now);
    assert!(!election.holds());
    assert_eq!(replaces(&election.next(now)).as_deref(), Some("1"));
}

#[test]
fn settings_that_would_let_two_hold_at_once_are_refused() {
    assert!(Settings::new(15 * SECOND, 10 * SECOND, 2 * SECOND).is_ok());
    assert!(Settings::new(10 * SECOND, 10 * SECOND, 2 * SECOND).is_err());
    assert!(Settings::new(15 * SECOND, 2 * SECOND, 2 * SECOND).is_err());
    assert!(Settings::new(15 * SECOND, 10 * SECOND, Duration::ZERO).is_err());
}
