//! Reads the parts of `docs/architecture.md` that this test holds the sources against.
//!
//! The code map: below `## Code map`, one `### crate` with a table `| folder | holds | invariant |`; a folder is pure when its
//! invariant starts with "Pure". The arrows: below `## Allowed imports`, one `### crate` with a table
//! `| room | may import |`; a room is a folder or a file at the top of `src`, or a longer path that has a row of its own.
//! The paths: below `## Data paths`, one `### title` with a numbered list of functions each.

use std::collections::{BTreeMap, BTreeSet};

/// A row of the code map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    pub holds: String,
    pub invariant: String,
}

impl Folder {
    /// `true` if the folder must not do IO or read a clock.
    pub(crate) fn pure(&self) -> bool {
        self.invariant.starts_with("Pure")
    }
}

/// Lines below `## chapter` and `### section`, up to the next heading of either level.
fn section<'a>(text: &'a str, chapter: &str, section: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(move |line| line.strip_prefix("## ") != Some(chapter)).skip(1);
    let chapter = lines.take_while(|line| !line.starts_with("## "));
    let rest = chapter.skip_while(move |line| line.strip_prefix("### ") != Some(section)).skip(1);
    rest.take_while(|line| !line.starts_with("### ")).collect()
}

/// Titles of the sections of a chapter.
fn titles<'a>(text: &'a str, chapter: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| line.strip_prefix("## ") != Some(chapter)).skip(1);
    lines.take_while(|line| !line.starts_with("## ")).filter_map(|line| line.strip_prefix("### ")).collect()
}

/// Rows of the first table in the lines, without its head.
fn rows(lines: &[&str]) -> Vec<Vec<String>> {
    let table =
        lines.iter().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells =
        |line: &&str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    table.skip(2).map(cells).collect()
}

/// Texts in back quotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The code map of a crate, by folder below `src`.
pub(crate) fn code_map(text: &str, krate: &str) -> BTreeMap<String, Folder> {
    let rows = rows(&section(text, "Code map", krate));
    let folder = |row: Vec<String>| {
        let name = (*quoted(row.first()?).first()?).to_owned();
        Some((name, Folder { holds: row.get(1)?.clone(), invariant: row.get(2)?.clone() }))
    };
    rows.into_iter().filter_map(folder).collect()
}

/// What each room of a crate may import.
pub(crate) fn allowed(text: &str, krate: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(&section(text, "Allowed imports", krate)) {
        let targets: BTreeSet<String> =
            row.get(1).map_or("", String::as_str).split('`').skip(1).step_by(2).map(str::to_owned).collect();
        for room in quoted(row.first().map_or("", String::as_str)) {
            allowed.entry(room.into()).or_default().extend(targets.iter().cloned());
        }
    }
    allowed
}

/// Title and functions of each data path.
pub(crate) fn data_paths(text: &str) -> Vec<(&str, Vec<&str>)> {
    let step = |line: &'_ &str| line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
    let functions = |title: &str| {
        let lines = section(text, "Data paths", title);
        lines.into_iter().filter(step).map(|line| quoted(line).first().copied().unwrap_or("")).collect()
    };
    titles(text, "Data paths").into_iter().map(|title| (title, functions(title))).collect()
}

/// Numbers of the sections of a document, from headings such as `## 6. Once` and `### 2.1 Sizes`.
pub(crate) fn numbers(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let first = headings.filter_map(|line| line.trim_start_matches('#').split_whitespace().next());
    let number = |word: &str| word.trim_start_matches('\u{a7}').trim_end_matches('.').to_owned();
    first.map(number).filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect()
}
