//! Links between the documents, and paths of sources that the documents name.

use std::path::{Path, PathBuf};

use super::citations::Text;

/// Documents that are checked.
const DOCUMENTS: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
/// Documents that name sources by path.
const WITH_PATHS: [&str; 3] = ["CONTRIBUTING.md", "docs/architecture.md", "docs/glossary.md"];
/// First parts of paths in the repository.
const FOLDERS: [&str; 7] = ["shared/", "controller/", "tui/", "sandbox/", "tests/", "deploy/", "docs/"];

/// Links that lead to no file, or to no heading of one.
pub(crate) fn broken(root: &Path, documents: &[Text]) -> Vec<String> {
    let ours = |text: &&Text| text.path.starts_with("docs/") || DOCUMENTS.contains(&text.path.as_str());
    documents.iter().filter(ours).flat_map(|text| in_document(root, text)).collect()
}

fn in_document(root: &Path, text: &Text) -> Vec<String> {
    let folder = root.join(&text.path);
    let folder = folder.parent().unwrap_or(root);
    let targets = text.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let broken = targets.filter(|target| !target.contains("://")).filter(|target| {
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        if !file.is_empty() && !folder.join(file).exists() {
            return true;
        }
        let other = || std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        let there = if file.is_empty() { text.text.clone() } else { other() };
        !heading.is_empty() && !anchors(&there).any(|anchor| anchor == heading)
    });
    broken.map(|target| format!("{}: the link to {target} leads nowhere", text.path)).collect()
}

/// Anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        line.trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(kept)
            .collect::<String>()
            .replace(' ', "-")
    })
}

/// Paths in back quotes that do not exist, and names that are said to stand in a file and do not: `` `name` in `path` ``,
/// `` `name` and `other` in `path` ``. `src` may be left out of a path.
pub(crate) fn missing_paths(root: &Path, documents: &[Text]) -> Vec<String> {
    let mut missing = Vec::new();
    for text in documents.iter().filter(|text| WITH_PATHS.contains(&text.path.as_str())) {
        // What stands in back quotes has an odd position, what stands between them an even one.
        let parts: Vec<&str> = text.text.split('`').collect();
        for (at, path) in parts.iter().enumerate().skip(1).step_by(2) {
            let is_path =
                FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.contains([' ', '*', '<', '{']);
            if !is_path {
                continue;
            }
            let Some(file) = resolve(root, path) else {
                missing.push(format!("{}: there is no `{path}`", text.path));
                continue;
            };
            let source = std::fs::read_to_string(file).unwrap_or_default();
            let gone =
                names_before(&parts[..at]).filter(|name| path.ends_with(".rs") && !has_word(&source, name));
            missing.extend(gone.map(|name| format!("{}: there is no {name} in `{path}`", text.path)));
        }
    }
    missing
}

fn resolve(root: &Path, path: &str) -> Option<PathBuf> {
    let inside = path.split_once('/').map(|(krate, rest)| root.join(krate).join("src").join(rest));
    [Some(root.join(path)), inside].into_iter().flatten().find(|path| path.exists())
}

fn has_word(source: &str, word: &str) -> bool {
    source.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// Returns the names that a path is said to hold, the nearest first. `parts`: all before the path.
fn names_before<'a>(parts: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let pairs = parts.rchunks_exact(2).enumerate();
    let listed = pairs.take_while(|(back, pair)| match back {
        0 => pair[1] == " in ",
        _ => matches!(pair[1], " and " | ", "),
    });
    let names = listed.map(|(_, pair)| {
        let name = pair[0].split(['(', ' ', '<']).next().unwrap_or_default();
        name.rsplit("::").next().unwrap_or_default()
    });
    names.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
}
