//! The architecture as a test: the sources are read as text, and held against the tables of `docs/architecture.md`.
//!
//! It needs no server. `AUTOPILOT_ROOT=/path/to/a/checkout` reads another checkout; `AUTOPILOT_ARCHITECTURE_REPORT=1`
//! with `--nocapture` prints circles, long files, long functions and colliding names of each crate.
//! The folder never imports the crates that it reads: a crate that does not compile can still be looked at.

#![allow(clippy::expect_used, reason = "a test")]

mod checks;
mod citations;
mod code;
mod document;
mod graph;
mod links;
mod reader;
mod report;
mod resolve;
mod tree;
mod units;

use std::path::PathBuf;

use code::Crate;

/// Folders of the crates that are read, where they exist.
const CRATES: [&str; 4] = ["shared", "controller", "tui", "sandbox"];

/// Root of the checkout.
fn root() -> PathBuf {
    match std::env::var_os("AUTOPILOT_ROOT") {
        Some(root) => PathBuf::from(root),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
    }
}

/// Reads every crate of the checkout.
fn crates() -> Vec<Crate> {
    let root = root();
    let there = CRATES.iter().filter(|name| root.join(name).join("src").is_dir());
    there.map(|name| reader::read_crate(&root, name).expect("sources that parse")).collect()
}

/// Text of `docs/architecture.md`.
fn map() -> String {
    std::fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md")
}

/// Fails with all of `troubles`.
#[track_caller]
fn none(troubles: &[String]) {
    assert!(troubles.is_empty(), "{} found:\n{}", troubles.len(), troubles.join("\n"));
}

#[test]
fn no_two_files_import_each_other_in_a_circle() {
    none(&crates().iter().flat_map(checks::circles).collect::<Vec<_>>());
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let map = map();
    none(&crates().iter().flat_map(|krate| checks::arrows(krate, &map)).collect::<Vec<_>>());
}

#[test]
fn pure_folders_import_no_clock_and_no_io() {
    let map = map();
    none(&crates().iter().flat_map(|krate| checks::purity(krate, &map)).collect::<Vec<_>>());
}

#[test]
fn every_folder_stands_in_the_code_map_with_its_invariant() {
    let map = map();
    none(&crates().iter().flat_map(|krate| checks::folders(krate, &map)).collect::<Vec<_>>());
}

#[test]
fn no_file_is_longer_than_500_lines() {
    none(&citations::texts(&root(), &["rs"]).iter().filter_map(checks::long_file).collect::<Vec<_>>());
}

#[test]
fn no_type_name_is_defined_more_than_twice() {
    none(&crates().iter().flat_map(checks::type_names).collect::<Vec<_>>());
}

#[test]
fn the_data_paths_name_functions_that_exist() {
    none(&checks::data_paths(&crates(), &map()));
}

#[test]
fn every_citation_of_a_section_resolves() {
    none(&citations::unresolved(&root()));
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    none(&links::broken(&root(), &citations::texts(&root(), &["md"])));
}

#[test]
fn every_path_that_a_document_names_exists() {
    none(&links::missing_paths(&root(), &citations::texts(&root(), &["md"])));
}

#[test]
fn report_of_the_figures() {
    if std::env::var_os("AUTOPILOT_ARCHITECTURE_REPORT").is_some() {
        println!("{}", report::report(&root(), &crates()));
    }
}
