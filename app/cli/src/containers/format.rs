//! How lists look: columns, sizes, ages, short IDs. Pure.

/// Rows below a heading, each column as wide as its widest cell, three blanks between.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("   ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut heading.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// Twelve digits of an ID, without its algorithm.
pub(super) fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// Decimal units with three significant digits, as docker prints image sizes.
pub(super) fn size(bytes: u64) -> String {
    scaled(bytes as f64, 1000.0, &["B", "kB", "MB", "GB", "TB"])
}

/// Binary units, as docker prints memory.
pub(super) fn memory(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

fn scaled(mut number: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while number >= step && unit + 1 < units.len() {
        number /= step;
        unit += 1;
    }
    let digits = if number >= 100.0 || unit == 0 { 0 } else { 1 + usize::from(number < 10.0) };
    let text = format!("{number:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units[unit])
}

/// `5 minutes ago`, as docker words it.
pub(super) fn ago(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..=59 => (seconds, "second"),
        60..=3_599 => (seconds / 60, "minute"),
        3_600..=172_799 => (seconds / 3_600, "hour"),
        172_800..=1_209_599 => (seconds / 86_400, "day"),
        1_209_600..=5_183_999 => (seconds / 604_800, "week"),
        5_184_000..=63_071_999 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}

/// Seconds since 1970 for `--since`: such a number, or a time ago such as `90s`, `10m`, `2h`.
pub(super) fn since(text: &str) -> Result<i32, String> {
    let wrong = || format!("--since {text}: expected seconds since 1970 or a time ago such as 10m");
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let ago: i64 = number.parse::<i64>().map_err(|_| wrong())? * factor;
    i32::try_from(now() - ago).map_err(|_| wrong())
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

/// `text` with at most `length` characters, its end shown as cut.
pub(super) fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let check = |bytes, expect: &str| assert_eq!(size(bytes), expect);
        check(0, "0B");
        check(999, "999B");
        check(1_500, "1.5kB");
        check(4_262_000, "4.26MB");
        check(72_800_000, "72.8MB");
        check(1_010_000_000, "1.01GB");
        assert_eq!(memory(64 << 20), "64MiB");
    }

    #[test]
    fn ages() {
        let check = |seconds, expect: &str| assert_eq!(ago(seconds), expect);
        check(1, "1 second ago");
        check(119, "1 minute ago");
        check(3 * 3600, "3 hours ago");
        check(3 * 86_400, "3 days ago");
        check(400 * 86_400, "13 months ago");
    }

    #[test]
    fn columns_line_up() {
        let text = table(&["A", "LONG"], &[vec!["wide cell".into(), "x".into()]]);
        assert_eq!(text, "A           LONG\nwide cell   x\n");
    }

    #[test]
    fn since_takes_numbers_and_ages() {
        assert_eq!(since("1700000000"), Ok(1_700_000_000));
        assert!(since("10m").is_ok_and(|then| i64::from(then) <= now() - 600));
        assert!(since("yesterday").is_err());
    }
}
