//! Kubernetes quantities, read by the harness on its own: it must not share a mistake with what it tests.

use anyhow::{Context, Result, bail};

/// Returns the bytes that a quantity of storage means, rounded up.
///
/// # Errors
/// When it is no quantity.
pub fn bytes(quantity: &str) -> Result<i128> {
    let split = quantity.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+')).unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(split);
    let (factor, divisor): (i128, i128) = match suffix {
        "" => (1, 1),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1000_i128.pow(2), 1),
        "G" => (1000_i128.pow(3), 1),
        "T" => (1000_i128.pow(4), 1),
        "P" => (1000_i128.pow(5), 1),
        "E" => (1000_i128.pow(6), 1),
        "Ki" => (1024, 1),
        "Mi" => (1024_i128.pow(2), 1),
        "Gi" => (1024_i128.pow(3), 1),
        "Ti" => (1024_i128.pow(4), 1),
        "Pi" => (1024_i128.pow(5), 1),
        "Ei" => (1024_i128.pow(6), 1),
        exponent => match exponent.strip_prefix(['e', 'E']).map(str::parse::<i32>) {
            Some(Ok(power @ 0..=18)) => (10_i128.pow(power.unsigned_abs()), 1),
            Some(Ok(power @ -18..0)) => (1, 10_i128.pow(power.unsigned_abs())),
            _ => bail!("quantity '{quantity}': unknown suffix '{suffix}'"),
        },
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 =
        format!("{whole}{fraction}").parse().with_context(|| format!("quantity '{quantity}'"))?;
    let divisor = divisor * 10_i128.pow(u32::try_from(fraction.len())?);
    let scaled = digits * factor;
    Ok(scaled.div_euclid(divisor) + i128::from(scaled.rem_euclid(divisor) != 0))
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn quantities_mean_what_the_api_server_says() {
        for (text, expected) in [
            ("0", 0),
            ("1", 1),
            ("1Ki", 1024),
            ("10Gi", 10_737_418_240),
            ("1.5Gi", 1_610_612_736),
            ("5G", 5_000_000_000),
            ("1e3", 1000),
            ("1E", 1_000_000_000_000_000_000),
            ("1500m", 2),
        ] {
            assert_eq!(bytes(text).unwrap(), expected, "{text}");
        }
        for text in ["", "Gi", "1Zi", "one"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
