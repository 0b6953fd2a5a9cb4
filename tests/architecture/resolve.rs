//! From a path as written to the file, or the foreign item, that it means.

use std::collections::HashSet;

use super::code::Crate;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A module of the crate.
    Module(usize),
    /// Something defined in a module of the crate.
    Item(usize),
    /// Something of another crate, with its full path.
    Foreign(Vec<String>),
}

/// Follows paths through one crate.
pub(crate) struct Resolver<'a> {
    krate: &'a Crate,
    /// Modules whose re-exports the path went through.
    pub through: Vec<usize>,
    /// Names that are being looked up: a glob may lead back to its own module.
    visited: HashSet<(usize, String)>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(krate: &'a Crate) -> Self {
        Resolver { krate, through: Vec::new(), visited: HashSet::new() }
    }

    /// Meaning of a path that is written in module `at`.
    pub(crate) fn path(&mut self, at: usize, path: &[String]) -> Meaning {
        let foreign = || Meaning::Foreign(path.to_vec());
        let Some((first, rest)) = path.split_first() else { return Meaning::Module(at) };
        match first.as_str() {
            "" => Meaning::Foreign(rest.to_vec()),
            "crate" => self.below(self.root(at), rest),
            "self" => self.below(at, rest),
            "super" => self.below(self.krate.modules[at].parent.unwrap_or(at), rest),
            name => match self.name(at, name, rest) {
                Some(meaning) => meaning,
                None if *name == self.krate.library => self.below(0, rest),
                None => foreign(),
            },
        }
    }

    fn root(&self, mut at: usize) -> usize {
        while let Some(parent) = self.krate.modules[at].parent {
            at = parent;
        }
        at
    }

    fn below(&mut self, module: usize, path: &[String]) -> Meaning {
        match path.split_first() {
            None => Meaning::Module(module),
            Some((first, rest)) if first == "super" => {
                self.below(self.krate.modules[module].parent.unwrap_or(module), rest)
            }
            Some((first, rest)) if first == "self" => self.below(module, rest),
            Some((first, rest)) => self.name(module, first, rest).unwrap_or(Meaning::Item(module)),
        }
    }

    /// Meaning of `name::rest` in `module`; `None` if the module has no such name.
    fn name(&mut self, module: usize, name: &str, rest: &[String]) -> Option<Meaning> {
        let krate = self.krate;
        let here = &krate.modules[module];
        if let Some(&child) = here.children.get(name) {
            return Some(self.below(child, rest));
        }
        if here.items.contains(name) {
            return Some(Meaning::Item(module));
        }
        if !self.visited.insert((module, name.into())) {
            return None;
        }
        if let Some(import) = here.imports.iter().find(|import| import.name == name && import.path != [name])
        {
            self.through.push(module);
            let path: Vec<String> = import.path.iter().chain(rest).cloned().collect();
            return Some(self.path(module, &path));
        }
        for glob in &here.globs {
            if let Meaning::Module(other) = self.path(module, glob)
                && other != module
                && let Some(meaning) = self.name(other, name, rest)
            {
                self.through.push(module);
                return Some(meaning);
            }
        }
        None
    }
}
