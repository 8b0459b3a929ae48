//! Numbers as people read them: shares as percent, differences as points, p values as a journal prints them.

/// What stands where there is no value.
pub const NONE: &str = "—";

/// `0.9013` as `90.13 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// `0.0051` as `+0.51`: percentage points, with a true minus sign.
#[must_use]
pub fn points(difference: f64) -> String {
    signed(100.0 * difference, 2)
}

/// With its sign and a true minus; zero has none.
#[must_use]
pub fn signed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let is_zero = text.bytes().all(|b| b == b'0' || b == b'.');
    match (is_zero, value < 0.0) {
        (true, _) => text,
        (false, true) => format!("\u{2212}{text}"),
        (false, false) => format!("+{text}"),
    }
}

/// To four decimals; smaller values as a bound, never as zero.
#[must_use]
pub fn p_value(p: f64) -> String {
    if p < 0.0001 { "< .0001".to_owned() } else { format!("{p:.4}") }
}

/// The same within a sentence: `p = 0.0312` or `p < .0001`.
#[must_use]
pub fn p_phrase(name: &str, p: f64) -> String {
    if p < 0.0001 { format!("{name} < .0001") } else { format!("{name} = {p:.4}") }
}

/// An interval of differences in percentage points: `+0.51 to +1.20`.
#[must_use]
pub fn points_interval((low, high): (f64, f64)) -> String {
    format!("{} to {}", points(low), points(high))
}

/// With this many decimals; a value that rounds to zero has no sign.
#[must_use]
pub fn decimal(value: f64, decimals: usize) -> String {
    let text = signed(value, decimals);
    text.strip_prefix('+').map(str::to_owned).unwrap_or(text)
}

/// Thousands apart, with commas.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds as a person would say them.
#[must_use]
pub fn duration(secs: f64) -> String {
    let whole = secs.round() as u64;
    match whole {
        0..60 => format!("{secs:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_print() {
        assert_eq!(percent(0.90131), "90.13 %");
        assert_eq!(
            (points(0.0051), points(-0.0051), points(-0.000_001)),
            ("+0.51".into(), "−0.51".into(), "0.00".into())
        );
        assert_eq!((p_value(0.031_25), p_value(1e-9)), ("0.0312".into(), "< .0001".into()));
        assert_eq!((count(7), count(1234), count(1_234_567)), ("7".into(), "1,234".into(), "1,234,567".into()));
        assert_eq!(
            (duration(4.25), duration(75.0), duration(7500.0)),
            ("4.2 s".into(), "1 min 15 s".into(), "2 h 05 min".into())
        );
    }
}
