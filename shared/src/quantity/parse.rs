//! From text to number.

use std::str::FromStr;

use super::number::{Format, Quantity, QuantityError, UNIT};

/// Digits in an `i64` that the API's fast path counts on (`maxInt64Factors` in `math.go`).
const FAST_DIGITS: i64 = 18;
/// Characters of a text that a message quotes.
const QUOTED: usize = 40;

/// A text taken apart: sign, digits before and after the point, suffix.
struct Split<'a> {
    text: &'a str,
    negative: bool,
    /// Without leading zeros.
    whole: &'a str,
    fraction: &'a str,
    unit: Unit,
    format: Format,
}

/// The multiplier of a suffix.
enum Unit {
    /// Nanos in one.
    Nanos { factor: i128, power: i32 },
    /// A power of ten.
    Exponent(i64),
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Takes a text apart. White space is not skipped.
///
/// # Errors
/// When it is no quantity, whatever its size.
fn split(text: &str) -> Result<Split<'_>, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Empty);
    }
    let (negative, rest) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, rest) = digits(rest);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(QuantityError::NoNumber(quoted(text)));
    }
    let (unit, format) =
        unit(rest).ok_or_else(|| QuantityError::Suffix { text: quoted(text), suffix: quoted(rest) })?;
    Ok(Split { text, negative, whole: whole.trim_start_matches('0'), fraction, unit, format })
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn unit(suffix: &str) -> Option<(Unit, Format)> {
    let decimal = |power: i32| {
        let factor = 10_i128.pow(power.unsigned_abs());
        let factor = if power < 0 { UNIT / factor } else { UNIT * factor };
        Some((Unit::Nanos { factor, power }, Format::DecimalSI))
    };
    let binary = |power: i32| {
        let factor = UNIT << power.unsigned_abs();
        Some((Unit::Nanos { factor, power }, Format::BinarySI))
    };
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            // A parse failure is a wrong letter or a number that no text of finite patience needs.
            let power = exponent.parse::<i64>().ok()?;
            Some((Unit::Exponent(power), Format::DecimalExponent))
        }
    }
}

impl Split<'_> {
    /// Returns the number.
    ///
    /// # Errors
    /// [`QuantityError::TooLarge`].
    pub(super) fn quantity(&self) -> Result<Quantity, QuantityError> {
        let magnitude = match self.unit {
            Unit::Nanos { factor, .. } => nanos(self.whole.bytes(), self.fraction.bytes(), factor),
            Unit::Exponent(power) => self.shifted(power),
        };
        let largest = i128::from(i64::MAX) * UNIT;
        let magnitude = match (self.format, magnitude) {
            (Format::BinarySI, number) => number.map_or(largest, |n| n.min(largest)),
            (_, Some(number)) => number,
            (_, None) => return Err(QuantityError::TooLarge(quoted(self.text))),
        };
        Ok(Quantity {
            nanos: if self.negative { -magnitude } else { magnitude },
            format: match self.format {
                Format::BinarySI if magnitude > 0 && magnitude < UNIT => Format::DecimalSI,
                format => format,
            },
        })
    }

    /// Returns the number of nanos when the point moves by `power` digits.
    fn shifted(&self, power: i64) -> Option<i128> {
        let all: Vec<u8> = self.whole.bytes().chain(self.fraction.bytes()).collect();
        if all.iter().all(|d| *d == b'0') {
            return Some(0);
        }
        let length = all.len() as i64;
        // Farther to either side nothing changes any more: too large, or one nano.
        let point =
            (self.whole.len() as i64 + power.clamp(-length - 10, length + 40)).clamp(-10, length + 40);
        let padding = |n: i64| std::iter::repeat_n(b'0', usize::try_from(n).unwrap_or(0));
        let cut = usize::try_from(point.clamp(0, length)).unwrap_or(0);
        let (whole, fraction) = all.split_at(cut);
        nanos(
            whole.iter().copied().chain(padding(point - length)),
            padding(-point).chain(fraction.iter().copied()).collect::<Vec<u8>>().into_iter(),
            UNIT,
        )
    }

    /// Returns whether the API server gives this text back unchanged instead of printing it anew (the fast path of
    /// `ParseQuantity`, which keeps a text whose number cannot be shortened, whatever sign, zeros or point it
    /// has).
    pub(super) fn kept_as_written(&self) -> bool {
        let whole = if self.whole.is_empty() { "0" } else { self.whole };
        let count = (whole.len() + self.fraction.len()) as i64;
        let shown = format!("{whole}{}", self.fraction);
        let (scale, precision) = match (&self.unit, self.format) {
            (Unit::Nanos { power, .. }, Format::BinarySI) => {
                // As the API counts: in 32-bit floats, rounded towards zero.
                let precision = 15 - whole.len() as i64 - (*power as f32 * 3.0 / 10.0) as i64 - 1;
                (0, if self.fraction.is_empty() { precision } else { -1 })
            }
            (Unit::Nanos { power, .. }, _) => (i64::from(*power), FAST_DIGITS - count),
            (Unit::Exponent(power), _) => (*power, FAST_DIGITS - count),
        };
        let scale = scale - self.fraction.len() as i64;
        if precision < 0 || scale < -9 {
            return false;
        }
        let Ok(number) = shown.parse::<i64>() else {
            return false;
        };
        match self.format {
            Format::BinarySI => number & 7 != 0,
            _ => scale % 3 == 0 && !shown.ends_with("000") && !shown.starts_with('0'),
        }
    }
}

/// Returns `whole.fraction` times `factor`, what is left over rounded up. Exact for any number of digits.
fn nanos(
    whole: impl Iterator<Item = u8>,
    fraction: impl DoubleEndedIterator<Item = u8>,
    factor: i128,
) -> Option<i128> {
    let mut number: i128 = 0;
    for digit in whole {
        number = number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    // Long multiplication from the last digit on: what leaves the point to the left is whole.
    let (mut carry, mut rest) = (0_i128, false);
    for digit in fraction.rev() {
        let product = i128::from(digit - b'0') * factor + carry;
        carry = product / 10;
        rest |= product % 10 != 0;
    }
    number.checked_mul(factor)?.checked_add(carry + i128::from(rest))
}

impl Quantity {
    /// Returns the text that the API server answers with when it is given `text`: the canonical one, except that it
    /// gives back unchanged what looks canonical to it at a glance (`+5Gi`, `007`, `1.500`). Whoever compares
    /// texts with the server's, as the `test` of a JSON patch does, needs this; everybody else wants
    /// [`fmt::Display`]. The conformance tests hold it against a real server.
    ///
    /// # Errors
    /// As [`str::parse`].
    pub fn as_stored(text: &str) -> Result<String, QuantityError> {
        let parsed = split(text)?;
        let quantity = parsed.quantity()?;
        Ok(if parsed.kept_as_written() { text.to_owned() } else { quantity.to_string() })
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    /// Reads what the API reads: an optional sign, digits with an optional point, a suffix or an exponent.
    /// A number finer than a nano is rounded away from zero; more than `i64::MAX` with a binary suffix becomes
    /// `i64::MAX`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        split(text)?.quantity()
    }
}
