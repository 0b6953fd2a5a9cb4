//! Given figures: the text that Prometheus reads.

use super::*;

const RESIZE: &str = "openstorage.io.action.volume/resize";

/// A controller that has seen everything once.
fn busy() -> (Metrics, InFlight) {
    let metrics = Metrics::new();
    metrics.set_rules_in_system(2);
    metrics.set_rule(
        "volume-resize",
        RESIZE,
        &[(RuleState::Normal, 3), (RuleState::ActionsDeclined, 1), (RuleState::ActionAwaitingApproval, 2)],
        6,
    );
    metrics.set_no_data("volume-resize", 1);
    metrics.set_objects_with_rules("volume", 6);
    metrics.set_objects_with_rules("storagepool", 0);
    metrics.action_done(RESIZE, "volume-resize", Duration::from_millis(1_500));
    metrics.action_done(RESIZE, "volume-resize", Duration::from_secs(4));
    metrics.action_failed(RESIZE, "pvc-1", Failure::Failed);
    metrics.action_failed(RESIZE, "pvc-1", Failure::Failed);
    metrics.action_failed(RESIZE, "pvc-2", Failure::Declined);
    metrics.query("default", "ok", Duration::from_millis(30), 1_234);
    metrics.query("default", "timeout", Duration::from_secs(10), 0);
    metrics.api_write("ActionApproval", "create", "ok");
    metrics.api_write("PersistentVolumeClaim", "patch", "conflict");
    metrics.set_leader(true);
    metrics.set_config_valid(true);
    metrics.set_forge(Some(ForgeFigures { open: 3, waiting: 2, budget: Some((4_990, 5_000)) }));
    metrics.watch_error("PersistentVolumeClaim");
    metrics.pass(Duration::from_millis(20));
    let effect = metrics.effect_started();
    (metrics, effect)
}

fn text(metrics: &Metrics) -> String {
    metrics.exposition().unwrap()
}

/// The value of exactly this series.
fn value(text: &str, series: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).map(str::to_owned)
}

#[test]
fn every_name_stands_in_the_text_under_exactly_this_form() {
    let (metrics, _effect) = busy();
    let text = text(&metrics);
    let resize = "action=\"openstorage.io.action.volume/resize\"";
    let table = [
        ("autopilot_rules_in_system".to_owned(), "2"),
        ("autopilot_objects_total{rule_name=\"volume-resize\"}".to_owned(), "6"),
        ("autopilot_objects_with_rules_total{object_type=\"volume\"}".to_owned(), "6"),
        ("autopilot_objects_with_rules_total{object_type=\"storagepool\"}".to_owned(), "0"),
        (rule_state(resize, "Normal"), "3"),
        (rule_state(resize, "ActionsDeclined"), "1"),
        (rule_state(resize, "ActionAwaitingApproval"), "2"),
        (rule_state(resize, "ActiveActionsTaken"), "0"),
        (format!("autopilot_action_duration_sum{{{resize},rule_name=\"volume-resize\"}}"), "5.5"),
        (format!("autopilot_action_duration_count{{{resize},rule_name=\"volume-resize\"}}"), "2"),
        (format!("autopilot_action_failed_total{{{resize},object=\"pvc-1\",state=\"failed\"}}"), "2"),
        (format!("autopilot_action_failed_total{{{resize},object=\"pvc-2\",state=\"declined\"}}"), "1"),
        ("autopilot_action_failed_count{state=\"failed\"}".to_owned(), "2"),
        ("autopilot_action_failed_count{state=\"declined\"}".to_owned(), "1"),
        ("autopilot_action_taken_total{rule_name=\"volume-resize\"}".to_owned(), "2"),
        ("autopilot_queries_total{provider=\"default\",outcome=\"ok\"}".to_owned(), "1"),
        ("autopilot_queries_total{provider=\"default\",outcome=\"timeout\"}".to_owned(), "1"),
        ("autopilot_query_seconds_count{provider=\"default\"}".to_owned(), "2"),
        ("autopilot_query_seconds_bucket{le=\"0.05\",provider=\"default\"}".to_owned(), "1"),
        ("autopilot_query_answer_bytes_total{provider=\"default\"}".to_owned(), "1234"),
        ("autopilot_no_data_objects{rule_name=\"volume-resize\"}".to_owned(), "1"),
        (
            "autopilot_api_writes_total{kind=\"ActionApproval\",verb=\"create\",outcome=\"ok\"}".to_owned(),
            "1",
        ),
        ("autopilot_effects_in_flight".to_owned(), "1"),
        ("autopilot_leader".to_owned(), "1"),
        ("autopilot_config_valid".to_owned(), "1"),
        ("autopilot_watch_errors_total{kind=\"PersistentVolumeClaim\"}".to_owned(), "1"),
        ("autopilot_pass_seconds_count".to_owned(), "1"),
        (format!("autopilot_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), "1"),
    ];
    for (series, expected) in &table {
        assert_eq!(value(&text, series).as_deref(), Some(*expected), "{series}\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"));
}

fn rule_state(action: &str, state: &str) -> String {
    format!("autopilot_rule_state_total{{{action},state=\"{state}\",rule_name=\"volume-resize\"}}")
}

#[test]
fn no_series_has_a_name_that_the_table_of_names_does_not_know() {
    let (metrics, _effect) = busy();
    let known = [
        "autopilot_rules_in_system",
        "autopilot_objects_total",
        "autopilot_objects_with_rules_total",
        "autopilot_rule_state_total",
        "autopilot_action_duration_sum",
        "autopilot_action_duration_count",
        "autopilot_action_failed_total",
        "autopilot_action_failed_count",
        "autopilot_action_taken_total",
        "autopilot_queries_total",
        "autopilot_query_seconds_sum",
        "autopilot_query_seconds_count",
        "autopilot_query_seconds_bucket",
        "autopilot_query_answer_bytes_total",
        "autopilot_no_data_objects",
        "autopilot_api_writes_total",
        "autopilot_effects_in_flight",
        "autopilot_leader",
        "autopilot_config_valid",
        "autopilot_pull_requests_open",
        "autopilot_pull_requests_waiting",
        "autopilot_forge_requests_left",
        "autopilot_forge_requests_limit",
        "autopilot_watch_errors_total",
        "autopilot_pass_seconds_sum",
        "autopilot_pass_seconds_count",
        "autopilot_pass_seconds_bucket",
        "autopilot_build_info",
    ];
    let mut seen = std::collections::BTreeSet::new();
    let text = text(&metrics);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(known.contains(&name), "{name}");
        seen.insert(name);
    }
    assert_eq!(seen.len(), known.len());
}

#[test]
fn a_rule_that_has_gone_leaves_no_series_and_one_whose_action_changed_none_of_the_old_action() {
    let (metrics, effect) = busy();
    metrics.set_rule("volume-resize", "openstorage.io.action.storagepool/expand", &[], 0);
    assert!(!text(&metrics).contains(&format!("rule_state_total{{action=\"{RESIZE}\"")));
    metrics.set_rule("other", RESIZE, &[(RuleState::Normal, 1)], 1);
    metrics.remove_rule("volume-resize");
    let text = text(&metrics);
    assert!(!text.contains("volume-resize"), "{text}");
    assert_eq!(value(&text, "autopilot_objects_total{rule_name=\"other\"}").as_deref(), Some("1"));
    drop(effect);
    assert_eq!(value(&self::text(&metrics), "autopilot_effects_in_flight").as_deref(), Some("0"));
}

#[test]
fn an_object_or_provider_that_has_gone_leaves_no_series_and_the_sums_stay() {
    let (metrics, _effect) = busy();
    metrics.retain_objects(|object| object != "pvc-1");
    metrics.retain_providers(|provider| provider != "default");
    let text = text(&metrics);
    assert!(!text.contains("pvc-1") && text.contains("pvc-2") && !text.contains("provider="), "{text}");
    assert_eq!(value(&text, "autopilot_action_failed_count{state=\"failed\"}").as_deref(), Some("2"));
}

#[test]
fn failures_of_a_great_many_objects_are_counted_together() {
    let metrics = Metrics::new();
    for number in 0..MOST_OBJECTS + 50 {
        metrics.action_failed(RESIZE, &format!("pvc-{number}"), Failure::Failed);
    }
    let text = text(&metrics);
    let series = text.lines().filter(|line| line.starts_with("autopilot_action_failed_total{")).count();
    assert_eq!(series, MOST_OBJECTS + 1);
    let other =
        format!("autopilot_action_failed_total{{action=\"{RESIZE}\",object=\"other\",state=\"failed\"}}");
    assert_eq!(value(&text, &other).as_deref(), Some("50"));
    // As many go, but for one: there is room again, and what was counted together stays.
    metrics.retain_objects(|object| object == "pvc-7");
    metrics.action_failed(RESIZE, "pvc-new", Failure::Failed);
    let text = self::text(&metrics);
    let of = |object| {
        format!("autopilot_action_failed_total{{action=\"{RESIZE}\",object=\"{object}\",state=\"failed\"}}")
    };
    let values = ["pvc-7", "pvc-8", "pvc-new", "other"].map(|object| value(&text, &of(object)));
    assert_eq!(values.each_ref().map(Option::as_deref), [Some("1"), None, Some("1"), Some("50")]);
}

#[test]
fn a_name_with_quotes_and_line_breaks_cannot_break_the_text() {
    let metrics = Metrics::new();
    metrics.set_no_data("a\"b\\c\nd", 1);
    assert!(text(&metrics).contains("autopilot_no_data_objects{rule_name=\"a\\\"b\\\\c\\nd\"} 1\n"));
}
