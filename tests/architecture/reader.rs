//! From source text to [`Crate`]: follows `mod`, leaves out what only tests compile.

use std::collections::BTreeMap;
use std::path::Path;

use syn::Item;
use syn::visit::Visit as _;

use super::code::{Crate, Module};
use super::tree::Collector;

/// Reads `src` of the crate in folder `name`.
pub(crate) fn read_crate(root: &Path, name: &str) -> Result<Crate, String> {
    let mut files = BTreeMap::new();
    let source = root.join(name).join("src");
    read_folder(&source, "", &mut files).map_err(|error| format!("{}: {error}", source.display()))?;
    let cargo = std::fs::read_to_string(root.join(name).join("Cargo.toml")).unwrap_or_default();
    let package = cargo.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    parse(name, &package.unwrap_or(name).replace('-', "_"), files)
}

fn read_folder(folder: &Path, below: &str, files: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        } else if path.ends_with(".rs") {
            files.insert(path, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// Parses the files of a crate, from `lib.rs` and `main.rs` on.
pub(crate) fn parse(name: &str, library: &str, files: BTreeMap<String, String>) -> Result<Crate, String> {
    let mut reader = Reader {
        krate: Crate {
            name: name.into(),
            library: library.into(),
            files: BTreeMap::new(),
            modules: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
        },
        sources: files,
    };
    for root in ["lib.rs", "main.rs"] {
        if reader.sources.contains_key(root) {
            reader.file(root, &[], None)?;
        }
    }
    Ok(reader.krate)
}

struct Reader {
    krate: Crate,
    sources: BTreeMap<String, String>,
}

impl Reader {
    /// Reads one file as the module `path`.
    fn file(&mut self, file: &str, path: &[String], parent: Option<usize>) -> Result<usize, String> {
        let text = self.sources.get(file).cloned().ok_or_else(|| format!("no file {file}"))?;
        let parsed = syn::parse_file(&text).map_err(|error| format!("{file}: {error}"))?;
        self.krate.files.insert(file.into(), text);
        let folder = folder_of_children(file);
        self.module(file, &folder, path, parent, &parsed.items)
    }

    /// Registers a module and reads its items; `folder` is where the files of its children lie.
    fn module(
        &mut self,
        file: &str,
        folder: &str,
        path: &[String],
        parent: Option<usize>,
        items: &[Item],
    ) -> Result<usize, String> {
        let index = self.krate.modules.len();
        self.krate.modules.push(Module { file: file.into(), parent, ..Module::default() });
        let (name, text) = (self.krate.name.clone(), self.krate.files[file].clone());
        let mut collector = Collector::new(&name, path, file, &text);
        for item in items {
            match item {
                _ if super::tree::only_for_tests(item) => {}
                Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let inner: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
                    let child = match &module.content {
                        Some((_, items)) => {
                            self.module(file, &format!("{folder}{name}/"), &inner, Some(index), items)?
                        }
                        None => {
                            let child =
                                self.file_of(file, folder, &name, super::tree::path_attribute(module))?;
                            self.file(&child, &inner, Some(index))?
                        }
                    };
                    self.krate.modules[index].children.insert(name, child);
                }
                item => {
                    collector.define(item);
                    collector.visit_item(item);
                }
            }
        }
        let found = collector.found;
        let module = &mut self.krate.modules[index];
        (module.items, module.imports) = (found.items, found.imports);
        (module.globs, module.mentions) = (found.globs, found.mentions);
        self.krate.types.extend(found.types);
        self.krate.functions.extend(found.functions);
        Ok(index)
    }

    /// Path of the file of `mod name;`.
    fn file_of(&self, file: &str, folder: &str, name: &str, path: Option<String>) -> Result<String, String> {
        let beside = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let candidates = match path {
            Some(path) => vec![format!("{beside}{path}")],
            None => vec![format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")],
        };
        let found = candidates.iter().find(|candidate| self.sources.contains_key(*candidate));
        found.cloned().ok_or_else(|| format!("{file}: no file for `mod {name};`"))
    }
}

/// Folder in which the children of a file's module lie, with a slash at its end.
fn folder_of_children(file: &str) -> String {
    let (folder, name) = file.rsplit_once('/').map_or(("", file), |(folder, name)| (folder, name));
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder,
        name => format!("{folder}{}/", name.trim_end_matches(".rs")),
    }
}
