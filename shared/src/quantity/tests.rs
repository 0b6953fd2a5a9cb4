use proptest::prelude::*;

use super::*;

const GI: i64 = 1 << 30;

/// Text, canonical text, whole units. Compared with apimachinery 0.35.4.
const CANONICAL: &[(&str, &str, i64)] = &[
    ("0", "0", 0),
    ("0Gi", "0", 0),
    ("-0", "0", 0),
    ("1", "1", 1),
    ("+1", "1", 1),
    ("007", "7", 7),
    (".5", "500m", 1),
    ("5.", "5", 5),
    ("0.5", "500m", 1),
    ("1.5", "1500m", 2),
    ("1.500", "1500m", 2),
    ("1500m", "1500m", 2),
    ("1000m", "1", 1),
    ("1024", "1024", 1024),
    ("1000", "1k", 1000),
    ("1000k", "1M", 1_000_000),
    ("5G", "5G", 5_000_000_000),
    ("5.5G", "5500M", 5_500_000_000),
    ("1E", "1E", 1_000_000_000_000_000_000),
    ("1e3", "1e3", 1000),
    ("1E3", "1e3", 1000),
    ("1e4", "10e3", 10_000),
    ("1e-3", "1e-3", 1),
    ("1e+2", "100", 100),
    ("12e6", "12e6", 12_000_000),
    ("1Ki", "1Ki", 1024),
    ("0.5Ki", "512", 512),
    ("1.5Ki", "1536", 1536),
    ("1023Ki", "1023Ki", 1_047_552),
    ("1024Mi", "1Gi", GI),
    ("1.5Gi", "1536Mi", GI / 2 * 3),
    ("1.1Gi", "1181116006400m", 1_181_116_007),
    ("0.1Gi", "107374182400m", 107_374_183),
    ("0.0001Ki", "102400u", 1),
    ("-1.5Gi", "-1536Mi", -GI / 2 * 3),
    ("-0.5Ki", "-512", -512),
    ("1n", "1n", 1),
    ("0.1n", "1n", 1),
    ("1e-10", "1e-9", 1),
    ("1e-1000000", "1e-9", 1),
    ("-0.1n", "-1n", -1),
    ("1.0000000001", "1000000001n", 2),
    ("7Ei", "7Ei", 7 << 60),
    ("8Ei", "9223372036854775807", i64::MAX),
    ("100000000000000000000Ei", "9223372036854775807", i64::MAX),
    ("-8Ei", "-9223372036854775807", -i64::MAX),
    ("9223372036854775807", "9223372036854775807", i64::MAX),
    ("999E", "999E", i64::MAX),
];

#[test]
fn texts_become_canonical_as_with_the_api() {
    for (text, expected, value) in CANONICAL {
        let quantity: Quantity = text.parse().unwrap();
        assert_eq!(quantity.to_string(), *expected, "{text}");
        assert_eq!(quantity.value(), *value, "{text}");
    }
}

#[test]
fn the_server_gives_back_unchanged_what_looks_canonical() {
    for (text, stored) in [
        ("10Gi", "10Gi"),
        ("+5Gi", "+5Gi"),
        ("007", "007"),
        ("1.500", "1.500"),
        ("1E3", "1E3"),
        ("1.001k", "1.001k"),
        ("1.5Gi", "1536Mi"),
        ("1000", "1k"),
        ("1024Mi", "1Gi"),
        ("0", "0"),
        ("00", "0"),
        ("8Gi", "8Gi"),
        ("+8Gi", "8Gi"),
    ] {
        assert_eq!(Quantity::as_stored(text).unwrap(), stored, "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_refused_with_what_is_wrong() {
    for (text, expected) in [
        ("", "missing"),
        ("Gi", "no number"),
        ("+", "no number"),
        (".", "no number"),
        ("-Gi", "no number"),
        ("1gi", "\"gi\", which is no suffix"),
        ("1Zi", "\"Zi\", which is no suffix"),
        ("1e", "no suffix"),
        ("1e1e1", "no suffix"),
        ("1 Gi", "no suffix"),
        ("1Gi ", "no suffix"),
        (" 1Gi", "no number"),
        ("1.2.3", "no suffix"),
        ("1,5Gi", "no suffix"),
        ("0x10", "no suffix"),
        ("--1", "no number"),
        ("١Gi", "no number"),
        ("NaN", "no number"),
        ("1e30", "too large"),
        ("1e4000000000", "too large"),
        ("1e99999999999999999999", "no suffix"),
    ] {
        let error = text.parse::<Quantity>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = "9".repeat(5000) + "x";
    assert!(long.parse::<Quantity>().unwrap_err().to_string().len() < 300);
}

#[test]
fn json_may_hold_a_number_or_a_text() {
    for (json, expected) in [
        ("\"10Gi\"", "10Gi"),
        ("\" 10Gi \"", "10Gi"),
        ("1000", "1k"),
        ("-3", "-3"),
        ("18446744073709551615", "18446744073709551615"),
        ("1.5", "1500m"),
        ("1e3", "1k"),
    ] {
        let quantity: Quantity = serde_json::from_str(json).unwrap();
        assert_eq!(quantity.to_string(), expected, "{json}");
    }
    for json in ["null", "true", "[]", "\"\"", "\"ten\""] {
        assert!(serde_json::from_str::<Quantity>(json).is_err(), "{json}");
    }
    let quantity: Quantity = "1.5Gi".parse().unwrap();
    assert_eq!(serde_json::to_string(&quantity).unwrap(), "\"1536Mi\"");
}

#[test]
fn equal_numbers_are_equal_whatever_their_format() {
    let quantity = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!(quantity("1Gi"), quantity("1073741824"));
    assert!(quantity("1G") < quantity("1Gi"));
    assert!(quantity("-1") < quantity("0"));
    assert!(quantity("1n") > quantity("0"));
}

#[test]
fn sums_take_the_format_of_the_left_unless_it_is_zero() {
    let sum = |a: &str, b: &str| {
        a.parse::<Quantity>().unwrap().checked_add(b.parse().unwrap()).map(|q| q.to_string())
    };
    assert_eq!(sum("1Gi", "1G").as_deref(), Some("2073741824"));
    assert_eq!(sum("1G", "1Gi").as_deref(), Some("2073741824"));
    assert_eq!(sum("0", "1024Mi").as_deref(), Some("1Gi"));
    assert_eq!(sum("1Gi", "1Gi").as_deref(), Some("2Gi"));
    assert_eq!(sum("170141183460E", "1000E"), None);
}

#[test]
fn a_size_is_small_and_saturates() {
    assert_eq!(size_of::<Size>(), 16);
    assert_eq!("999E".parse::<Size>().unwrap().bytes, i64::MAX);
    assert_eq!("1500m".parse::<Size>().unwrap().bytes, 2);
    assert_eq!("1.5Gi".parse::<Size>().unwrap().to_string(), "1536Mi");
}

/// One rule of the arithmetic table: it matches while the test of (size, data) holds.
struct Case {
    name: &'static str,
    matches: fn(i64, i64) -> bool,
    max: Option<&'static str>,
    start: i64,
    data: i64,
    end: i64,
    resizes: usize,
}

#[test]
fn volumes_grow_until_the_rule_stops_matching() {
    fn below_6(size: i64, _: i64) -> bool {
        size < 6 * 1_000_000_000
    }
    fn below_15(size: i64, _: i64) -> bool {
        size < 15 * 1_000_000_000
    }
    fn over_half(size: i64, data: i64) -> bool {
        data * 100 > size * 50
    }
    let cases = [
        ("below 6, capped at 10", below_6 as fn(i64, i64) -> bool, Some("10Gi"), 5, 10, 10, 1),
        ("below 6, at its maximum", below_6, Some("5Gi"), 5, 10, 5, 0),
        ("below 15, two steps", below_15, Some("12Gi"), 5, 10, 12, 2),
        ("below 15, above its maximum", below_15, Some("4Gi"), 5, 10, 5, 0),
        ("below 6, no limit", below_6, None, 5, 10, 10, 1),
        ("half full, not yet", over_half, None, 10, 4, 10, 0),
        ("half full, once", over_half, None, 10, 10, 20, 1),
        ("half full, capped", over_half, Some("12Gi"), 10, 10, 12, 1),
    ]
    .map(|(name, matches, max, start, data, end, resizes)| Case {
        name,
        matches,
        max,
        start,
        data,
        end,
        resizes,
    });
    for case in cases {
        let max = case.max.map(|text| parse_maxsize(text).unwrap());
        let mut size = Size::new(case.start * GI, Format::BinarySI);
        let mut resizes = 0;
        // A volume never holds more than its size.
        while (case.matches)(size.bytes, (case.data * GI).min(size.bytes)) {
            match grow(size, 100, max) {
                Grown::To(to) => size = to,
                Grown::AtMaximum => break,
            }
            resizes += 1;
        }
        assert_eq!(size.to_string(), format!("{}Gi", case.end), "{}", case.name);
        assert_eq!(resizes, case.resizes, "{}", case.name);
    }
}

#[test]
fn growth_is_exact_and_printed_in_the_format_of_the_size() {
    for (from, percent, max, to) in [
        ("10Gi", 100, None, Some("20Gi")),
        ("10Gi", 50, None, Some("15Gi")),
        ("10Gi", 15, None, Some("11776Mi")),
        ("10Gi", 33, None, Some("14280766259")),
        ("5G", 100, None, Some("10G")),
        ("5e9", 100, None, Some("10e9")),
        ("3", 50, None, Some("4")),
        ("10Gi", 100, Some("12G"), Some("12G")),
        ("10Gi", 100, Some("12884901888"), Some("12Gi")),
        ("10Gi", 100, Some("20Gi"), Some("20Gi")),
        ("10G", 100, Some("12Gi"), Some("12Gi")),
        ("10Gi", 0, None, Some("10Gi")),
        ("10Gi", 100, Some("10Gi"), None),
        ("10Gi", 100, Some("10G"), None),
        ("4Ei", 100, None, Some("9223372036854775807")),
        ("7Ei", u32::MAX, None, Some("9223372036854775807")),
    ] {
        let max = max.map(|text| parse_maxsize(text).unwrap());
        let grown = match grow(from.parse().unwrap(), percent, max) {
            Grown::To(size) => Some(size.to_string()),
            Grown::AtMaximum => None,
        };
        assert_eq!(grown.as_deref(), to, "{from} by {percent} up to {max:?}");
    }
}

#[test]
fn a_maximum_is_bytes_or_a_quantity_above_zero() {
    for (text, bytes) in [
        ("1024", 1024),
        ("400Gi", 400 * GI),
        (" 400Gi ", 400 * GI),
        ("1.5Gi", GI / 2 * 3),
        ("1e3", 1000),
        ("99999999999999999999", i64::MAX),
    ] {
        assert_eq!(parse_maxsize(text).unwrap().bytes, bytes, "{text}");
    }
    for (text, expected) in [
        ("0", "above zero"),
        ("-1", "above zero"),
        ("-1Gi", "above zero"),
        ("", "missing"),
        ("Gi", "no number"),
        ("lots", "no number"),
        ("400GB", "\"GB\""),
    ] {
        let error = parse_maxsize(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

fn number() -> impl Strategy<Value = String> {
    let digits = "[+-]?([0-9]{1,20}(\\.[0-9]{0,14})?|\\.[0-9]{1,14})";
    let suffix = prop_oneof![
        proptest::sample::select(vec![
            "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"
        ])
        .prop_map(str::to_owned),
        "[eE][+-]?[0-8]",
    ];
    (digits, suffix).prop_map(|(number, suffix)| number + &suffix)
}

proptest! {
    #[test]
    fn the_canonical_text_means_the_same_and_is_canonical(text in number()) {
        if let Ok(quantity) = text.parse::<Quantity>() {
            let once = quantity.to_string();
            let again: Quantity = once.parse().unwrap();
            prop_assert_eq!(quantity, again);
            prop_assert_eq!(&again.to_string(), &once);
            prop_assert_eq!(Quantity::as_stored(&once).unwrap(), once);
        }
    }

    #[test]
    fn sizes_survive_their_text(bytes in any::<i64>(), kind in 0..3_usize) {
        // The API caps binary numbers at the negative of the largest.
        prop_assume!(bytes != i64::MIN);
        let format = [Format::BinarySI, Format::DecimalSI, Format::DecimalExponent][kind];
        let size = Size::new(bytes, format);
        prop_assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        prop_assert_eq!(Quantity::from_bytes(bytes, format).bytes(), Some(bytes));
    }

    #[test]
    fn the_order_is_the_numbers(a in any::<i64>(), b in any::<i64>()) {
        let (x, y) = (Quantity::from_bytes(a, Format::BinarySI), Quantity::from_bytes(b, Format::DecimalSI));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,30}") {
        let _ = text.parse::<Quantity>();
        let _ = Quantity::as_stored(&text);
        let _ = parse_maxsize(&text);
    }

    #[test]
    fn growth_never_shrinks_nor_passes_the_maximum(
        bytes in 1..i64::MAX, percent in any::<u32>(), max in proptest::option::of(1..i64::MAX),
    ) {
        let current = Size::new(bytes, Format::BinarySI);
        let max = max.map(|m| Size::new(m, Format::DecimalSI));
        match grow(current, percent, max) {
            Grown::To(to) => {
                prop_assert!(to >= current);
                prop_assert!(max.is_none_or(|max| to <= max && current < max));
            }
            Grown::AtMaximum => prop_assert!(max.is_some_and(|max| current >= max)),
        }
    }

    #[test]
    fn sums_add_up(a in any::<i64>(), b in any::<i64>()) {
        let [x, y] = [a, b].map(|n| Quantity::from_bytes(n, Format::BinarySI));
        let sum = x.checked_add(y);
        prop_assert_eq!(sum.and_then(Quantity::bytes), a.checked_add(b));
    }
}
