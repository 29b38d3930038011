//! The protocol over a keychain in memory.

use super::*;

#[derive(Default)]
struct Fake(BTreeMap<String, Login>);

impl Keep for Fake {
    fn put(&mut self, server: &str, login: &Login) -> Result<()> {
        self.0.insert(server.to_owned(), login.clone());
        Ok(())
    }

    fn get(&self, server: &str) -> Result<Login> {
        self.0.get(server).cloned().ok_or(Error::NotFound)
    }

    fn remove(&mut self, server: &str) -> Result<()> {
        self.0.remove(server).map(|_| ()).ok_or(Error::NotFound)
    }

    fn servers(&self) -> Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }
}

fn asked(fake: &mut Fake, word: &str, input: &str) -> std::result::Result<String, String> {
    let action: Action = word.parse().map_err(|error: Error| error.to_string())?;
    action.run(fake, input.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn what_is_stored_is_had_listed_and_erased() {
    let mut fake = Fake::default();
    let stored = r#"{"ServerURL":"https://a.example/v1/","Username":"me","Secret":"hidden\n"}"#;
    assert_eq!(asked(&mut fake, "store", stored), Ok(String::new()));
    assert_eq!(asked(&mut fake, "get", "https://a.example/v1/\n"), Ok(stored.to_owned()));
    let other = r#"{"ServerURL":"b:5000","Username":"<token>","Secret":"","Other":1}"#;
    assert_eq!(asked(&mut fake, "store", other), Ok(String::new()));
    let listed = r#"{"b:5000":"<token>","https://a.example/v1/":"me"}"#;
    assert_eq!(asked(&mut fake, "list", "whatever"), Ok(listed.to_owned()));
    for _ in 0..2 {
        assert_eq!(asked(&mut fake, "erase", "b:5000"), Ok(String::new()));
    }
    assert_eq!(asked(&mut fake, "get", "b:5000"), Err("credentials not found in native keychain".to_owned()));
    assert_eq!(asked(&mut fake, "erase", "https://a.example/v1/"), Ok(String::new()));
    assert_eq!(asked(&mut fake, "list", ""), Ok("{}".to_owned()));
}

#[test]
fn mistakes_are_told_in_the_words_that_clients_know() {
    let mut fake = Fake::default();
    for (word, input, words) in [
        ("get", " \n", "no credentials server URL"),
        ("erase", "", "no credentials server URL"),
        ("store", r#"{"Username":"me","Secret":"s"}"#, "no credentials server URL"),
        ("store", "{}", "no credentials server URL"),
        ("store", r#"{"ServerURL":"a","Secret":"s"}"#, "no credentials username"),
        ("fetch", "", "unknown credential action: \"fetch\""),
    ] {
        assert_eq!(asked(&mut fake, word, input), Err(words.to_owned()), "{word} {input}");
    }
    let told = asked(&mut fake, "store", r#"{"ServerURL":"a","Username":"me","Secret":7}"#).unwrap_err();
    assert!(told.contains("`store`"), "{told}");
    assert!(fake.0.is_empty());
}
