//! The checks of one crate; each returns what is wrong, with the lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::citations::Text;
use super::code::Crate;
use super::{document, graph};

/// Most lines of a file.
pub(crate) const MOST_LINES: usize = 500;
/// Most lines that are shown of one forbidden arrow.
const MOST_SHOWN: usize = 6;
/// Most steps of a data path.
const MOST_STEPS: usize = 10;
/// Data paths that a reader finds in the document.
const DATA_PATHS: usize = 6;
/// Clocks, IO, runtimes and randomness: nothing of them in a pure folder. A `Duration` is no clock.
const IMPURE: [&str; 18] = [
    "tokio",
    "tokio_util",
    "hyper",
    "octocrab",
    "kube::Client",
    "kube::client",
    "kube::Api",
    "kube::runtime",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "rand::rng",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
];

/// Circles of imports, each with the lines of a shortest one.
pub(crate) fn circles(krate: &Crate) -> Vec<String> {
    let (arrows, _) = graph::imports(krate);
    let group = |group: &BTreeSet<String>| {
        let mut text = format!("{}: a circle of {} files, for instance", krate.name, group.len());
        for arrow in graph::shortest(&arrows, group) {
            let graph::Arrow { from, to, line, path } = arrow;
            let _ = write!(text, "\n    {}/src/{from}:{line} imports {to}  ({path})", krate.name);
        }
        text
    };
    graph::circles(&arrows).iter().map(group).collect()
}

/// Imports between rooms that the table does not allow.
pub(crate) fn arrows(krate: &Crate, map: &str) -> Vec<String> {
    let allowed = document::allowed(map, &krate.name);
    let mut troubles = Vec::new();
    let rooms: BTreeSet<String> =
        krate.files.keys().filter(|file| !is_root(file)).map(|file| room(file, allowed.keys())).collect();
    for room in rooms.iter().filter(|room| !allowed.contains_key(*room)) {
        troubles.push(format!("{}: `{room}` has no row in the table of allowed imports", krate.name));
    }
    let mut wrong: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for arrow in graph::imports(krate).0 {
        if is_root(&arrow.from) || is_root(&arrow.to) {
            continue;
        }
        let (from, to) = (room(&arrow.from, allowed.keys()), room(&arrow.to, allowed.keys()));
        if from != to && allowed.get(&from).is_some_and(|targets| !targets.contains(&to)) {
            let graph::Arrow { from: file, to: target, line, path } = arrow;
            let line = format!("\n    {}/src/{file}:{line} imports {target}  ({path})", krate.name);
            wrong.entry((from, to)).or_default().push(line);
        }
    }
    for ((from, to), lines) in wrong {
        let shown: String = lines.iter().take(MOST_SHOWN).map(String::as_str).collect();
        let more = match lines.len().saturating_sub(MOST_SHOWN) {
            0 => String::new(),
            more => format!("\n    and {more} more"),
        };
        troubles.push(format!("{}: `{from}` must not import `{to}`, but does{shown}{more}", krate.name));
    }
    troubles
}

/// Files at the root hold the rooms together.
fn is_root(file: &str) -> bool {
    matches!(file, "lib.rs" | "main.rs")
}

/// Room of a file: the longest path with a row, else the first folder, or the file itself at the top of `src`.
fn room<'a>(file: &str, rows: impl Iterator<Item = &'a String>) -> String {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let inside = |room: &&String| {
        path.strip_prefix(room.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match rows.filter(inside).max_by_key(|room| room.len()) {
        Some(room) => room.clone(),
        None => path.split('/').next().unwrap_or(path).to_owned(),
    }
}

/// Clocks and IO in folders that the code map calls pure.
pub(crate) fn purity(krate: &Crate, map: &str) -> Vec<String> {
    let map = document::code_map(map, &krate.name);
    let pure: Vec<&String> = map.iter().filter(|(_, folder)| folder.pure()).map(|(name, _)| name).collect();
    let inside = |file: &str| {
        let path = file.trim_end_matches(".rs");
        pure.iter().find(|folder| path == folder.as_str() || path.starts_with(&format!("{folder}/")))
    };
    let impure =
        |path: &str| IMPURE.iter().any(|name| *path == **name || path.starts_with(&format!("{name}::")));
    let (_, foreign) = graph::imports(krate);
    let troubles = foreign.iter().filter(|foreign| impure(&foreign.path)).filter_map(|foreign| {
        let folder = inside(&foreign.file)?;
        let graph::Foreign { file, line, path } = foreign;
        Some(format!("{}/src/{file}:{line}: `{folder}` is pure, but names {path}", krate.name))
    });
    troubles.collect()
}

/// Folders without a row in the code map or without invariant, and rows without folder.
pub(crate) fn folders(krate: &Crate, map: &str) -> Vec<String> {
    let map = document::code_map(map, &krate.name);
    let folders: BTreeSet<&str> =
        krate.files.keys().filter_map(|file| file.rsplit_once('/')).map(|(folder, _)| folder).collect();
    let mut troubles = Vec::new();
    for folder in &folders {
        match map.get(*folder) {
            None => troubles.push(format!("{}/src/{folder}: no row in the code map", krate.name)),
            Some(row) if row.invariant.is_empty() || row.holds.is_empty() => {
                troubles
                    .push(format!("{}/src/{folder}: its row says no contents or no invariant", krate.name));
            }
            Some(_) => {}
        }
    }
    let exists = |row: &str| folders.contains(row) || krate.files.contains_key(&format!("{row}.rs"));
    let gone = map.keys().filter(|row| !exists(row));
    troubles
        .extend(gone.map(|row| format!("{}: the code map has `{row}`, which does not exist", krate.name)));
    troubles
}

/// A file that is too long.
pub(crate) fn long_file(text: &Text) -> Option<String> {
    let lines = text.text.lines().count();
    (lines > MOST_LINES).then(|| format!("{}: {lines} lines", text.path))
}

/// Names that more than `most` types of the crate have, with the places.
pub(crate) fn shared_names(krate: &Crate, most: usize) -> Vec<String> {
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for kind in &krate.types {
        names.entry(&kind.name).or_default().push(format!("{}:{}", kind.file, kind.line));
    }
    let many = names.into_iter().filter(|(_, places)| places.len() > most);
    many.map(|(name, places)| format!("{}: `{name}` {}×: {}", krate.name, places.len(), places.join(", ")))
        .collect()
}

/// Names that more than two types of the crate have.
pub(crate) fn type_names(krate: &Crate) -> Vec<String> {
    shared_names(krate, 2)
}

/// Data paths that are missing or too long, and steps that name no function, or several.
pub(crate) fn data_paths(crates: &[Crate], map: &str) -> Vec<String> {
    let paths = document::data_paths(map);
    let mut troubles = Vec::new();
    if paths.len() < DATA_PATHS {
        troubles.push(format!("{} data paths instead of {DATA_PATHS}", paths.len()));
    }
    for (title, steps) in paths {
        if steps.is_empty() || steps.len() > MOST_STEPS {
            troubles.push(format!("{title}: {} steps, 1 to {MOST_STEPS} wanted", steps.len()));
        }
        for step in steps {
            let wanted: Vec<&str> = step.split("::").collect();
            let functions = crates.iter().flat_map(|krate| &krate.functions);
            let found: Vec<_> = functions
                .filter(|function| {
                    let path: Vec<&str> = function.path.iter().map(String::as_str).collect();
                    path.ends_with(&wanted)
                })
                .collect();
            match found.as_slice() {
                [_] if wanted.len() > 1 => {}
                [] | [_] => troubles.push(format!("{title}: no function `{step}` (module::function)")),
                many => {
                    let places: Vec<String> = many.iter().map(|function| function.path.join("::")).collect();
                    troubles.push(format!("{title}: `{step}` may be {}", places.join(" or ")));
                }
            }
        }
    }
    troubles
}
