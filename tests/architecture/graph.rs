//! Imports between files, and the circles in them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::code::Crate;
use super::resolve::{Meaning, Resolver};

/// A file that imports from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub from: String,
    pub to: String,
    pub line: usize,
    /// The path as written.
    pub path: String,
}

/// Something of another crate that a file names.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub file: String,
    pub line: usize,
    /// Full path, `use` followed.
    pub path: String,
}

/// Every import between files of the crate, and everything foreign.
pub(crate) fn imports(krate: &Crate) -> (BTreeSet<Arrow>, Vec<Foreign>) {
    let (mut arrows, mut foreign) = (BTreeSet::new(), Vec::new());
    for (at, module) in krate.modules.iter().enumerate() {
        for mention in &module.mentions {
            let mut resolver = Resolver::new(krate);
            let meaning = resolver.path(at, &mention.path);
            let end = match meaning {
                Meaning::Module(end) | Meaning::Item(end) => Some(end),
                Meaning::Foreign(path) => {
                    foreign.push(Foreign {
                        file: module.file.clone(),
                        line: mention.line,
                        path: path.join("::"),
                    });
                    None
                }
            };
            for target in resolver.through.into_iter().chain(end) {
                let to = &krate.modules[target].file;
                if *to != module.file {
                    let (from, to) = (module.file.clone(), to.clone());
                    arrows.insert(Arrow { from, to, line: mention.line, path: mention.path.join("::") });
                }
            }
        }
    }
    (arrows, foreign)
}

type Neighbours<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn neighbours(arrows: &BTreeSet<Arrow>) -> Neighbours<'_> {
    let mut all = Neighbours::new();
    for arrow in arrows {
        all.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    all
}

/// Groups of files in which each reaches each other, largest first.
pub(crate) fn circles(arrows: &BTreeSet<Arrow>) -> Vec<BTreeSet<String>> {
    let all = neighbours(arrows);
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        all.keys().map(|file| (*file, reachable(&all, file))).collect();
    let mut groups: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    for (file, reached) in &reach {
        if reached.contains(file) {
            let back =
                reached.iter().filter(|other| reach.get(**other).is_some_and(|reach| reach.contains(file)));
            groups.insert(back.map(|other| (*other).to_owned()).collect());
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

fn reachable<'a>(all: &Neighbours<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = all.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(all.get(file).into_iter().flatten());
        }
    }
    reached
}

/// A shortest circle in the group, as arrows: those that a person has to look at.
pub(crate) fn shortest(arrows: &BTreeSet<Arrow>, group: &BTreeSet<String>) -> Vec<Arrow> {
    let inside: BTreeSet<Arrow> = arrows
        .iter()
        .filter(|arrow| group.contains(&arrow.from) && group.contains(&arrow.to))
        .cloned()
        .collect();
    let all = neighbours(&inside);
    let circles = group.iter().filter_map(|start| circle_through(&all, start));
    let files = circles.min_by_key(Vec::len).unwrap_or_default();
    let steps = files.iter().zip(files.iter().skip(1).chain(files.first()));
    steps.filter_map(|(from, to)| inside.iter().find(|a| a.from == *from && a.to == *to)).cloned().collect()
}

fn circle_through(all: &Neighbours<'_>, start: &str) -> Option<Vec<String>> {
    let mut queue = VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = queue.pop_front() {
        for next in all.get(path.last()?.as_str()).into_iter().flatten() {
            if *next == start {
                return Some(path);
            }
            if seen.insert(*next) {
                queue.push_back(path.iter().cloned().chain([(*next).to_owned()]).collect());
            }
        }
    }
    None
}
