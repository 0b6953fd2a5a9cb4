//! The reader itself, on small sources: each check must be able to fail.

use std::collections::BTreeMap;

use super::citations::{Sections, Text, in_text};
use super::code::Crate;
use super::{checks, document, graph, links, reader};

fn krate(files: &[(&str, &str)]) -> Crate {
    let files: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
    reader::parse("demo", "demo_lib", files).expect("sources that parse")
}

/// Arrows as `from -> to`.
fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    let mut arrows: Vec<_> = graph::imports(&krate(files))
        .0
        .iter()
        .map(|arrow| format!("{} -> {}", arrow.from, arrow.to))
        .collect();
    arrows.dedup();
    arrows
}

#[test]
fn a_declared_module_is_no_import_and_a_used_one_is() {
    assert_eq!(arrows(&[("lib.rs", "mod a;"), ("a.rs", "pub struct A;")]), [""; 0]);
    assert_eq!(arrows(&[("lib.rs", "mod a; pub use a::A;"), ("a.rs", "pub struct A;")]), ["lib.rs -> a.rs"]);
    let inline = [("lib.rs", "mod a; fn f() { a::g(); }"), ("a.rs", "pub fn g() {}")];
    assert_eq!(arrows(&inline), ["lib.rs -> a.rs"]);
}

#[test]
fn paths_count_wherever_they_are_written() {
    for text in [
        "use crate::b::B;",
        "use super::b::{self};",
        "use super::b::*;",
        "use demo_lib::b::B;",
        "fn f(_: &crate::b::B) {}",
        "fn f() { let _ = super::b::B; }",
        "fn f() { use crate::b::B; let _ = B; }",
        "fn f() { vec![crate::b::B]; }",
        "fn f() { assert!(matches!(x, Some(super::b::B))); }",
        "#[derive(Foo)] struct S { #[serde(with = \"crate::b\")] x: u8 }",
        "impl crate::b::T for u8 {}",
        "use crate::{b}; fn f() { b::g(); }",
    ] {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a/mod.rs", text),
            ("b.rs", "pub struct B; pub fn g() {} pub trait T {}"),
        ];
        assert_eq!(arrows(&files), ["a/mod.rs -> b.rs"], "{text}");
    }
}

#[test]
fn what_only_tests_compile_does_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "#[cfg(test)] mod tests { use crate::b::B; } #[cfg(test)] mod more; #[cfg(test)] use crate::b::B;",
        ),
        ("b.rs", "pub struct B;"),
    ];
    assert_eq!(arrows(&files), [""; 0]);
}

#[test]
fn visibility_and_documentation_do_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "/// [`crate::b::B`]\npub(in crate::b) struct A; pub(super) struct C;"),
        ("b.rs", "pub struct B;"),
    ];
    assert_eq!(arrows(&files), [""; 0]);
}

#[test]
fn a_reexport_leads_to_its_file_and_to_the_definition() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::C;"),
        ("b/mod.rs", "mod c; pub use c::C;"),
        ("b/c.rs", "pub struct C;"),
    ];
    assert_eq!(arrows(&files), ["a.rs -> b/c.rs", "a.rs -> b/mod.rs", "b/mod.rs -> b/c.rs"]);
}

#[test]
fn a_module_in_the_middle_of_a_path_is_not_imported() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod b; mod c; pub struct A;"),
        ("a/b.rs", "use crate::a::c::C;"),
        ("a/c.rs", "pub struct C;"),
    ];
    assert_eq!(arrows(&files), ["a/b.rs -> a/c.rs"]);
}

#[test]
fn a_circle_is_found_with_its_lines() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "\nuse crate::b::B;\npub struct A;"),
        ("b.rs", "use crate::c::C;\npub struct B;"),
        ("c.rs", "pub struct C(super::a::A);"),
    ];
    let found = checks::circles(&krate(&files));
    assert_eq!(found.len(), 1, "{found:?}");
    for line in ["a circle of 3 files", "a.rs:2 imports b.rs", "b.rs:1 imports c.rs", "c.rs:1 imports a.rs"] {
        assert!(found[0].contains(line), "{}", found[0]);
    }
}

#[test]
fn a_child_that_imports_from_a_parent_that_uses_it_is_a_circle() {
    let child = ("a/b.rs", "use super::A;");
    let uses = [("lib.rs", "mod a;"), ("a/mod.rs", "mod b; pub use b::f; pub struct A;"), child];
    assert_eq!(checks::circles(&krate(&uses)).len(), 1);
    let declares = [("lib.rs", "mod a;"), ("a/mod.rs", "mod b; pub struct A;"), child];
    assert_eq!(checks::circles(&krate(&declares)), [""; 0]);
}

const MAP: &str = "\
## Code map

### demo

| folder | holds | invariant |
|---|---|---|
| `low` | facts | Pure: never reads a clock. |
| `high` | the loop | Never imports `other`. |

## Allowed imports

### demo

| room | may import |
|---|---|
| `low` | |
| `high` | `low` |

## Data paths

### One

1. `low::f`: does it
2. `high::T::g`
";

const FINE: [(&str, &str); 3] = [
    ("lib.rs", "mod low; mod high; use high::T;"),
    ("low/mod.rs", "pub fn f() { let _ = std::time::Duration::ZERO; }"),
    ("high/mod.rs", "use crate::low::f; pub struct T; impl T { fn g(&self) { f(); tokio::spawn(()); } }"),
];

#[test]
fn a_crate_as_the_map_says_is_fine() {
    let krate = krate(&FINE);
    assert_eq!(checks::arrows(&krate, MAP), [""; 0]);
    assert_eq!(checks::purity(&krate, MAP), [""; 0]);
    assert_eq!(checks::folders(&krate, MAP), [""; 0]);
    assert_eq!(checks::type_names(&krate), [""; 0]);
    assert_eq!(checks::circles(&krate), [""; 0]);
}

#[test]
fn an_arrow_that_is_not_in_the_table_is_found() {
    let files = [FINE[0], ("low/mod.rs", "\nuse crate::high::T;"), ("high/mod.rs", "pub struct T;")];
    let found = checks::arrows(&krate(&files), MAP);
    assert_eq!(
        found,
        [
            "demo: `low` must not import `high`, but does\n    demo/src/low/mod.rs:2 imports high/mod.rs  (crate::high::T)"
        ]
    );
}

#[test]
fn a_room_with_a_row_of_its_own_is_one() {
    let files = [
        ("lib.rs", "mod high; mod low;"),
        ("low.rs", "pub struct L;"),
        ("high/mod.rs", "mod plan; use plan::P;"),
        ("high/plan.rs", "use crate::low::L; pub struct P;"),
    ];
    let map = MAP.replace("| `high` | `low` |", "| `high` | `high/plan` |\n| `high/plan` | |");
    let found = checks::arrows(&krate(&files), &map);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("demo: `high/plan` must not import `low`"), "{found:?}");
}

#[test]
fn a_room_without_a_row_is_found() {
    let files = [("lib.rs", "mod low; mod new;"), ("low.rs", ""), ("new.rs", "")];
    assert_eq!(
        checks::arrows(&krate(&files), MAP),
        ["demo: `new` has no row in the table of allowed imports"]
    );
}

#[test]
fn a_clock_in_a_pure_folder_is_found_under_any_name() {
    for text in [
        "use tokio::sync::mpsc;",
        "fn f() { std::time::Instant::now(); }",
        "use std::time::{Duration, Instant as I};",
        "use std::time; fn f() { time::SystemTime::now(); }",
        "use jiff::Timestamp; fn f() { Timestamp::now(); }",
        "fn f(_: kube::Client) {}",
        "fn f() { std::fs::read(\"x\"); }",
        "fn f() { vec![std::process::id()]; }",
    ] {
        let files = [("lib.rs", "mod low;"), ("low/mod.rs", "mod deep;"), ("low/deep.rs", text)];
        assert_eq!(checks::purity(&krate(&files), MAP).len(), 1, "{text}");
    }
}

#[test]
fn a_folder_without_a_row_or_an_invariant_is_found() {
    let files = [
        ("lib.rs", "mod low; mod high; mod new;"),
        ("low/mod.rs", ""),
        ("high/mod.rs", ""),
        ("new/mod.rs", ""),
    ];
    assert_eq!(checks::folders(&krate(&files), MAP), ["demo/src/new: no row in the code map"]);
    let without = MAP.replace("Never imports `other`.", "");
    assert_eq!(
        checks::folders(
            &krate(
                &files[..3]
                    .iter()
                    .copied()
                    .map(|(p, t)| (p, if p == "lib.rs" { "mod low; mod high;" } else { t }))
                    .collect::<Vec<_>>()
            ),
            &without
        ),
        ["demo/src/high: its row says no contents or no invariant"]
    );
    let gone = MAP.replace("`low` | facts", "`lost` | facts");
    assert!(
        checks::folders(&krate(&files), &gone)
            .contains(&"demo: the code map has `lost`, which does not exist".to_owned())
    );
}

#[test]
fn a_name_of_three_types_is_found() {
    let files = [("lib.rs", "struct A; mod x { enum A {} mod y { type A = u8; } } #[cfg(test)] struct A;")];
    assert_eq!(checks::type_names(&krate(&files)), ["demo: `A` 3×: lib.rs:1, lib.rs:1, lib.rs:1"]);
}

#[test]
fn a_long_file_is_found() {
    let text = |lines: usize| Text { path: "a.rs".into(), text: "\n".repeat(lines) };
    assert_eq!(checks::long_file(&text(500)), None);
    assert_eq!(checks::long_file(&text(501)), Some("a.rs: 501 lines".into()));
}

#[test]
fn a_step_of_a_path_that_is_no_function_is_found() {
    let crates = [krate(&FINE)];
    assert_eq!(checks::data_paths(&crates, MAP), ["1 data paths instead of 6"]);
    let wrong = MAP.replace("low::f`", "low::h`").replace("high::T::g", "g");
    assert_eq!(
        checks::data_paths(&crates, &wrong)[1..],
        ["One: no function `low::h` (module::function)", "One: no function `g` (module::function)"]
    );
    let long = MAP.to_owned() + &"3. `low::f`\n".repeat(9);
    assert_eq!(checks::data_paths(&crates, &long)[1..], ["One: 11 steps, 1 to 10 wanted"]);
}

#[test]
fn lines_of_a_function_are_those_of_its_body_that_are_code() {
    let krate =
        krate(&[("lib.rs", "fn f(\n  a: u8,\n) {\n  // why\n\n  a;\n  a;\n}\nfn g() {}\nfn h() { a }")]);
    let lines: Vec<_> = krate.functions.iter().map(|function| function.lines).collect();
    assert_eq!(lines, [2, 0, 0]);
}

#[test]
fn a_citation_of_a_section_that_is_not_there_is_found() {
    let numbers = document::numbers("# Design\n## 4. Rules\n## \u{a7}5 States\n## 6 Once\n### 2.1 Sizes\n");
    let sections = Sections { design: numbers, reference: ["9".to_owned()].into() };
    let wrong = |line: &str| {
        let line = line.replace('$', "\u{a7}");
        in_text(&Text { path: "a.rs".into(), text: line }, &sections).len()
    };
    for line in ["$6: once", "design $4–6", "Reference $9)", "($2.1)", "design $4.", "no $ at all"] {
        assert_eq!(wrong(line), 0, "{line}");
    }
    for line in ["$7", "design $9", "reference $6", "$4–7", "$2.2"] {
        assert_eq!(wrong(line), 1, "{line}");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = |text: &str| [Text { path: "README.md".into(), text: text.into() }];
    let fine = document("# One: two\n[a](#one-two) [b](Cargo.toml) [c](https://example.com/#x)");
    assert_eq!(links::broken(root, &fine), [""; 0]);
    let wrong = document("# One\n[a](#two) [b](Cargo.lick) [c](Cargo.toml#one)");
    assert_eq!(links::broken(root, &wrong).len(), 3);
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = |text: &str| [Text { path: "CONTRIBUTING.md".into(), text: text.into() }];
    assert_eq!(links::missing_paths(&root, &document("`tests/Cargo.toml`, `tui/main.rs`, `x/y`")), [""; 0]);
    assert_eq!(links::missing_paths(&root, &document("`tests/no.rs`, `tui/no.rs`")).len(), 2);
    let there = "`main`, `Args::mai(x)` in `tui/main.rs`";
    assert_eq!(
        links::missing_paths(&root, &document(there)),
        ["CONTRIBUTING.md: there is no mai in `tui/main.rs`"]
    );
    assert_eq!(links::missing_paths(&root, &document("`absent`, see `tui/main.rs`")), [""; 0]);
}
