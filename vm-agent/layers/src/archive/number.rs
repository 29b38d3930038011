//! The three ways in which headers write numbers and times.

/// A numeric field: octal text, or GNU's base 256. A field that nobody filled in is 0, as for every other reader; `None`: malformed.
pub(super) fn field(field: &[u8]) -> Option<i128> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        // Two's complement behind the marking bit: the next bit is the sign.
        let first = i128::from(field[0] & 0x7f);
        let start = if field[0] & 0x40 != 0 { first - 0x80 } else { first };
        return Some(field[1..].iter().fold(start, |number, byte| (number << 8) | i128::from(*byte)));
    }
    let text = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    if text.is_empty() {
        return Some(0);
    }
    // The library takes a sign, too, which the field does not have.
    text.iter().all(u8::is_ascii_digit).then_some(())?;
    i128::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok()
}

/// Digits without sign or space.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Digits that may have a sign.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A user or group: of more bits than the kernel takes the low ones count, as for dockerd; -1 is nobody.
pub(super) fn owner(number: i128) -> Option<u32> {
    let low = u32::try_from(number & i128::from(u32::MAX)).expect("32 bits");
    (low != u32::MAX).then_some(low)
}

/// `seconds[.fraction]`, which may be negative.
pub(super) fn time(text: &[u8]) -> Option<(i64, i64)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9.9}").parse().ok()?;
    match nanoseconds {
        nanoseconds if whole.starts_with('-') && nanoseconds > 0 => {
            Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds))
        }
        nanoseconds => Some((seconds, nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions_and_signs() {
        assert_eq!(time(b"12"), Some((12, 0)));
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"12.1234567891"), Some((12, 123_456_789)));
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time(b"x"), None);
        assert_eq!(time(b"1.-2"), None);
        assert_eq!(time(b"-9223372036854775808"), Some((i64::MIN, 0)));
        assert_eq!(time(b"-9223372036854775808.5"), None);
    }

    #[test]
    fn owners_are_what_the_kernel_takes_of_the_number() {
        for (number, taken) in [
            (0, Some(0)),
            (u32::MAX.into(), None),
            (-1, None),
            (-5, Some(u32::MAX - 4)),
            ((1 << 32) + 5, Some(5)),
            (1 << 40, Some(0)),
            (i64::MAX.into(), None),
        ] {
            assert_eq!(owner(number), taken, "{number}");
        }
        for (text, number) in
            [("5", Some(5)), ("-5", Some(-5)), ("+5", Some(5)), ("", None), (" 5", None), ("1.5", None)]
        {
            assert_eq!(signed(text.as_bytes()), number, "{text:?}");
        }
    }

    #[test]
    fn numbers_have_two_forms_and_may_be_missing() {
        let mut wide = [0; 12];
        wide[0] = 0x80;
        wide[11] = 5;
        assert_eq!(field(&wide), Some(5));
        assert_eq!(field(&[0xff; 12]), Some(-1));
        for (text, expected) in
            [(b"0000644\0".as_slice(), 0o644), (b"   755 \0", 0o755), (b"\0\0\0\0", 0), (b"    ", 0)]
        {
            assert_eq!(field(text), Some(expected));
        }
        assert_eq!(field(b"12x\0"), None);
        for bad in [b"0000009\0", b"-000001\0", b"+000001\0"] {
            assert_eq!(field(bad), None, "{bad:?}");
        }
    }
}
