//! Numbers as a person reads them.

use crate::results::Spread;

/// Nanoseconds as microseconds with three digits that matter.
pub fn micros(ns: f64) -> String {
    let micros = ns / 1000.0;
    match micros {
        _ if micros < 9.995 => format!("{micros:.2}"),
        _ if micros < 99.95 => format!("{micros:.1}"),
        _ => format!("{micros:.0}"),
    }
}

/// A rate with a decimal prefix: `4.20 M`.
pub fn short(rate: f64) -> String {
    let units = [(1e9, " G"), (1e6, " M"), (1e3, " k")];
    let (unit, letter) = units.into_iter().find(|(unit, _)| rate >= *unit).unwrap_or((1.0, ""));
    let value = rate / unit;
    match value {
        _ if value < 9.995 => format!("{value:.2}{letter}"),
        _ if value < 99.95 => format!("{value:.1}{letter}"),
        _ => format!("{value:.0}{letter}"),
    }
}

/// A rate ready for its unit: `4.20 G` before `B/s`, `7.00 ` before `B/s`.
pub fn spaced(rate: f64) -> String {
    let text = short(rate);
    if text.contains(' ') { text } else { text + " " }
}

/// Ours over theirs.
pub fn ratio(ours: f64, theirs: f64) -> String {
    if theirs > 0.0 { format!("{}×", factor(ours / theirs)) } else { dash() }
}

/// Two decimals, or three where two would leave hardly anything.
fn factor(value: f64) -> String {
    if value < 0.095 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// A ratio over repeats, its extremes below it, marked when it rests on doubtful percentiles.
pub fn spread_ratio(ratio: Option<Spread>, doubtful: bool) -> String {
    let mark = if doubtful { "*" } else { "" };
    ratio.map_or_else(dash, |Spread { median, min, max }| {
        format!("{}×{mark}\n{}–{}", factor(median), factor(min), factor(max))
    })
}

/// Stands where there is nothing.
pub fn dash() -> String {
    "–".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ratios_keep_a_digit_that_says_something() {
        assert_eq!(ratio(1.0, 2.0), "0.50×");
        assert_eq!(ratio(4.0, 1000.0), "0.004×");
        assert_eq!(ratio(1.0, 0.0), dash());
        let spread = Spread { median: 0.05, min: 0.04, max: 1.5 };
        assert_eq!(spread_ratio(Some(spread), true), "0.050×*\n0.040–1.50");
    }

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [(1234.0, "1.23"), (12_340.0, "12.3"), (123_400.0, "123"), (1.5e9, "1500000")];
        for (ns, text) in cases {
            assert_eq!(micros(ns), text);
        }
        for (rate, text) in
            [(4.2e6, "4.20 M"), (820_300.0, "820 k"), (1.25e9, "1.25 G"), (7.0, "7.00")]
        {
            assert_eq!(short(rate), text);
        }
    }
}
