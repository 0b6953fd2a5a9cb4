//! Citations of sections: each must lead to a heading of `docs/design.md` or `docs/reference.md`.

use std::collections::BTreeSet;
use std::path::Path;

use super::document;

/// A file of the checkout.
pub(crate) struct Text {
    /// Path below the root.
    pub path: String,
    pub text: String,
}

const SIGN: char = '\u{a7}';
/// Folders that hold no source of ours.
const FOREIGN: [&str; 4] = ["target", "node_modules", ".git", "vendor"];

/// Every file with one of the extensions.
pub(crate) fn texts(root: &Path, extensions: &[&str]) -> Vec<Text> {
    let mut found = Vec::new();
    collect(root, "", extensions, &mut found);
    found
}

fn collect(folder: &Path, below: &str, extensions: &[&str], found: &mut Vec<Text>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !FOREIGN.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{below}{name}/"), extensions, found);
        } else if name.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            found.push(Text { path: format!("{below}{name}"), text });
        }
    }
}

/// Numbers of the sections that can be cited, by document.
pub(crate) struct Sections {
    pub design: BTreeSet<String>,
    pub reference: BTreeSet<String>,
}

/// Citations in the checkout that lead nowhere.
pub(crate) fn unresolved(root: &Path) -> Vec<String> {
    let read = |name: &str| std::fs::read_to_string(root.join("docs").join(name)).unwrap_or_default();
    let sections = Sections {
        design: document::numbers(&read("design.md")),
        reference: document::numbers(&read("reference.md")),
    };
    texts(root, &["rs", "md", "toml", "yaml", "yml"])
        .iter()
        .flat_map(|text| in_text(text, &sections))
        .collect()
}

/// Citations in one text that lead nowhere. "reference" before the sign means that document, everything else the design;
/// within the reference itself a sign alone means the reference.
pub(crate) fn in_text(text: &Text, sections: &Sections) -> Vec<String> {
    let own = if text.path == "docs/reference.md" { &sections.reference } else { &sections.design };
    let mut troubles = Vec::new();
    for (number, line) in text.text.lines().enumerate() {
        for (at, _) in line.match_indices(SIGN) {
            let before = line[..at].trim_end().to_lowercase();
            let sections = match before.rsplit(|c: char| !c.is_alphanumeric()).next() {
                Some("reference") => &sections.reference,
                Some("design") => &sections.design,
                _ => own,
            };
            for wanted in cited(&line[at + SIGN.len_utf8()..]) {
                if !sections.contains(&wanted) {
                    troubles.push(format!(
                        "{}:{}: no section {wanted}: {}",
                        text.path,
                        number + 1,
                        line.trim()
                    ));
                }
            }
        }
    }
    troubles
}

/// Numbers after the sign: one, or both ends of a range and what lies between.
fn cited(rest: &str) -> Vec<String> {
    let number = |text: &str| -> String {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].trim_end_matches('.').to_owned()
    };
    let first = number(rest.trim_start());
    if first.is_empty() {
        return Vec::new();
    }
    let after = rest.trim_start()[first.len()..].trim_start_matches(['\u{2013}', '-']);
    let last =
        if after.len() < rest.trim_start()[first.len()..].len() { number(after) } else { String::new() };
    match (first.parse::<u8>(), last.parse::<u8>()) {
        (Ok(from), Ok(to)) if from < to => (from..=to).map(|n| n.to_string()).collect(),
        _ => vec![first],
    }
}
