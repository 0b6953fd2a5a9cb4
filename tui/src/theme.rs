//! Colours by role. A state is always a glyph and a word, too: nothing is told by colour alone.

use ratatui::style::{Color, Modifier, Style};
use strum::{EnumString, IntoStaticStr};

/// Meaning of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the meaning")]
pub enum Role {
    Text,
    Dim,
    Title,
    Head,
    Selected,
    Marked,
    Good,
    Warn,
    Bad,
    Link,
    Border,
    Key,
    Production,
}

/// A set of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Theme {
    /// For dark terminals.
    #[default]
    Default,
    /// For light terminals.
    Light,
    /// White, black and few strong colours.
    HighContrast,
    /// Blue and orange.
    ColourBlind,
    /// The terminal's own sixteen colours.
    Terminal,
    /// No colours: bold, reverse and underline only (`NO_COLOR`).
    None,
}

impl Theme {
    /// Those that can be chosen.
    pub(crate) const ALL: [Theme; 6] =
        [Theme::Default, Theme::Light, Theme::HighContrast, Theme::ColourBlind, Theme::Terminal, Theme::None];

    /// Returns its name on the command line and in the configuration.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the theme of a name.
    pub(crate) fn named(name: &str) -> Option<Theme> {
        name.parse().ok()
    }

    /// Returns the one after this.
    pub(crate) fn next(self) -> Theme {
        let at = Theme::ALL.iter().position(|t| *t == self).unwrap_or(0);
        Theme::ALL[(at + 1) % Theme::ALL.len()]
    }

    /// Returns the style of a role.
    pub fn style(self, role: Role) -> Style {
        let rgb = |hex: u32| {
            let [_, r, g, b] = hex.to_be_bytes();
            Color::Rgb(r, g, b)
        };
        let plain = Style::new();
        let bold = Modifier::BOLD;
        let colour = match (self, role) {
            (Theme::None, _) => None,
            (Theme::Default, Role::Dim) => Some(rgb(0x8b_93_a3)),
            (Theme::Default, Role::Title | Role::Key) => Some(rgb(0x7d_c4_e4)),
            (Theme::Default, Role::Good) => Some(rgb(0x8c_cf_7e)),
            (Theme::Default, Role::Warn) => Some(rgb(0xe5_c0_7b)),
            (Theme::Default, Role::Bad | Role::Production) => Some(rgb(0xf0_71_78)),
            (Theme::Default, Role::Link) => Some(rgb(0x82_aa_ff)),
            (Theme::Default, Role::Marked) => Some(rgb(0xd1_9a_f0)),
            (Theme::Default, Role::Border) => Some(rgb(0x5c_67_73)),
            (Theme::Light, Role::Dim) => Some(rgb(0x6a_6f_78)),
            (Theme::Light, Role::Title | Role::Key) => Some(rgb(0x00_5f_87)),
            (Theme::Light, Role::Good) => Some(rgb(0x1b_6e_20)),
            (Theme::Light, Role::Warn) => Some(rgb(0x8a_55_00)),
            (Theme::Light, Role::Bad | Role::Production) => Some(rgb(0xb0_1c_28)),
            (Theme::Light, Role::Link) => Some(rgb(0x1a_4f_c4)),
            (Theme::Light, Role::Marked) => Some(rgb(0x7a_2f_a0)),
            (Theme::Light, Role::Border) => Some(rgb(0x9a_a0_a8)),
            (Theme::Light, _) => Some(rgb(0x1c_1f_24)),
            (Theme::HighContrast, Role::Title | Role::Key | Role::Link) => Some(rgb(0x00_ff_ff)),
            (Theme::HighContrast, Role::Good) => Some(rgb(0x00_ff_00)),
            (Theme::HighContrast, Role::Warn | Role::Marked) => Some(rgb(0xff_ff_00)),
            (Theme::HighContrast, Role::Bad | Role::Production) => Some(rgb(0xff_60_60)),
            (Theme::HighContrast, _) => Some(rgb(0xff_ff_ff)),
            (Theme::ColourBlind, Role::Dim) => Some(rgb(0x9a_9a_9a)),
            (Theme::ColourBlind, Role::Good | Role::Title | Role::Key | Role::Link) => Some(rgb(0x56_b4_e9)),
            (Theme::ColourBlind, Role::Warn | Role::Marked) => Some(rgb(0xf0_e4_42)),
            (Theme::ColourBlind, Role::Bad | Role::Production) => Some(rgb(0xe6_9f_00)),
            (Theme::ColourBlind, Role::Border) => Some(rgb(0x77_77_77)),
            (Theme::Terminal, Role::Dim | Role::Border) => Some(Color::DarkGray),
            (Theme::Terminal, Role::Title | Role::Key) => Some(Color::Cyan),
            (Theme::Terminal, Role::Good) => Some(Color::Green),
            (Theme::Terminal, Role::Warn) => Some(Color::Yellow),
            (Theme::Terminal, Role::Bad | Role::Production) => Some(Color::Red),
            (Theme::Terminal, Role::Link) => Some(Color::Blue),
            (Theme::Terminal, Role::Marked) => Some(Color::Magenta),
            _ => None,
        };
        let style = colour.map_or(plain, |c| plain.fg(c));
        match role {
            Role::Selected => plain.add_modifier(Modifier::REVERSED),
            Role::Title | Role::Head | Role::Key | Role::Bad => style.add_modifier(bold),
            Role::Production => style.add_modifier(bold | Modifier::REVERSED),
            Role::Link => style.add_modifier(Modifier::UNDERLINED),
            Role::Marked if self == Theme::None => style.add_modifier(bold),
            Role::Dim if self == Theme::None => style.add_modifier(Modifier::DIM),
            _ => style,
        }
    }
}

/// The glyphs of the screen, in Unicode or in ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the meaning")]
pub struct Glyphs {
    pub arrow: &'static str,
    pub live: &'static str,
    pub stale: &'static str,
    pub wait: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub gone: &'static str,
    pub mark: &'static str,
    pub altered: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub dot: &'static str,
    pub bar: &'static str,
    pub ascii: bool,
}

impl Glyphs {
    /// Unicode.
    pub const UNICODE: Glyphs = Glyphs {
        arrow: "→",
        live: "●",
        stale: "○",
        wait: "◷",
        yes: "✓",
        no: "✗",
        gone: "∅",
        mark: "▌",
        altered: "⚠",
        up: "▲",
        down: "▼",
        dot: "·",
        bar: "█",
        ascii: false,
    };
    /// ASCII only.
    pub const ASCII: Glyphs = Glyphs {
        arrow: "->",
        live: "*",
        stale: "o",
        wait: "?",
        yes: "+",
        no: "x",
        gone: "-",
        mark: ">",
        altered: "!",
        up: "^",
        down: "v",
        dot: "|",
        bar: "#",
        ascii: true,
    };
}
