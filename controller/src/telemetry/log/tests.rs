//! Given a level and a format: the lines that come out.

use std::io;

use tracing::subscriber::with_default;

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Sink {
    type Writer = Sink;

    fn make_writer(&'w self) -> Sink {
        self.clone()
    }
}

/// One line of each kind; the words are the kinds.
fn chatter() {
    tracing::debug!(target: "autopilot_controller::decide", "own-debug");
    tracing::info!(target: "autopilot_controller::decide", "own-info");
    tracing::debug!(target: "hyper::proto", "library-debug");
    tracing::info!(target: "hyper::proto", "library-info");
    tracing::warn!(target: "kube_client::client", "whole-secret");
    tracing::warn!(target: "kube_client::client::tls", "whole-secret");
}

fn heard(level: &str) -> Vec<String> {
    let sink = Sink::default();
    let (subscriber, _handle) = subscriber(level, Format::Text, sink.clone()).unwrap();
    with_default(subscriber, chatter);
    let last_word = |line: &str| line.rsplit(' ').next().unwrap_or_default().to_owned();
    sink.take().lines().map(last_word).collect()
}

#[test]
fn a_level_is_for_autopilot_and_the_libraries_stay_at_info_unless_named() {
    let table: [(&str, &[&str]); 6] = [
        ("info", &["own-info", "library-info"]),
        ("debug", &["own-debug", "own-info", "library-info"]),
        ("DEBUG", &["own-debug", "own-info", "library-info"]),
        ("autopilot=debug", &["own-debug", "own-info", "library-info"]),
        ("warn,hyper=debug", &["library-debug", "library-info"]),
        ("off", &[]),
    ];
    for (level, words) in table {
        assert_eq!(heard(level), words, "{level}");
    }
}

#[test]
fn an_answer_that_kube_could_not_parse_is_never_logged_unless_that_target_is_named() {
    for level in ["warn", "info", "debug", "trace", "kube=trace", "info,kube_client=debug"] {
        assert!(!heard(level).contains(&"whole-secret".to_owned()), "{level}");
    }
    assert!(heard("kube_client::client=warn").contains(&"whole-secret".to_owned()));
}

#[test]
fn what_is_no_level_is_refused_with_what_to_write() {
    for text in [
        "inof",
        "",
        "autopilot",
        "autopilot=",
        "=debug",
        "autopilot=loud",
        "info,,",
        "3",
        "a b=info",
        "[x]=info",
    ] {
        let message = check_level(text).unwrap_err().to_string();
        assert!(message.contains("is no log level: write error, warn, info"), "{text:?}: {message}");
    }
    assert!(check_level("info,debug").unwrap_err().to_string().contains("two levels"));
}

#[test]
fn the_level_changes_while_the_log_runs_and_a_bad_one_changes_nothing() {
    let sink = Sink::default();
    let (subscriber, handle) = subscriber("info", Format::Text, sink.clone()).unwrap();
    with_default(subscriber, || {
        handle.set_level("error").unwrap();
        chatter();
        assert_eq!(sink.take(), "");
        assert!(handle.set_level("inof").is_err());
        assert_eq!(handle.level(), "error");
        handle.set_level(" debug\n").unwrap();
        assert_eq!(handle.level(), "debug");
        chatter();
        assert!(sink.take().contains("own-debug"));
    });
}

#[test]
fn a_line_of_json_carries_the_rule_and_the_object_of_its_span_and_the_time_in_utc() {
    let sink = Sink::default();
    let (subscriber, _handle) = subscriber("info", Format::Json, sink.clone()).unwrap();
    with_default(subscriber, || {
        let span = tracing::info_span!("object", rule = "volume-resize", object = "pvc-1");
        span.in_scope(|| tracing::info!(to = "20Gi", "resized"));
    });
    let line: serde_json::Value = serde_json::from_str(sink.take().trim()).unwrap();
    assert_eq!(line["message"], "resized");
    assert_eq!(line["to"], "20Gi");
    assert_eq!(line["level"], "INFO");
    assert_eq!(
        (&line["spans"][0]["rule"], &line["spans"][0]["object"]),
        (&"volume-resize".into(), &"pvc-1".into())
    );
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn the_format_is_the_environments_else_text_for_a_terminal_and_json_for_a_pipe() {
    assert_eq!(Format::chosen("", true).unwrap(), Format::Text);
    assert_eq!(Format::chosen("", false).unwrap(), Format::Json);
    assert_eq!(Format::chosen("JSON", true).unwrap(), Format::Json);
    assert_eq!(Format::chosen("text", false).unwrap(), Format::Text);
    assert!(Format::chosen("xml", false).is_err());
}
