//! Extended headers: records of the next member (POSIX.1-2017 `pax`, section "pax Extended Header").

use super::number::{decimal, signed, time};

/// What extended headers say about the next member.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// GNU's long names; a PAX record wins over them.
    pub(super) long_name: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) mtime: Option<(i64, i64)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: PaxSparse,
}

/// The `GNU.sparse.*` records.
#[derive(Debug, Default)]
pub(super) struct PaxSparse {
    pub(super) major: u64,
    /// The file's real name and size.
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Offsets and lengths of formats 0.0 and 0.1; format 1.0 has them in front of the data.
    pub(super) map: Vec<u64>,
}

/// Reads the records of one extended header; `None`: it is malformed.
pub(super) fn parse(mut records: &[u8], into: &mut Extensions) -> Option<()> {
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ')?;
        let length = usize::try_from(decimal(&records[..space])?).ok()?;
        if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
            return None;
        }
        let record = &records[space + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=')?;
        set(&record[..equals], &record[equals + 1..], into)?;
        records = &records[length..];
    }
    Some(())
}

/// One record; `None` when its value is malformed. An empty value takes an earlier one back.
fn set(key: &[u8], value: &[u8], into: &mut Extensions) -> Option<()> {
    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
        into.xattrs.push((name.to_vec(), value.to_vec()));
        return Some(());
    }
    let given = !value.is_empty();
    match key {
        b"path" => into.name = given.then(|| value.to_vec()),
        b"linkpath" => into.link = given.then(|| value.to_vec()),
        b"size" => into.size = if given { Some(decimal(value)?) } else { None },
        b"uid" => into.uid = if given { Some(signed(value)?) } else { None },
        b"gid" => into.gid = if given { Some(signed(value)?) } else { None },
        b"mtime" => into.mtime = if given { Some(time(value)?) } else { None },
        b"GNU.sparse.major" => into.sparse.major = decimal(value)?,
        b"GNU.sparse.name" => into.sparse.name = Some(value.to_vec()),
        b"GNU.sparse.size" | b"GNU.sparse.realsize" => into.sparse.size = Some(decimal(value)?),
        b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => into.sparse.map.push(decimal(value)?),
        b"GNU.sparse.map" => {
            into.sparse.map = value.split(|byte| *byte == b',').map(decimal).collect::<Option<_>>()?;
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_may_hold_newlines_and_must_have_true_lengths() {
        let mut found = Extensions::default();
        parse(b"27 SCHILY.xattr.user.a=1\n2\n12 path=a/b\n", &mut found).unwrap();
        assert_eq!(found.xattrs, [(b"user.a".to_vec(), b"1\n2".to_vec())]);
        assert_eq!(found.name.as_deref(), Some(b"a/b".as_slice()));
        for bad in ["5 a=b\n", "99 a=b\n", "6 a=bc", "x a=b\n", "4 a\n", "0 a=b\n"] {
            assert!(parse(bad.as_bytes(), &mut Extensions::default()).is_none(), "{bad:?}");
        }
    }
}
