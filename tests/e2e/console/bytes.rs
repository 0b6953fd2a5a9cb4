//! The bytes of the terminal: what in them is not the console's own.

/// Marks of the terminal that the console sets and takes back: cursor, mouse, main screen, pasting, whole pictures.
const MODES: [&str; 9] = ["25", "1000", "1002", "1003", "1006", "1015", "1049", "2004", "2026"];
/// Looks that it uses; its colours are spelled out (`38;2;R;G;B`).
const LOOKS: [&str; 14] = ["0", "1", "2", "4", "7", "9", "22", "24", "27", "29", "39", "49", "59", ""];

/// Returns whatever is neither text that a person sees nor a sequence that the console uses, with what stands around
/// it.
pub(crate) fn foreign(bytes: &[u8]) -> Vec<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return vec![format!("not UTF-8: {error}")],
    };
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let own = if c == '\u{1b}' { sequence(rest) } else { (!hidden(c)).then(|| c.len_utf8()) };
        if own.is_none() {
            found.push(format!("{:?}", rest.chars().take(40).collect::<String>()));
        }
        rest = &rest[own.unwrap_or(c.len_utf8())..];
    }
    found
}

/// Returns the length of a sequence that the console uses. `None` if it uses no such sequence.
fn sequence(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let length = parameters.find(|c: char| !c.is_ascii_digit() && c != ';' && c != '?')?;
    let (parameters, end) = (&parameters[..length], parameters[length..].chars().next()?);
    let own = match end {
        'h' | 'l' => parameters.strip_prefix('?').is_some_and(|mode| MODES.contains(&mode)),
        'H' => parameters.split(';').all(|n| n.parse::<u16>().is_ok()) && parameters.contains(';'),
        'J' => parameters == "2",
        'm' => look(parameters),
        _ => false,
    };
    own.then_some(2 + length + 1)
}

fn look(parameters: &str) -> bool {
    let mut all = parameters.split(';');
    while let Some(one) = all.next() {
        let known = match one {
            "38" | "48" => match all.next() {
                Some("2") => all.by_ref().take(3).count() == 3,
                Some("5") => all.next().is_some(),
                _ => false,
            },
            one => LOOKS.contains(&one),
        };
        if !known {
            return false;
        }
    }
    true
}

/// Returns whether a character controls the terminal, changes how the rest is read, or cannot be seen. A joiner between
/// two pictures may stay.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200c}' | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}
