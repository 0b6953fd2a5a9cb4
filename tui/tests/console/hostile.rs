//! Text that wants to be more than text.

use autopilot_tui::cli::snapshot::render;
use autopilot_tui::config::Settings;
use autopilot_tui::message::Yaml;
use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::model::Dialog;
use autopilot_tui::rows::{Approval, EventRecord, Names, Row, wire};
use autopilot_tui::text::{LONGEST, Safe, fit, fit_middle, link, width, wrap};
use crossterm::event::KeyCode;
use serde_json::json;

use crate::fixture::{Stage, approval, approval_json, asks, harmless, screen};

const HOSTILE: &[&str] = &[
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}x",
    "\u{1b}]52;c;aGk=\u{1b}\\x",
    "\u{1b}]8;;https://evil\u{1b}\\x",
    "\u{9b}2Jx",
    "\u{90}q\u{9c}x",
    "a\rb",
    "a\u{8}b\u{7f}",
    "data-\u{202e}tsop",
    "\u{2066}a\u{2069}",
    "a\u{200b}b\u{feff}c\u{2060}",
    "pg\u{ad}1",
    "a\u{e0041}b",
    "\u{3164}",
    "\u{1b}",
    "\u{1b}[",
    "\u{1b}]no end",
];

#[test]
fn what_is_taken_out_is_marked() {
    for raw in HOSTILE {
        let safe = Safe::new(raw);
        assert!(harmless(safe.as_str()), "{raw:?} became {safe:?}");
        assert!(
            safe.sanitized() && safe.as_str().contains('\u{fffd}'),
            "{raw:?} became {safe:?} without a mark"
        );
    }
}

#[test]
fn every_character_that_nobody_would_see_is_taken_out_and_every_other_is_shown() {
    // A line break and a tab are shown as something else.
    for c in ('\0'..=char::MAX).filter(|c| !matches!(c, '\n' | '\t')) {
        let safe = Safe::new(&format!("a{c} b"));
        let hidden = autopilot_shared::text::is_hidden(c);
        assert_eq!(
            (safe.as_str().contains(c), safe.sanitized()),
            (!hidden, hidden),
            "U+{:04X}",
            u32::from(c)
        );
    }
}

#[test]
fn what_is_harmless_stays() {
    for raw in ["pgbench-data", "größe", "日本語", "👩‍👩‍👧", "❤️", "e\u{301}", "a => b"]
    {
        let safe = Safe::new(raw);
        assert_eq!((safe.as_str(), safe.sanitized()), (raw, false));
    }
    assert_eq!(Safe::new("a\nb\r\nc\td").as_str(), "a⏎b⏎c d");
}

#[test]
fn long_texts_end() {
    let safe = Safe::new(&"x".repeat(10_000));
    assert!(safe.sanitized() && safe.as_str().chars().count() == LONGEST + 1 && safe.as_str().ends_with('…'));
    let zalgo = format!("a{}", "\u{301}".repeat(500));
    assert!(Safe::new(&zalgo).as_str().chars().count() < 6);
}

#[test]
fn only_plain_links_are_opened() {
    assert!(link("https://github.com/a/b/pull/1").is_some());
    for bad in [
        "http://github.com/a",
        "https://user:pw@github.com/a",
        "javascript:alert(1)",
        "https://",
        "https://a b/",
        "https://a/\u{1b}",
        "https://gith\u{fc}b.com/",
        "file:///etc/passwd",
        "https://a/`x`",
    ] {
        assert!(link(bad).is_none(), "{bad:?}");
    }
}

#[test]
fn cutting_keeps_to_the_columns() {
    for text in
        ["pgbench-data", "日本語日本語", "👩‍👩‍👧👩‍👩‍👧x", "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}"]
    {
        for columns in 0..14 {
            assert!(width(&fit(text, columns)) <= columns, "{text} {columns}");
            assert!(width(&fit_middle(text, columns)) <= columns, "{text} {columns}");
        }
        assert!(wrap(text, 5).iter().all(|l| width(l) <= 5), "{text}");
    }
}

#[test]
fn the_digest_goes_back_as_it_came_and_is_shown_as_what_can_be_read() {
    use autopilot_tui::app::audit;
    use autopilot_tui::clock::Now;
    use autopilot_tui::cluster::send;
    use autopilot_tui::decision::{Action, Ending, Target, Write, Written};
    use autopilot_tui::rows::{ApprovalColumn, CellContext, Column as _};
    let raw = "0123\u{202e}4567";
    let mut json = approval_json(1, "ns", "claim", "99", 1);
    json["spec"]["actions"][0]["proposal"] = raw.into();
    let row = approval(json);
    assert!(row.sanitized(), "by its digest alone");
    let context = CellContext { now: Now::default(), glyphs: Settings::default().glyphs };
    let columns = ApprovalColumn::ALL;
    let lines = autopilot_tui::content::table_layout::print_table([&row].into_iter(), &context, columns);
    assert!(lines[0].contains("PROPOSAL") && lines[1].contains("0123\u{fffd}4567"), "{lines:#?}");
    let target = Target::of(&row);
    assert!(harmless(target.proposal.as_str()));
    let write = Write {
        action: Action::Approve,
        target,
        reason: String::new(),
        by: String::new(),
        context: Safe::new("dev"),
        server: Safe::new("https://dev"),
        at: crate::fixture::night(),
        dry_run: false,
    };
    assert_eq!(send::patch(&write)[1]["value"], raw);
    let written = Written { at: jiff::Timestamp::UNIX_EPOCH, write, ending: Ending::Done };
    let line = audit::line(&written);
    assert!(harmless(&line) && line.contains("0123\\u202e4567"), "{line}");
}

#[test]
fn no_field_brings_hostile_text_to_the_screen() {
    for raw in HOSTILE {
        let mut json = approval_json(1, "ns", "claim", "99", 1);
        json["metadata"]["labels"]["rule"] = (*raw).into();
        json["status"]["Rule"]["Name"] = (*raw).into();
        json["status"]["actionPreviews"][0]["expectedResult"]["Message"] = (*raw).into();
        json["status"]["actionPreviews"][0]["involvedObjects"][0]["name"] = (*raw).into();
        json["status"]["actionPreviews"][0]["involvedObjects"][0]["ownerReferences"][0]["name"] =
            (*raw).into();
        json["status"]["proposal"]["from"] = (*raw).into();
        json["spec"]["actions"][0]["proposal"] = (*raw).into();
        json["status"]["proposal"]["measured"][0]["key"] = (*raw).into();
        json["status"]["proposal"]["measured"][0]["value"] = (*raw).into();
        json["status"]["pullRequest"] =
            json!({ "number": 1, "url": raw, "state": "open", "by": raw, "branch": raw });
        json["status"]["decision"] =
            json!({ "digest": raw, "outcome": "declined", "by": raw, "via": raw, "reason": raw });
        let row = approval(json);
        assert!(row.sanitized(), "{raw:?}");
        let event = json!({
            "metadata": { "uid": "e" }, "reason": raw, "type": "Warning", "message": raw, "involvedObject": { "name": raw },
        });
        let event = EventRecord::from_wire(&serde_json::from_value(event).unwrap(), &mut Names::default());
        let mut stage = Stage::calm(Settings::default(), (120, 40));
        stage.feed(ClusterEvent::Approvals(vec![row]));
        stage.feed(ClusterEvent::Events(vec![event]));
        let mut screens = Vec::new();
        for keys in ["", "2", "1"] {
            stage.keys(keys);
            screens.push(render(&mut stage.model).unwrap());
            stage.press(KeyCode::Enter);
            screens.push(render(&mut stage.model).unwrap());
            stage.press(KeyCode::Esc);
        }
        stage.keys("D");
        screens.push(render(&mut stage.model).unwrap());
        stage.press(KeyCode::Esc);
        stage.keys("y");
        let of = autopilot_tui::rows::Subject::Approval("uid-1".into());
        stage.msg(Msg::Yaml(of, Yaml::Lines(Safe::lines(&format!("a: {raw}")))));
        screens.push(render(&mut stage.model).unwrap());
        for screen in screens {
            for cell in screen.content() {
                assert!(harmless(cell.symbol()), "{raw:?} reached the screen as {:?}", cell.symbol());
            }
        }
    }
}

/// The screen of an approval whose pull request has this link, in a terminal that knows links.
fn with_link(url: &str, hosts: &[&str]) -> ratatui::buffer::Buffer {
    let mut json = approval_json(1, "ns", "claim", "99", 1);
    json["status"]["pullRequest"] = json!({ "number": 1, "url": url, "state": "open" });
    let hosts = hosts.iter().map(|h| (*h).to_owned()).collect();
    let mut stage = Stage::calm(Settings { hyperlinks: true, hosts, ..Settings::default() }, (60, 40));
    stage.feed(ClusterEvent::Approvals(vec![approval(json)]));
    stage.press(KeyCode::Enter);
    render(&mut stage.model).unwrap()
}

fn sequences(screen: &ratatui::buffer::Buffer) -> Vec<&str> {
    screen.content().iter().map(ratatui::buffer::Cell::symbol).filter(|s| s.contains('\u{1b}')).collect()
}

#[test]
fn the_link_of_a_pull_request_is_one_of_the_terminal() {
    let url = "https://github.com/example/a-rather-long-name-of-a-repository/pull/482";
    // What does not fit into a line is one link in two pieces.
    let (head, tail) = url.split_at(42);
    let expected = [head, tail].map(|label| format!("\u{1b}]8;;{url}\u{1b}\\{label}\u{1b}]8;;\u{1b}\\"));
    assert_eq!(sequences(&with_link(url, &["github.com"])), expected);
    assert!(sequences(&with_link(url, &["git.example.com"])).is_empty());
}

#[test]
fn no_link_breaks_out_of_its_sequence() {
    for raw in HOSTILE {
        let url = format!("https://github.com/{raw}/pull/1");
        assert!(sequences(&with_link(&url, &[])).is_empty(), "{raw:?}");
    }
    for url in ["http://github.com/a", "javascript:alert(1)", "https://user:pw@github.com/a", "https://a b/"]
    {
        assert!(sequences(&with_link(url, &[])).is_empty(), "{url}");
    }
}

#[test]
fn what_cannot_be_read_is_shown_with_the_reason_and_can_be_deleted() {
    let mut stage = Stage::calm(Settings::default(), (120, 40));
    let mut json = approval_json(1, "ns", "claim", "80", 5);
    json["status"]["decision"] = json!({ "digest": "d", "outcome": "per\u{202e}haps" });
    let row = Approval::from_wire(wire::Object::read(&json), &mut Names::default());
    stage.feed(ClusterEvent::Approvals(vec![row]));
    stage.settle();
    let text = screen(&mut stage);
    assert!(text.contains("unclear") && text.contains("ns") && harmless(&text.replace('\n', "")), "{text}");
    stage.keys("a");
    assert!(!asks(&stage));
    stage.press(KeyCode::Enter);
    let text = screen(&mut stage);
    assert!(text.contains("it cannot be read: unknown variant") && text.contains("altered"), "{text}");
    stage.keys("D");
    assert!(asks(&stage), "it can be deleted, by its name");
    // Nothing of what it became can be told from what was shown, but its version.
    json["metadata"]["resourceVersion"] = "101".into();
    stage.feed(ClusterEvent::Approvals(vec![Approval::from_wire(
        wire::Object::read(&json),
        &mut Names::default(),
    )]));
    let Some(Dialog::Notice { text, .. }) = &stage.model.dialog else { panic!("{:?}", stage.model.dialog) };
    assert!(text.as_str().contains("it changed since it was shown"), "{text}");
}
