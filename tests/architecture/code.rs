//! What is read of a crate: modules, imports, definitions. Plain data.

use std::collections::{BTreeMap, BTreeSet};

/// A crate: files by path below `src`, and its modules.
#[derive(Debug)]
pub(crate) struct Crate {
    /// Folder of the crate, such as `controller`.
    pub name: String,
    /// Name in paths, such as `autopilot_controller`.
    pub library: String,
    /// Text of every file that is no test, by its path below `src`.
    pub files: BTreeMap<String, String>,
    pub modules: Vec<Module>,
    pub types: Vec<Definition>,
    pub functions: Vec<Function>,
}

/// A module: a file, or a block in one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// File that holds it, below `src`.
    pub file: String,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    /// Names of what is defined here, modules excepted.
    pub items: BTreeSet<String>,
    /// Names that `use` brings in, with what they stand for.
    pub imports: Vec<Import>,
    /// Paths of `use path::*`.
    pub globs: Vec<Vec<String>>,
    /// Every path that is written here.
    pub mentions: Vec<Mention>,
}

/// A name that a `use` brings in.
#[derive(Debug)]
pub(crate) struct Import {
    pub name: String,
    pub path: Vec<String>,
}

/// A path as written; the first segment is empty where it starts with `::`.
#[derive(Debug)]
pub(crate) struct Mention {
    pub path: Vec<String>,
    pub line: usize,
}

/// A type and where it is defined.
#[derive(Debug)]
pub(crate) struct Definition {
    pub name: String,
    pub file: String,
    pub line: usize,
}

/// A function with a body.
#[derive(Debug)]
pub(crate) struct Function {
    /// Crate, modules, type where there is one, name.
    pub path: Vec<String>,
    pub file: String,
    pub line: usize,
    /// Lines of its body that are neither blank nor a comment.
    pub lines: usize,
}
