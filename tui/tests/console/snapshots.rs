//! Every view and dialog, as text and with its looks, in each size and theme. `AUTOPILOT_UPDATE=1` writes them anew.

use std::fmt::Write as _;

use autopilot_tui::cli::snapshot::{render, text};
use autopilot_tui::config::Settings;
use autopilot_tui::theme::{Glyphs, Theme};
use ratatui::buffer::Buffer;

use crate::fixture::{checkout, committed};
use crate::scenes::SCENES;

const SIZES: [(u16, u16); 3] = [(60, 16), (80, 24), (120, 40)];
const THEMES: [Theme; 4] = [Theme::Default, Theme::Light, Theme::ColourBlind, Theme::None];

/// Runs of cells that look alike: line, first and last column, looks.
fn looks(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut from = 0;
        for x in 1..=buffer.area.width {
            let cell = &buffer[(from, y)];
            let same = x < buffer.area.width && buffer[(x, y)].style() == cell.style();
            if same {
                continue;
            }
            let style = cell.style();
            let plain = ratatui::buffer::Cell::EMPTY.style() == style;
            if !plain {
                let colour = style.fg.map(|c| c.to_string()).unwrap_or_default();
                let marks = format!("{:?}", style.add_modifier);
                let marks = if style.add_modifier.is_empty() { String::new() } else { format!(" {marks}") };
                let _ = writeln!(out, "  {y}:{from}-{} {colour}{marks}", x - 1);
            }
            from = x;
        }
    }
    out
}

#[test]
fn every_view_and_dialog_is_as_committed() {
    let mut stale = Vec::new();
    for (name, play) in SCENES {
        for size in SIZES {
            let mut page = String::new();
            for theme in THEMES {
                let settings = Settings { theme, ..Settings::default() };
                let buffer = render(&mut play(settings, size).model).unwrap();
                if theme == Theme::Default {
                    page.push_str(&text(&buffer).join("\n"));
                    page.push('\n');
                }
                let _ = write!(page, "--- {}\n{}", theme.name(), looks(&buffer));
            }
            let file = format!("tui/tests/snapshots/{name}.{}x{}.txt", size.0, size.1);
            committed(&checkout(&file), &page, &mut stale);
        }
    }
    assert!(stale.is_empty(), "stale, see what changed with AUTOPILOT_UPDATE=1 and git diff: {stale:#?}");
}

#[test]
fn without_colours_there_are_none_and_in_ascii_nothing_else() {
    for (name, play) in SCENES {
        let settings = Settings { theme: Theme::None, glyphs: Glyphs::ASCII, ..Settings::default() };
        let buffer = render(&mut play(settings, (120, 40)).model).unwrap();
        for cell in buffer.content() {
            let style = cell.style();
            let reset = Some(ratatui::style::Color::Reset);
            assert!(style.fg == reset && style.bg == reset, "{name}: {style:?}");
            let symbol = cell.symbol();
            assert!(symbol.is_ascii(), "{name}: {symbol:?}");
        }
    }
}

#[test]
fn no_size_is_too_small_or_too_large_to_draw() {
    for (_, play) in SCENES {
        for size in [(1, 1), (8, 3), (20, 5), (40, 10), (59, 15), (300, 90)] {
            render(&mut play(Settings::default(), size).model).unwrap();
        }
    }
}

#[test]
fn what_one_decides_on_is_there_in_the_narrowest_terminal() {
    let (_, play) = SCENES.iter().find(|(name, _)| *name == "approvals").unwrap();
    let mut stage = play(Settings::default(), (60, 16));
    for _ in 0..5 {
        let screen = text(&render(&mut stage.model).unwrap());
        let (_, table) = stage.model.screen().table_ref().unwrap();
        let row = stage.model.store.approvals.get(table.selected.as_ref().unwrap()).unwrap();
        let change = format!("{} → {}", row.from, row.to);
        let measured = row.measured[0].short();
        let strip = &screen[14];
        assert!(strip.starts_with(&format!(" {}/", row.namespace)), "{strip}");
        let listed = screen.iter().filter(|l| l.contains(&change) && l.contains(&measured)).count();
        assert_eq!(listed, 2, "{change}, {measured} in the row and below: {screen:#?}");
        stage.keys("j");
    }
}

/// Relative luminance and contrast as WCAG 2 has them.
fn contrast(a: (u8, u8, u8), b: (u8, u8, u8)) -> f64 {
    let part = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.03928 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let light = |(r, g, b)| 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    let (a, b) = (light(a), light(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_can_be_read_in_every_theme() {
    use autopilot_tui::theme::Role;
    use ratatui::style::Color;
    let roles = [
        Role::Text,
        Role::Dim,
        Role::Title,
        Role::Head,
        Role::Marked,
        Role::Good,
        Role::Warn,
        Role::Bad,
        Role::Link,
        Role::Key,
        Role::Production,
    ];
    let black = (0x1e, 0x1e, 0x1e);
    for (theme, ground, least) in [
        (Theme::Default, black, 4.5),
        (Theme::ColourBlind, black, 4.5),
        (Theme::HighContrast, (0, 0, 0), 7.0),
        (Theme::Light, (0xfa, 0xfa, 0xfa), 4.5),
    ] {
        for role in roles {
            let Some(Color::Rgb(r, g, b)) = theme.style(role).fg else { continue };
            let found = contrast((r, g, b), ground);
            assert!(found >= least, "{} {role:?}: {found:.2}", theme.name());
        }
    }
}
