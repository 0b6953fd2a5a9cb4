//! `--snapshot`: one screen as text, for bug reports and smoke tests.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::cli::exit_code::{FAILED, OK, USAGE};
use crate::clock::Now;
use crate::cluster::{ClusterTask, Source};
use crate::config::Settings;
use crate::connection::ClusterLabel;
use crate::model::{Model, Screen};
use crate::rows::View;
use crate::text::width;
use crate::update::{settle, update};
use crate::view;

/// Time that the lists may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns a buffer as lines of text, without what is blank at their ends.
pub fn text(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    (area.top()..area.bottom())
        .map(|y| {
            let mut line = String::new();
            let mut x = area.left();
            while x < area.right() {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += u16::try_from(width(symbol)).unwrap_or(1).max(1);
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// Draws a model to a buffer.
///
/// # Errors
/// Never: a buffer cannot fail.
pub fn render(model: &mut Model) -> Result<Buffer, std::convert::Infallible> {
    settle(model);
    let mut terminal = Terminal::new(TestBackend::new(model.size.0, model.size.1))?;
    terminal.draw(|frame| view::view(model, frame))?;
    Ok(terminal.backend().buffer().clone())
}

/// Prints a view once its list is complete, or once it is clear why it is not.
///
/// # Errors
/// Never; the code tells.
pub(crate) async fn print(
    source: Source,
    namespace: Option<String>,
    settings: Settings,
    view: &str,
    size: &str,
) -> anyhow::Result<ExitCode> {
    let Some(view) = View::ALL.into_iter().find(|v| v.name() == view) else {
        eprintln!("autopilot: --snapshot: approvals, events, objects or rules");
        return Ok(ExitCode::from(USAGE));
    };
    let parsed = size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let Some(size) = parsed.filter(|(w, h)| (20..=1000).contains(w) && (5..=1000).contains(h)) else {
        eprintln!("autopilot: --size: such as 120x40");
        return Ok(ExitCode::from(USAGE));
    };
    let (out, mut messages) = mpsc::channel(64);
    let namespace: Option<Arc<str>> = namespace.as_deref().map(Arc::from);
    // Text for a file or a report: no sequences in it.
    let settings = Settings { hyperlinks: false, ..settings };
    let mut model = Model::new(settings, ClusterLabel::default(), namespace.clone(), size);
    model.screens = vec![Screen::table(view)];
    let began = Instant::now();
    let _task = ClusterTask::start(source, namespace, 0, out);
    let end = began + PATIENCE;
    loop {
        let Ok(Some(msg)) = timeout_at(end, messages.recv()).await else { break };
        let now = Now { mono: began.elapsed(), wall: jiff::Timestamp::now() };
        update(&mut model, now, msg);
        let settled =
            model.link.synced.len() + model.link.denied.len() >= 4 && model.cluster.context.as_str() != "";
        if settled || model.link.outage.is_some() {
            break;
        }
    }
    let buffer = render(&mut model)?;
    for line in text(&buffer) {
        outln!("{line}");
    }
    Ok(ExitCode::from(if !model.dim() { OK } else { FAILED }))
}
