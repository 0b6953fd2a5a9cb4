//! Links between the documents, and paths of sources that the documents name.

use std::path::Path;

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

/// Paths in back quotes that do not exist; `src` may be left out.
pub(crate) fn missing_paths(root: &Path, documents: &[Text]) -> Vec<String> {
    let mut missing = Vec::new();
    for text in documents.iter().filter(|text| WITH_PATHS.contains(&text.path.as_str())) {
        for path in text.text.split('`').skip(1).step_by(2) {
            let is_path =
                FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.contains([' ', '*', '<', '{']);
            let inside = path.split_once('/').map(|(krate, rest)| root.join(krate).join("src").join(rest));
            if is_path && !root.join(path).exists() && !inside.is_some_and(|inside| inside.exists()) {
                missing.push(format!("{}: there is no `{path}`", text.path));
            }
        }
    }
    missing
}
