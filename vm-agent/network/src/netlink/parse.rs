//! Reading netlink attributes. Input from the kernel is trusted to be sane, yet nothing here can read out of bounds.

/// One attribute: its type without the flag bits, and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
}

/// Walks over the attributes in `bytes`; stops at the first malformed one.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Attribute { kind, value })
    })
}

/// A `u32` in native byte order; 0 when the value is too short.
pub(crate) fn get_u32(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |v| u32::from_ne_bytes(*v))
}

/// A string without its ending zero.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_attributes_end_the_walk() {
        for bytes in [&[][..], &[1], &[3, 0, 1, 0], &[255, 0, 1, 0, 5], &[0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(attributes(bytes).count(), 0, "{bytes:?}");
        }
        assert_eq!(attributes(&[5, 0, 1, 0, 7]).next().unwrap().value, [7]);
    }
}
