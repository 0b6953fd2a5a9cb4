//! Events of a rule itself. The name of an event follows from what it says, so that a restart or a second controller adds
//! none.

use autopilot_shared::RuleState;
use autopilot_shared::api::AutopilotRule;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::status::sentence;
use super::view::RuleView;
use crate::decide::effect::{EventDraft, Regarding};
use crate::decide::reason::transition_message;
use crate::evaluate::availability::Availability;

/// An outage of data that lasts this long is said in an event.
pub(crate) const OUTAGE_LASTS: SignedDuration = SignedDuration::from_secs(300);

/// Returns since when there has been no data, as the status has it; or not enough for some objects. `None` if there is
/// data.
pub(crate) fn outage_since(
    raw: &AutopilotRule,
    data: &Availability,
    without_data_since: Option<Timestamp>,
) -> Option<Timestamp> {
    if matches!(data, Availability::Available(_)) {
        return without_data_since;
    }
    matches!(data, Availability::Missing(..)).then_some(())?;
    let condition = raw.status.as_ref()?.conditions.iter().find(|c| c.type_ == "DataAvailable")?;
    (condition.status == "False").then_some(condition.last_transition_time.0)
}

/// Returns the event about an outage of data that lasts; or when it will be due.
pub(super) fn outage(view: &RuleView<'_>, now: Timestamp) -> (Option<EventDraft>, Option<Timestamp>) {
    let since = outage_since(view.raw, view.data, view.without_data_since);
    let Some(since) = since.filter(|since| view.announced_outage != Some(*since)) else {
        return (None, None);
    };
    let due = since + OUTAGE_LASTS;
    if now >= due { (Some(outage_event(view, since)), None) } else { (None, Some(due)) }
}

fn outage_event(view: &RuleView<'_>, since: Timestamp) -> EventDraft {
    let (which, when, message) = match view.data {
        Availability::Missing(reason, message) => {
            (since.as_second().to_string(), since, format!("no data since {since}: {reason}: {message}"))
        }
        // Only memory knows since when: the name follows from the objects.
        Availability::Available(message) => {
            let names: Vec<&str> = view.without_data.iter().map(|object| object.volume).collect();
            let names = names.join(", ");
            let newest = view.without_data.iter().map(|object| object.created).max().unwrap_or(0).max(0);
            let message = format!("no data for {names}: {message}");
            (names, Timestamp::from_second(newest).unwrap_or(since), message)
        }
        Availability::Unknown => (String::new(), since, String::new()),
    };
    EventDraft {
        regarding: view.regarding(),
        when: when + OUTAGE_LASTS,
        step: 0,
        seed: vec![view.uid().to_owned(), "NoData".to_owned(), which],
        warning: true,
        reason: "NoData",
        message,
    }
}

/// Returns the event about a rule that is not understood, once for each generation.
pub(super) fn problems(view: &RuleView<'_>, now: Timestamp) -> Option<Vec<EventDraft>> {
    let Err(problems) = view.parsed else { return None };
    let generation = view.raw.metadata.generation.unwrap_or_default();
    (view.announced_problems != Some(generation)).then(|| {
        vec![EventDraft {
            regarding: view.regarding(),
            // The name of an event holds its time: that of the edit is the same for every controller.
            when: view.edited.unwrap_or(now),
            step: 0,
            seed: vec![view.uid().to_owned(), "InvalidRule".to_owned(), generation.to_string()],
            warning: true,
            reason: "InvalidRule",
            message: sentence(problems),
        }]
    })
}

/// Returns the events for objects that left Initializing. Their names follow from the object alone, so that announcing
/// them twice adds none.
pub(super) fn objects(view: &RuleView<'_>) -> Option<Vec<EventDraft>> {
    let unannounced = view.unannounced.as_ref()?;
    let name = view.raw.name_any();
    let mut all = Vec::new();
    for object in &unannounced.shown {
        let message = transition_message(&name, object.volume, RuleState::Initializing, RuleState::Normal);
        let when = Timestamp::from_second(object.created).unwrap_or_default();
        let claim = Regarding::Pvc {
            namespace: object.namespace.to_owned(),
            name: object.name.to_owned(),
            uid: object.uid.to_owned(),
        };
        for (regarding, kind) in [(view.regarding(), "rule"), (claim, "claim")] {
            let seed = [view.uid(), object.volume, object.uid, kind];
            all.push(EventDraft {
                regarding,
                when,
                step: 0,
                seed: seed.map(str::to_owned).to_vec(),
                warning: false,
                reason: "Transition",
                message: message.clone(),
            });
        }
    }
    let rest = unannounced.rest;
    if rest > 0 {
        let created = view.raw.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
        let seed = [view.uid(), "and others", unannounced.first_of_rest.unwrap_or_default()];
        all.push(EventDraft {
            regarding: view.regarding(),
            when: created,
            step: 1,
            seed: seed.map(str::to_owned).to_vec(),
            warning: false,
            reason: "Transition",
            message: format!("rule: {name}: {rest} more objects transition from Initializing => Normal"),
        });
    }
    Some(all)
}
