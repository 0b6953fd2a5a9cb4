//! What a Lease object says.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease as Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// Bounds of the duration that a record may claim: a slip of somebody's hand must not keep the lease for a
/// year.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// A Lease object as it was read, or as it is to be written. Labels, annotations and owners that others put
/// on it are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Record(Object);

impl Record {
    /// The holder of the lease; `None` if nobody holds it (never taken, or released).
    pub fn holder(&self) -> Option<&str> {
        let holder = self.0.spec.as_ref()?.holder_identity.as_deref()?;
        (!holder.is_empty()).then_some(holder)
    }

    /// The object's resourceVersion; every write of a lease changes it.
    pub fn version(&self) -> Option<&str> {
        self.0.metadata.resource_version.as_deref()
    }

    /// How long the holder may stay silent before others take the lease, as the holder wrote it; `default`
    /// when it wrote nothing usable. Never more than 300 s.
    pub fn duration(&self, default: Duration) -> Duration {
        let written = self.0.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        match written.map(u64::try_from) {
            Some(Ok(seconds)) if seconds > 0 => Duration::from_secs(seconds).clamp(SHORTEST, LONGEST),
            _ => default,
        }
    }

    /// How often the lease went from one holder to the next.
    pub fn transitions(&self) -> i32 {
        self.0.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0)
    }

    /// The object, to be sent.
    pub fn object(&self) -> &Object {
        &self.0
    }

    /// The record that makes `identity` the holder, or renews it: to be created when there is no `old` one,
    /// else to replace exactly `old` (its resourceVersion is kept). `now` is for people who look at it;
    /// nobody's decision hangs on it, because no two clocks agree.
    pub fn taken(
        old: Option<&Record>,
        name: &str,
        identity: &str,
        duration: Duration,
        now: Timestamp,
    ) -> Record {
        let mut object = match old {
            Some(old) => old.0.clone(),
            None => Object::default(),
        };
        object.metadata.name = Some(name.to_owned());
        object.metadata.managed_fields = None;
        let spec = object.spec.get_or_insert_default();
        if old.and_then(Record::holder) != Some(identity) {
            spec.acquire_time = Some(MicroTime(now));
            spec.lease_transitions = Some(old.map_or(0, |old| old.transitions().max(0).saturating_add(1)));
        }
        spec.holder_identity = Some(identity.to_owned());
        spec.lease_duration_seconds = Some(whole_seconds(duration));
        spec.renew_time = Some(MicroTime(now));
        Record(object)
    }

    /// The record that replaces this one and says that nobody holds the lease (as client-go writes it on
    /// release: no holder, one second).
    pub fn released(&self, now: Timestamp) -> Record {
        let mut object = self.0.clone();
        object.metadata.managed_fields = None;
        let spec = object.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(now));
        Record(object)
    }
}

impl From<Object> for Record {
    fn from(object: Object) -> Self {
        Record(object)
    }
}

/// The API knows whole seconds only; rounded up, so that others never wait less than we count on.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.max(1)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_taken_record_counts_the_transition_and_a_renewed_one_does_not() {
        let fifteen = Duration::from_secs(15);
        let first = Record::taken(None, "autopilot", "a", fifteen, at(100));
        assert_eq!((first.holder(), first.transitions()), (Some("a"), 0));
        let renewed = Record::taken(Some(&first), "autopilot", "a", fifteen, at(102));
        assert_eq!(renewed.transitions(), 0);
        let spec = renewed.object().spec.clone().unwrap();
        assert_eq!(
            (spec.acquire_time, spec.renew_time),
            (Some(MicroTime(at(100))), Some(MicroTime(at(102))))
        );
        let other = Record::taken(Some(&renewed), "autopilot", "b", fifteen, at(130));
        assert_eq!((other.holder(), other.transitions()), (Some("b"), 1));
        let released = other.released(at(140));
        assert_eq!((released.holder(), released.transitions()), (None, 1));
    }

    #[test]
    fn what_others_put_on_the_object_is_kept_and_its_resource_version_too() {
        let mut object = Object::default();
        object.metadata.resource_version = Some("7".to_owned());
        object.metadata.labels = Some([("team".to_owned(), "storage".to_owned())].into());
        object.metadata.managed_fields = Some(Vec::new());
        let taken = Record::taken(Some(&Record(object)), "autopilot", "a", Duration::from_secs(15), at(1));
        assert_eq!(taken.version(), Some("7"));
        assert_eq!(taken.object().metadata.labels.as_ref().unwrap()["team"], "storage");
        // An empty list would reset the managers of all fields.
        assert_eq!(taken.object().metadata.managed_fields, None);
    }

    #[test]
    fn a_claimed_duration_is_rounded_up_when_written_and_bounded_when_read() {
        let default = Duration::from_secs(15);
        let wrote = |duration| Record::taken(None, "n", "a", duration, at(1)).duration(default);
        assert_eq!(wrote(Duration::from_millis(1200)), Duration::from_secs(2));
        assert_eq!(wrote(Duration::from_secs(1_000_000)), LONGEST);
        let mut object = Object::default();
        assert_eq!(Record(object.clone()).duration(default), default);
        object.spec.get_or_insert_default().lease_duration_seconds = Some(-3);
        assert_eq!(Record(object).duration(default), default);
    }
}
