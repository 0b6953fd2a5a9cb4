//! Reference §2.1: the vendor's own table of resizes, each rule driven until it stops matching. Sizes are GiB; the
//! rules T divide by 10^9, as the vendor's do.

use autopilot_controller::evaluate::verdict::Verdict;
use autopilot_shared::api::AutopilotRule;
use autopilot_shared::quantity::{Format, Grown, Size, grow};
use serde_json::json;

use crate::event::Event;
use crate::external_edits;
use crate::table::Scene;
use crate::world::DecideScene;

const GIB: i64 = 1 << 30;

/// What is watched.
#[derive(Clone, Copy, Debug)]
enum When {
    /// `px_volume_capacity_bytes / 1000000000` Lt.
    T(f64),
    /// Usage in percent, Gt.
    U(f64),
}

/// Rule, percent, maxsize, GiB at the start, GiB written, GiB at the end, resizes.
type Row = (When, u32, Option<&'static str>, i64, i64, i64, usize);

const TABLE: &[Row] = &[
    (When::T(6.0), 100, Some("10Gi"), 5, 10, 10, 1),
    (When::T(6.0), 100, Some("5Gi"), 5, 10, 5, 0),
    (When::T(15.0), 100, Some("12Gi"), 5, 10, 12, 2),
    (When::T(15.0), 100, Some("4Gi"), 5, 10, 5, 0),
    (When::T(6.0), 100, None, 5, 10, 10, 1),
    (When::U(50.0), 100, None, 10, 4, 10, 0),
    (When::U(50.0), 100, None, 10, 10, 20, 1),
    (When::U(50.0), 100, Some("12Gi"), 10, 10, 12, 1),
    // Not the vendor's: the default percentage, whole bytes, and maxsize as a plain number of bytes.
    (When::T(15.0), 50, None, 10, 10, 15, 1),
    (When::T(15.0), 100, Some("12884901888"), 5, 10, 12, 2),
];

fn rule(when: When, percent: u32, max: Option<&str>) -> AutopilotRule {
    let (key, operator, value) = match when {
        When::T(value) => ("px_volume_capacity_bytes / 1000000000", "Lt", value),
        When::U(value) => ("100 * (px_volume_usage_bytes / px_volume_capacity_bytes)", "Gt", value),
    };
    let mut rule = external_edits::rule(false);
    rule.spec.conditions = serde_json::from_value(json!({
        "expressions": [{ "key": key, "operator": operator, "values": [value.to_string()] }],
    }))
    .unwrap();
    let params = rule.spec.actions[0].params.get_or_insert_default();
    params.insert("scalepercentage".to_owned(), percent.to_string());
    params.remove("maxsize");
    params.extend(max.map(|max| ("maxsize".to_owned(), max.to_owned())));
    rule
}

/// What the rule's own expression says of a value.
fn measure(world: &DecideScene, when: When, written: i64) -> Event {
    let capacity = world.claim.as_ref().unwrap().capacity.bytes;
    #[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
    let value = match when {
        When::T(_) => capacity as f64 / 1e9,
        // A volume that is full has no more in it than it holds.
        When::U(_) => 100.0 * (written * GIB).min(capacity) as f64 / capacity as f64,
    };
    let holds = world.rule.as_ref().unwrap().expressions[0].test.holds(value);
    Event::Pass(if holds { Verdict::Met } else { Verdict::NotMet }, value)
}

#[test]
fn volumes_grow_as_the_vendors_table_says_until_the_rule_stops_matching() {
    for &(when, percent, max, start, written, end, resizes) in TABLE {
        // given a volume of this size under this rule
        let mut world = DecideScene::new(rule(when, percent, max));
        let claim = world.claim.as_mut().unwrap();
        claim.request = Size::new(start * GIB, Format::BinarySI);
        claim.capacity = claim.request;
        let mut scene = Scene::new(world);
        // when it is watched for long enough for three cycles
        for _ in 0..200 {
            scene.play(Event::Silence(10));
            let event = measure(&scene.world, when, written);
            scene.play(event);
        }
        // then
        let world = &scene.world;
        let row = format!("{when:?} {percent} % up to {max:?} from {start}");
        assert_eq!(world.claim.as_ref().unwrap().request.bytes, end * GIB, "{row}");
        assert_eq!(world.resized.len(), resizes, "{row}: {:?}", world.resized);
    }
}

#[test]
fn sizes_grow_by_whole_bytes_and_are_printed_as_the_request_was() {
    let size = |text: &str| text.parse::<Size>().unwrap();
    // (from, percent, max, to)
    let cases = [
        ("10Gi", 100, None, Some("20Gi")),
        ("10Gi", 50, None, Some("15Gi")),
        ("1Gi", 50, None, Some("1536Mi")),
        ("3", 50, None, Some("4")),
        ("10G", 100, None, Some("20G")),
        ("10Gi", 100, Some("12Gi"), Some("12Gi")),
        ("10Gi", 100, Some("20Gi"), Some("20Gi")),
        ("10Gi", 100, Some("10Gi"), None),
        ("12Gi", 100, Some("10Gi"), None),
        ("7Ei", 100, None, Some("9223372036854775807")),
    ];
    for (from, percent, max, to) in cases {
        let expected = to.map_or(Grown::AtMaximum, |to| Grown::To(size(to)));
        let grown = grow(size(from), percent, max.map(size));
        assert_eq!(grown, expected, "{from} by {percent} % up to {max:?}");
        if let (Grown::To(grown), Some(to)) = (grown, to) {
            assert_eq!(grown.to_string(), to, "{from} by {percent} % up to {max:?}");
        }
    }
}
