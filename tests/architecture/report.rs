//! The figures of a checkout, for people who restructure it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::code::Crate;
use super::{checks, graph};

/// Most lines of a function.
const LONG_FUNCTION: usize = 100;

/// A table with one line a crate, then the details of each.
pub(crate) fn report(root: &Path, crates: &[Crate]) -> String {
    let mut text = String::from(
        "| crate | files | lines | files > 500 | circles | files in circles | longest file | longest function | \
         functions > 100 | type names twice | more often | direct dependencies |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for krate in crates {
        let (arrows, _) = graph::imports(krate);
        let circles = graph::circles(&arrows);
        let lines = |file: &String| krate.files[file].lines().count();
        let long =
            krate.files.keys().max_by_key(|file| lines(file)).map(|file| format!("{file} {}", lines(file)));
        let function = krate.functions.iter().max_by_key(|function| function.lines);
        let function =
            function.map(|function| format!("{} {}", function.path[1..].join("::"), function.lines));
        let more = checks::shared_names(krate, 2).len();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {more} | {} |",
            krate.name,
            krate.files.len(),
            krate.files.keys().map(lines).sum::<usize>(),
            krate.files.keys().filter(|file| lines(file) > checks::MOST_LINES).count(),
            circles.len(),
            circles.iter().map(BTreeSet::len).sum::<usize>(),
            long.unwrap_or_default(),
            function.unwrap_or_default(),
            krate.functions.iter().filter(|function| function.lines > LONG_FUNCTION).count(),
            checks::shared_names(krate, 1).len() - more,
            dependencies(root, &krate.name),
        );
    }
    for krate in crates {
        details(&mut text, krate);
    }
    text
}

fn details(text: &mut String, krate: &Crate) {
    let (arrows, _) = graph::imports(krate);
    let _ = writeln!(text, "\n== {}", krate.name);
    for (group, circle) in graph::circles(&arrows).iter().zip(checks::circles(krate)) {
        let _ =
            writeln!(text, "{circle}\n    members: {}", group.iter().cloned().collect::<Vec<_>>().join(" "));
    }
    for (file, source) in &krate.files {
        let lines = source.lines().count();
        if lines > checks::MOST_LINES {
            let _ = writeln!(text, "file of {lines} lines: {file}");
        }
    }
    for name in checks::shared_names(krate, 1) {
        let _ = writeln!(text, "type name: {name}");
    }
    for function in krate.functions.iter().filter(|function| function.lines > LONG_FUNCTION) {
        let name = function.path[1..].join("::");
        let _ = writeln!(
            text,
            "function of {} lines: {}:{} {name}",
            function.lines, function.file, function.line
        );
    }
    for (file, source) in &krate.files {
        for (line, words) in foreign_prose(source) {
            let _ = writeln!(text, "prose: {file}:{line} {words}");
        }
    }
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for file in krate.files.keys() {
        *folders.entry(file.rsplit_once('/').map_or(".", |(folder, _)| folder)).or_default() += 1;
    }
    let folders: Vec<String> = folders.iter().map(|(folder, files)| format!("{folder} {files}")).collect();
    let _ = writeln!(text, "files per folder: {}", folders.join(", "));
    let place = |file: &str| match file.rsplit_once('/') {
        Some((folder, _)) => folder.to_owned(),
        None => file.trim_end_matches(".rs").to_owned(),
    };
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for arrow in arrows.iter().filter(|arrow| place(&arrow.from) != place(&arrow.to)) {
        imports.entry(place(&arrow.from)).or_default().insert(place(&arrow.to));
    }
    for (from, targets) in imports {
        let _ = writeln!(text, "imports of {from}: {}", targets.into_iter().collect::<Vec<_>>().join(" "));
    }
}

/// First lines of documentation that the prose rules of CONTRIBUTING.md do not allow.
fn foreign_prose(source: &str) -> Vec<(usize, &str)> {
    const BEGINNINGS: [&str; 5] = ["One that ", "What ", "Is ", "How it ", "Says why not"];
    let is_doc = |line: &str| line.trim_start().starts_with("///");
    let lines: Vec<&str> = source.lines().collect();
    let first = |at: usize| is_doc(lines[at]) && (at == 0 || !is_doc(lines[at - 1]));
    let words = |at: usize| (at + 1, lines[at].trim_start().trim_start_matches("///").trim());
    let found = (0..lines.len()).filter(|at| first(*at)).map(words);
    let foreign = |words: &str| {
        BEGINNINGS.iter().any(|begin| words.starts_with(begin)) || words.contains("nothing when")
    };
    found.filter(|(_, words)| foreign(words)).collect()
}

/// Direct dependencies of a crate, those of its tests excepted.
fn dependencies(root: &Path, krate: &str) -> usize {
    let cargo = std::fs::read_to_string(root.join(krate).join("Cargo.toml")).unwrap_or_default();
    let lines = cargo.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.starts_with('#') && line.contains(['=', '.'])).count()
}
