//! The pictures of the documentation, drawn from the same scenes. `AUTOPILOT_UPDATE=1` writes them anew.

use std::fmt::Write as _;

use autopilot_tui::cli::snapshot::render;
use autopilot_tui::config::Settings;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use crate::fixture::{checkout, committed};
use crate::scenes::SCENES;

const PICTURES: &[&str] = &[
    "approvals",
    "events",
    "objects",
    "rules",
    "approval",
    "rule",
    "approve",
    "decline",
    "delete",
    "held",
    "stale",
    "filter",
    "palette",
    "help",
];
const CELL: f64 = 8.4;
const LINE: f64 = 18.0;

fn hex(colour: Option<Color>, or: &str) -> String {
    match colour {
        Some(Color::Rgb(r, g, b)) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => or.to_owned(),
    }
}

/// A screen as SVG: text that can be selected, no outside tool, the same bytes each time.
fn svg(buffer: &Buffer, title: &str) -> String {
    let (columns, lines) = (buffer.area.width, buffer.area.height);
    let (width, height) = (f64::from(columns) * CELL + 20.0, f64::from(lines) * LINE + 20.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#14171c\"/>\n\
         <g font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\" fill=\"#d7dae0\">\n"
    );
    for y in 0..lines {
        let mut x = 0;
        while x < columns {
            let style = buffer[(x, y)].style();
            let mut text = String::new();
            let from = x;
            while x < columns && buffer[(x, y)].style() == style {
                text.push_str(buffer[(x, y)].symbol());
                x += 1;
            }
            let marks = style.add_modifier;
            let (left, top) = (f64::from(from) * CELL + 10.0, f64::from(y) * LINE + 10.0);
            let mut colour = hex(style.fg, "#d7dae0");
            if marks.contains(Modifier::REVERSED) {
                let wide = f64::from(x - from) * CELL;
                let _ = writeln!(
                    out,
                    "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{LINE}\" fill=\"{colour}\"/>"
                );
                "#14171c".clone_into(&mut colour);
            }
            if text.trim().is_empty() {
                continue;
            }
            let bold = if marks.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
            let decoration = match () {
                () if marks.contains(Modifier::UNDERLINED) => " text-decoration=\"underline\"",
                () if marks.contains(Modifier::CROSSED_OUT) => " text-decoration=\"line-through\"",
                () => "",
            };
            let wide = f64::from(x - from) * CELL;
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" xml:space=\"preserve\" fill=\"{colour}\"{bold}{decoration}>{text}</text>",
                top + 13.5
            );
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

#[test]
fn the_pictures_are_as_committed() {
    let mut stale = Vec::new();
    for name in PICTURES {
        let (_, play) = SCENES.iter().find(|(n, _)| n == name).unwrap();
        let buffer = render(&mut play(Settings::default(), (112, 24)).model).unwrap();
        committed(&checkout(&format!("docs/pictures/console-{name}.svg")), &svg(&buffer, name), &mut stale);
    }
    assert!(stale.is_empty(), "stale, see what changed with AUTOPILOT_UPDATE=1 and git diff: {stale:#?}");
}

#[test]
fn the_guides_key_table_is_the_command_table() {
    let path = checkout("docs/console.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- keys -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /keys -->").unwrap();
    let table = autopilot_tui::cli::reference::keys(&Settings::default());
    let mut stale = Vec::new();
    committed(&path, &format!("{before}<!-- keys -->\n{table}<!-- /keys -->{after}"), &mut stale);
    assert!(stale.is_empty(), "stale: AUTOPILOT_UPDATE=1 writes it");
}

#[test]
fn the_man_page_and_the_completions_are_as_committed() {
    use clap_complete::Shell;
    let mut stale = Vec::new();
    let page = autopilot_tui::cli::reference::man(&Settings::default()).unwrap();
    committed(&checkout("docs/man/autopilot.1"), &page, &mut stale);
    for (shell, name) in
        [(Shell::Bash, "autopilot.bash"), (Shell::Zsh, "_autopilot"), (Shell::Fish, "autopilot.fish")]
    {
        let script = autopilot_tui::cli::reference::completions(shell);
        committed(&checkout(&format!("docs/completions/{name}")), &script, &mut stale);
    }
    assert!(stale.is_empty(), "stale: AUTOPILOT_UPDATE=1 writes them: {stale:#?}");
}

#[test]
fn help_names_the_program_as_it_was_called() {
    for (program, name) in [
        ("/usr/local/bin/kubectl-autopilot", "Usage: kubectl autopilot "),
        ("target/debug/autopilot", "Usage: autopilot "),
        ("autopilot.old", "Usage: autopilot "),
    ] {
        let help = autopilot_tui::cli::called(program.as_ref()).render_help().to_string();
        assert!(help.contains(name), "{program}: {help}");
    }
}
