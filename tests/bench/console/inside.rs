//! The rows that need no terminal and no cluster: one picture, one filter, the start of the program.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use autopilot_tests::pty::binary;
use autopilot_tui::cli::snapshot::render;
use autopilot_tui::clock::Now;
use autopilot_tui::config::Settings;
use autopilot_tui::connection::ClusterLabel;
use autopilot_tui::connection::KindName;
use autopilot_tui::message::{ClusterEvent, Msg};
use autopilot_tui::model::Model;
use autopilot_tui::rows::{Approval, ApprovalColumn, Column as _, Names};
use autopilot_tui::table::{Rows, TableState};
use autopilot_tui::update::update;

use super::seed::{APPROVALS, approval};
use super::timed_console::SIZE;
use crate::table::{Row, p50_p99};

/// The number of repetitions.
const TIMES: usize = 60;

fn approvals() -> Result<Vec<Approval>> {
    let mut names = Names::default();
    (0..APPROVALS)
        .map(|i| {
            let mut object = approval(i);
            object["metadata"]["uid"] = format!("5e9d7c1a-8b2f-4e6d-a3c5-{i:012x}").into();
            Ok(Approval::from_wire(serde_json::from_value(object)?, &mut names))
        })
        .collect()
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Measures row 17.
pub(crate) fn frame_and_filter() -> Result<Vec<Row>> {
    let now = Now { mono: std::time::Duration::from_secs(1), wall: jiff::Timestamp::now() };
    let mut model = Model::new(Settings::default(), ClusterLabel::default(), None, (SIZE.columns, SIZE.rows));
    for event in [
        ClusterEvent::Contact,
        ClusterEvent::Approvals(approvals()?),
        ClusterEvent::Done(KindName::Approvals),
    ] {
        update(&mut model, now, Msg::ClusterEvent(0, event));
    }
    let mut frames = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        let screen = render(&mut model)?;
        frames.push(milliseconds(began));
        ensure!(screen.area.width == SIZE.columns);
    }
    let mut rows = Rows::default();
    approvals()?.into_iter().for_each(|row| rows.put(row));
    let mut filters = Vec::new();
    for n in 0..TIMES {
        let mut table = TableState::new(ApprovalColumn::SPECS);
        table.refresh(&rows, now.wall);
        table.set_filter(&format!("postgres-{:04}", n * 7), false);
        let began = Instant::now();
        table.refresh(&rows, now.wall);
        filters.push(milliseconds(began));
        ensure!(table.order().len() == 10, "{} rows", table.order().len());
    }
    let row = |what: &str, values: Vec<f64>, limit: f64| {
        let (median, worst) = p50_p99(values);
        Row {
            number: 17,
            what: what.to_owned(),
            figure: format!("p50 {median:.2} ms, p99 {worst:.2} ms"),
            target: format!("<= {limit:.0} ms"),
            met: median <= limit,
            note: format!("in this process; {TIMES} times; the median counts."),
        }
    };
    Ok(vec![
        row("console: one frame, 160x50", frames, 2.0),
        row("console: filter over 10k rows", filters, 5.0),
    ])
}

/// Measures row 18.
pub(crate) fn program() -> Result<Vec<Row>> {
    let binary = binary()?;
    let mut starts = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        let status = Command::new(&binary).arg("--version").stdout(Stdio::null()).status();
        ensure!(status.context("start the console")?.success(), "--version failed");
        starts.push(milliseconds(began));
    }
    let (median, worst) = p50_p99(starts);
    #[expect(clippy::cast_precision_loss, reason = "a few million bytes")]
    let size = std::fs::metadata(&binary)?.len() as f64 / 1e6;
    Ok(vec![
        Row {
            number: 18,
            what: "console: autopilot --version".to_owned(),
            figure: format!("p50 {median:.1} ms, p99 {worst:.1} ms"),
            target: "<= 10 ms".to_owned(),
            met: median <= 10.0,
            note: format!("{TIMES} times; the median counts."),
        },
        Row {
            number: 18,
            what: "console: binary".to_owned(),
            figure: format!("{size:.1} MB"),
            target: "<= 16 MB".to_owned(),
            met: size <= 16.0,
            note: String::new(),
        },
    ])
}
