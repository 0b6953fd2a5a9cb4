//! The benchmarks: which rows there are, and running those that were asked for.
//!
//! Rows 1, 2, 3 and 7 run the release controller against an API and a Prometheus that are loopback stubs in this
//! process and generate their lists; rows 4, 5 and 6 run it against real servers; rows 8, 9 and 10 run its
//! pull-request flow in virtual time. Rows 11 to 18 are the console's.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::console::{self, Consoles};
use crate::quiet::Quiet;
use crate::table::{Row, Table};
use crate::{approved, crossing, forge, late};

/// Numbers of the rows.
const ROWS: std::ops::RangeInclusive<u8> = 1..=18;
/// No group of rows takes longer, whatever hangs.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// Runs what the arguments name and prints the table. Whether all targets are met.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let only = selection(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut table = Table::default();
    let (mut quiet, mut consoles) = (Quiet::default(), Consoles::default());
    for row in only {
        let rows = match virtual_time(row) {
            Some(rows) => rows,
            None => runtime.block_on(async {
                let measured = tokio::time::timeout(LIMIT, measure(row, &mut quiet, &mut consoles)).await;
                measured.context("took too long").and_then(|rows| rows)
            }),
        };
        match rows {
            Ok(rows) => rows.into_iter().for_each(|row| table.add(row)),
            Err(error) => table.add(Row::failed(row, &error)),
        }
    }
    table.print();
    // The stubs' connections may still be open: nobody waits for them.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(table.met())
}

/// Measures a row of the pull-request flow. Each has a runtime of its own, whose clock it moves. `None` if the row is
/// another.
fn virtual_time(row: u8) -> Option<Result<Vec<Row>>> {
    match row {
        8 => Some(forge::at_rest()),
        9 => Some(forge::storm()),
        10 => Some(forge::restart()),
        _ => None,
    }
}

async fn measure(row: u8, quiet: &mut Quiet, consoles: &mut Consoles) -> Result<Vec<Row>> {
    match row {
        1 => quiet.cpu().await,
        2 => quiet.memory().await,
        3 => quiet.bytes().await,
        4 => crossing::measure().await,
        5 => approved::measure().await,
        6 => late::measure().await,
        7 => quiet.writes().await,
        11 => consoles.start().await,
        12 => consoles.rest().await,
        13 => consoles.storm().await,
        14 => consoles.moves().await,
        15 => consoles.filters().await,
        // Adds fifty thousand events, which the rows before it shall not have.
        16 => consoles.memory().await,
        17 => console::frame_and_filter(),
        18 => console::program(),
        other => bail!("there is no row {other}"),
    }
}

/// Returns the rows that `--only N[,M]` names; all, without it.
fn selection(arguments: &[String]) -> Result<BTreeSet<u8>> {
    let text = match arguments {
        [] => return Ok(ROWS.collect()),
        [flag, rows] if flag == "--only" => rows.as_str(),
        [one] if one.starts_with("--only=") => one.trim_start_matches("--only="),
        _ => bail!("usage: bench [--only N[,M]], N from {} to {}", ROWS.start(), ROWS.end()),
    };
    text.split(',')
        .map(|row| {
            let row = row.trim().parse::<u8>().ok().filter(|row| ROWS.contains(row));
            row.with_context(|| format!("--only {text}: rows are {} to {}", ROWS.start(), ROWS.end()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::selection;

    #[test]
    fn rows_are_selected_by_number() {
        let rows = |text: &str| {
            let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            selection(&arguments).ok().map(|rows| rows.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(rows(""), Some((1..=18).collect()));
        assert_eq!(rows("--only 3,1"), Some(vec![1, 3]));
        assert_eq!(rows("--only=7"), Some(vec![7]));
        assert_eq!(rows("--only 19"), None);
        assert_eq!(rows("--all"), None);
    }
}
