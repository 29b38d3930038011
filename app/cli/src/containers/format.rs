//! How lists look: columns, sizes, short IDs. Pure.

/// The least width of a column, and the blanks between two, as docker's lists have them.
const LEAST: usize = 10;
const GAP: usize = 3;

/// Rows of cells in columns; a heading, if there is one, is the first row.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let mut widths = vec![LEAST; columns];
    for row in rows {
        // The last cell of a row needs no room after it.
        for (width, cell) in widths.iter_mut().zip(&row[..row.len().saturating_sub(1)]) {
            *width = (*width).max(cell.chars().count() + GAP);
        }
    }
    let mut text = String::new();
    for row in rows {
        let last = row.len().saturating_sub(1);
        for (nth, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if nth < last {
                text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}

/// Twelve digits of an ID, without its algorithm.
pub(super) fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// Decimal units with three significant digits, as docker prints image sizes.
pub(super) fn size(bytes: u64) -> String {
    scaled(bytes as f64, 1000.0, &["B", "kB", "MB", "GB", "TB"], 3)
}

/// Binary units with four significant digits, as docker prints memory.
pub(super) fn memory(bytes: u64) -> String {
    scaled(bytes as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"], 4)
}

fn scaled(mut number: f64, step: f64, units: &[&str], significant: usize) -> String {
    let mut unit = 0;
    while number >= step && unit + 1 < units.len() {
        number /= step;
        unit += 1;
    }
    let before = if number >= 1.0 { number.log10() as usize + 1 } else { 1 };
    let digits = if unit == 0 { 0 } else { significant.saturating_sub(before) };
    let text = format!("{number:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units[unit])
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
    fn sizes_have_docker_s_digits() {
        let check = |bytes, expect: &str| assert_eq!(size(bytes), expect);
        check(0, "0B");
        check(999, "999B");
        check(1_500, "1.5kB");
        check(4_262_000, "4.26MB");
        check(72_800_000, "72.8MB");
        check(1_010_000_000, "1.01GB");
        assert_eq!(memory(64 << 20), "64MiB");
        assert_eq!(memory(1_260_000), "1.202MiB");
        assert_eq!(memory(8_217_001_984), "7.653GiB");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["A".into(), "B".into(), "LONG".into()], vec!["wide cell".into(), "1".into(), "x".into()]];
        assert_eq!(table(&rows), "A           B         LONG\nwide cell   1         x\n");
        assert_eq!(table(&[]), "");
    }
}
