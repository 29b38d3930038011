//! Command lines that may come as one string.

use serde::{Deserialize, Deserializer, Serialize, de};

/// A command or entry point: a list of words. A bare JSON string is taken as a list of one word (swagger: `Cmd`, `Entrypoint`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline, description = ""))]
#[serde(transparent)]
pub struct StrSlice(pub Vec<String>);

impl std::ops::Deref for StrSlice {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for StrSlice {
    fn from(words: Vec<String>) -> Self {
        Self(words)
    }
}

impl<'de> Deserialize<'de> for StrSlice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = StrSlice;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<StrSlice, E> {
                Ok(StrSlice(vec![word.to_owned()]))
            }

            fn visit_unit<E: de::Error>(self) -> Result<StrSlice, E> {
                Ok(StrSlice::default())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<StrSlice, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = seq.next_element()? {
                    words.push(word);
                }
                Ok(StrSlice(words))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::StrSlice;

    #[test]
    fn a_bare_string_is_one_word() {
        let check = |json: &str, expect: &[&str]| {
            let words: StrSlice = serde_json::from_str(json).expect(json);
            assert_eq!(&*words, expect, "{json}");
        };
        check(r#""sh -c true""#, &["sh -c true"]);
        check(r#"["sh", "-c"]"#, &["sh", "-c"]);
        check("[]", &[]);
        assert!(serde_json::from_str::<StrSlice>("3").is_err());
    }
}
