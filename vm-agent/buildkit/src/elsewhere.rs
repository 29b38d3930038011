//! Contexts that are no directory of the client's, as clients say them. Pure.

use crate::upload;
use build::Address;
use images::redact;
use tonic::Status;

/// The step that fetches a context as an archive.
const LOAD_ARCHIVE: &str = "[internal] load remote build context";

/// A context that is no directory of the client's.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// An archive, by the client's name of it.
    Archive(String),
    Repository(Address),
    /// What is at an address of the web: an archive, or a Dockerfile.
    Download(String),
}

/// Says no password.
impl std::fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Elsewhere").field(&self.step()).finish()
    }
}

impl Elsewhere {
    /// What an address means; `None` where nobody knows.
    pub(crate) fn parse(value: &str) -> Result<Option<Elsewhere>, Status> {
        if let Some(name) = upload::name(value) {
            return Ok(Some(Elsewhere::Archive(name.to_owned())));
        }
        let address = Address::parse(value).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let is_download = value.starts_with("http://") || value.starts_with("https://");
        Ok(address.map(Elsewhere::Repository).or_else(|| is_download.then(|| Elsewhere::Download(value.to_owned()))))
    }

    /// The step that fetches it.
    pub(crate) fn step(&self) -> String {
        match self {
            Elsewhere::Archive(_) | Elsewhere::Download(_) => LOAD_ARCHIVE.to_owned(),
            Elsewhere::Repository(address) => format!("[internal] load git source {}", shown(address)),
        }
    }
}

/// An address with its ref and folder, and without a password.
pub(crate) fn shown(address: &Address) -> String {
    let Address { remote, reference, folder, .. } = address;
    let mut shown = redact::address(remote);
    if !reference.is_empty() || !folder.is_empty() {
        shown.push_str(&format!("#{reference}"));
    }
    if !folder.is_empty() {
        shown.push_str(&format!(":{folder}"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_what_is_there() {
        let of = |text: &str| Elsewhere::parse(text).expect("valid");
        for (text, step) in [
            ("http://buildkit-session/x", "load remote build context"),
            ("https://example.org/x.tar", "load remote build context"),
            ("https://u:p@example.org/x.git?ref=v1#:d", "load git source https://xxxxx:xxxxx@example.org/x.git#v1:d"),
            ("https://ghp_X@github.com/o/p.git", "load git source https://xxxxx@github.com/o/p.git"),
            ("github.com/x/y", "load git source https://github.com/x/y"),
        ] {
            assert_eq!(of(text).expect("known").step(), format!("[internal] {step}"));
        }
        assert_eq!(of("ftp://example.org/x"), None);
        assert!(Elsewhere::parse("https://example.org/x.git?nope").is_err());
    }
}
