//! The one door for text from outside: what is shown is a [`Safe`], and only this module makes one of foreign text.
//!
//! ratatui drops control characters in most widgets, but lets bidi overrides, isolates and zero-width characters
//! through to the terminal: an approver could read another name than the one that is acted on.

use std::fmt;
use std::sync::Arc;

use autopilot_shared::text::is_hidden;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Stands where something was taken out.
pub(crate) const REPLACED: char = '\u{FFFD}';
/// Longest text of a name or a message, in characters; longer ones end in `…`.
pub const LONGEST: usize = 1024;
/// Marks that may be stacked on one character.
const MARKS: usize = 3;

/// Text that is fit for a terminal: one line, no control or format characters, of bounded length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Safe {
    text: Arc<str>,
    sanitized: bool,
}

impl Safe {
    /// Makes foreign text fit. Newlines become `⏎`, tabs a space; escape sequences, control characters, bidi and
    /// zero-width characters become [`REPLACED`], and the text is marked as altered.
    pub fn new(raw: &str) -> Safe {
        if raw.len() <= LONGEST && raw.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Safe { text: raw.into(), sanitized: false };
        }
        let (text, sanitized) = clean(raw, LONGEST);
        Safe { text: text.into(), sanitized }
    }

    /// Returns text of our own, from the source code.
    pub fn own(text: &'static str) -> Safe {
        Safe { text: text.into(), sanitized: false }
    }

    /// Returns the lines of a foreign text, each made fit.
    pub fn lines(raw: &str) -> Vec<Safe> {
        raw.split('\n').map(Safe::new).collect()
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `true` if something was taken out: the reader must know that this is not what stands in the cluster.
    pub fn sanitized(&self) -> bool {
        self.sanitized
    }

    /// `true` if there is no text.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the same text in shared memory.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }
}

impl Default for Safe {
    fn default() -> Self {
        Safe::own("")
    }
}

impl fmt::Display for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl From<&str> for Safe {
    fn from(raw: &str) -> Safe {
        Safe::new(raw)
    }
}

impl From<String> for Safe {
    fn from(raw: String) -> Safe {
        Safe::new(&raw)
    }
}

fn clean(raw: &str, longest: usize) -> (String, bool) {
    let mut out = String::with_capacity(raw.len().min(longest * 4));
    let mut sanitized = false;
    let mut length = 0;
    let mut marks = 0;
    let mut chars = raw.chars().peekable();
    let mut previous = ' ';
    while let Some(c) = chars.next() {
        if length >= longest {
            out.push('…');
            return (out, true);
        }
        let put = match c {
            '\n' => '⏎',
            '\r' if chars.peek() == Some(&'\n') => continue,
            '\t' => ' ',
            '\u{1b}' => {
                skip_escape(&mut chars);
                sanitized = true;
                REPLACED
            }
            '\u{9b}' => {
                skip_csi(&mut chars);
                sanitized = true;
                REPLACED
            }
            // A joiner is at home between two pictures, and a selector behind one.
            '\u{200d}' if picture(previous) && chars.peek().is_some_and(|&n| picture(n)) => c,
            '\u{fe0f}' if picture(previous) => c,
            c if is_hidden(c) => {
                sanitized = true;
                REPLACED
            }
            c => c,
        };
        if put.width() == Some(0) && put != '\u{200d}' {
            marks += 1;
            if marks > MARKS {
                sanitized = true;
                continue;
            }
        } else {
            marks = 0;
        }
        // A long run of what was taken out tells no more than one mark.
        if put == REPLACED && out.ends_with(REPLACED) {
            continue;
        }
        out.push(put);
        length += 1;
        previous = if put == '\u{fe0f}' { previous } else { put };
    }
    (out, sanitized)
}

/// Skips the rest of a sequence after ESC, if it is one that is known.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        // OSC, DCS, SOS, PM, APC: up to BEL, ST, or the end of the line.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            while let Some(&c) = chars.peek() {
                match c {
                    '\u{7}' | '\u{9c}' => {
                        chars.next();
                        return;
                    }
                    '\u{1b}' => {
                        chars.next();
                        if chars.peek() == Some(&'\\') {
                            chars.next();
                        }
                        return;
                    }
                    '\n' => return,
                    _ => {
                        chars.next();
                    }
                }
            }
        }
        Some(c) if ('\u{40}'..='\u{7e}').contains(c) => {
            chars.next();
        }
        _ => {}
    }
}

/// Parameters and the final byte of a control sequence.
fn skip_csi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(&c) = chars.peek() {
        if !('\u{20}'..='\u{7e}').contains(&c) {
            return;
        }
        chars.next();
        if ('\u{40}'..='\u{7e}').contains(&c) {
            return;
        }
    }
}

/// `true` for pictures; roughly: emoji and dingbats.
fn picture(c: char) -> bool {
    matches!(c, '\u{231a}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Returns JSON in which nothing hides: what a reader would not see is written as `\uXXXX`, which means the same.
pub(crate) fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Returns how many columns a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Returns the start of a text that fits into so many columns; what is cut ends in `…`.
pub fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = grapheme.width();
        if used + wide + 1 > columns {
            break;
        }
        out.push_str(grapheme);
        used += wide;
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// Fits a text as [`fit`] does, but cuts its middle: names of volumes differ at their ends.
pub fn fit_middle(text: &str, columns: usize) -> String {
    let whole = text.width();
    if whole <= columns || columns < 5 {
        return fit(text, columns);
    }
    let tail_columns = (columns - 1) / 2;
    let head = fit(text, columns - tail_columns);
    let mut tail = Vec::new();
    let mut used = 0;
    for grapheme in text.graphemes(true).rev() {
        if used + grapheme.width() > tail_columns {
            break;
        }
        used += grapheme.width();
        tail.push(grapheme);
    }
    head + &tail.into_iter().rev().collect::<String>()
}

/// Breaks a text into lines of at most so many columns, at blanks where there are some.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(4);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word.to_owned();
        while line.width() + usize::from(!line.is_empty()) + word.width() > columns {
            if line.is_empty() {
                let head: String = take(&word, columns);
                word = word[head.len()..].to_owned();
                lines.push(head);
            } else {
                lines.push(std::mem::take(&mut line));
            }
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(line);
    lines
}

fn take(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        if used + grapheme.width() > columns && !out.is_empty() {
            break;
        }
        used += grapheme.width();
        out.push_str(grapheme);
    }
    out
}

/// Returns a link that may be opened: `https`, printable ASCII, no credentials.
pub fn link(raw: &str) -> Option<&str> {
    let rest = raw.strip_prefix("https://")?;
    let printable = raw.bytes().all(|b| (0x21..0x7f).contains(&b) && !b"\"'<>\\^`{|}".contains(&b));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (printable && raw.len() <= LONGEST && !host.is_empty() && !host.contains('@')).then_some(raw)
}

/// `true` if a text is of a form with `*` for anything. The form is lower case.
pub(crate) fn glob(form: &str, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut parts = form.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
