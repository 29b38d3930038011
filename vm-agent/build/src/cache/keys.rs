//! What steps go by wherever they were made. Pure.
//!
//! An image's ID tells when and where it was made; these do not. A step's key is of the key of the step beneath and of what the step is made
//! from, down to the image that the stage begins with: two engines that never met call the same step the same.

use engine_api::{ContainerConfig, StrSlice};
use images::{ImageId, Platform};
use layers::Digest;

/// They change with what is in them.
const VERSION: u32 = 1;

/// Of what a stage begins with: an image, or nothing at all for a platform.
pub(crate) fn of_base(image: Option<&ImageId>, platform: &Platform) -> Digest {
    match image {
        Some(id) => Digest::of(format!("berth.{VERSION} image {id}").as_bytes()),
        None => Digest::of(format!("berth.{VERSION} scratch {platform}").as_bytes()),
    }
}

/// What a step goes by where it is not the words that its image has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    /// Instead of them.
    pub(crate) instead: Option<String>,
    /// What it goes by, too.
    pub(crate) too: Option<String>,
    /// What was copied, as the image's words have it.
    pub(crate) name: Option<String>,
}

/// Of a step, as far as `made_from` and who wrote it tell. `words` stand for the last ones of it.
pub(crate) fn of_step(parent: &Digest, made_from: &ContainerConfig, words: Option<&str>, author: &str) -> Digest {
    let mut made_from = ContainerConfig { image: String::new(), ..made_from.clone() };
    if let Some(words) = words {
        made_from.cmd = Some(StrSlice::from(vec![words.to_owned()]));
    }
    // By way of a value, members have an order.
    let made_from = serde_json::to_value(made_from).expect("a struct of plain fields");
    Digest::of(format!("berth.{VERSION} step {parent} {author:?} {made_from}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_what_is_made_from_what() {
        let host = Platform::host();
        let ids = [b"a", b"b"].map(|content| Digest::of(content));
        let base = of_base(Some(&ids[0]), &host);
        assert_eq!(base, of_base(Some(&ids[0]), &Platform::parse("linux/s390x").expect("valid")));
        let keys = [base, of_base(Some(&ids[1]), &host), of_base(None, &host)];
        assert!(keys[0] != keys[1] && keys[0] != keys[2]);
        let config = |image: &str, user: &str| ContainerConfig {
            image: image.to_owned(),
            user: user.to_owned(),
            ..ContainerConfig::default()
        };
        let step = of_step(&base, &config("one", "u"), None, "");
        // Where the parent was made does not count.
        assert_eq!(step, of_step(&base, &config("another", "u"), None, ""));
        for other in [
            of_step(&keys[1], &config("one", "u"), None, ""),
            of_step(&base, &config("one", "v"), None, ""),
            of_step(&base, &config("one", "u"), Some("w"), ""),
            of_step(&base, &config("one", "u"), None, "me"),
        ] {
            assert_ne!(step, other);
        }
    }
}
