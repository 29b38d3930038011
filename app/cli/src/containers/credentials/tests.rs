//! Credentials in files; those in helpers are tested with the whole command.

use super::*;

/// A store of its own, with this configuration.
fn store(folder: &Path, json: &str) -> Store {
    let file = folder.join("config.json");
    std::fs::write(&file, json).unwrap();
    store_of(&file)
}

/// The store of a configuration, whatever helper is installed.
fn store_of(file: &Path) -> Store {
    Store { config: Config::load(file).unwrap(), installed: None }
}

fn login(username: &str, secret: Secret) -> Login {
    Login { username: username.to_owned(), secret }
}

#[test]
fn the_file_keeps_what_docker_would_and_everything_else_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store(dir.path(), r#"{"currentContext":"mine","auths":{"old.example":{"auth":"dTpw"}}}"#);
    let (jo, token) =
        (login("jo", Secret::Password("pass:word".to_owned())), login("jo", Secret::IdentityToken("t0ken".to_owned())));
    assert_eq!(store.get("r.example").unwrap(), None);
    assert!(store.keep("r.example", &jo).unwrap().is_some());
    store.keep("t.example", &token).unwrap();
    let text = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["auths"]["r.example"], serde_json::json!({ "auth": "am86cGFzczp3b3Jk" }));
    assert_eq!(json["auths"]["t.example"], serde_json::json!({ "auth": "am86", "identitytoken": "t0ken" }));
    assert_eq!((&json["currentContext"], &json["auths"]["old.example"]["auth"]), (&"mine".into(), &"dTpw".into()));
    assert!(text.starts_with("{\n\t\""), "{text}");

    let mut again = store_of(&dir.path().join("config.json"));
    assert_eq!(again.get("r.example").unwrap(), Some(jo));
    assert_eq!(again.get("t.example").unwrap(), Some(token));
    again.erase("r.example", "r.example").unwrap();
    assert_eq!(again.get("r.example").unwrap(), None);
    again.erase("never.example", "").unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_user_reads_the_file_and_a_link_stays_one() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real.json"), dir.path().join("config.json"));
    std::fs::write(&real, "{}").unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut store = store_of(&link);
    store.keep("r.example", &login("jo", Secret::Password("p".to_owned()))).unwrap();
    assert!(link.is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // There was neither folder nor file.
    let fresh = dir.path().join("new/config.json");
    let mut store = store_of(&fresh);
    store.keep("r.example", &login("jo", Secret::Password("p".to_owned()))).unwrap();
    assert_eq!(fresh.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fresh.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_change_begins_with_what_others_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (store(dir.path(), "{}"), store(dir.path(), "{}"));
    let jo = login("jo", Secret::Password("p".to_owned()));
    one.keep("one.example", &jo).unwrap();
    two.keep("two.example", &jo).unwrap();
    one.erase("never.example", "").unwrap();
    assert_eq!(one.get("two.example").unwrap(), Some(jo.clone()));
    two.erase("one.example", "").unwrap();
    one.keep("three.example", &jo).unwrap();
    let text = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
    assert!(text.contains("two.example") && text.contains("three.example") && !text.contains("one.example"), "{text}");
    // Not over a file that cannot be read any more.
    std::fs::write(dir.path().join("config.json"), "{").unwrap();
    assert!(one.keep("one.example", &jo).is_err() && one.erase("two.example", "").is_err());
}

#[cfg(unix)]
#[test]
fn changes_that_come_at_once_are_all_kept() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let mut store = store_of(&file);
            scope.spawn(move || {
                let jo = login("jo", Secret::Password("p".to_owned()));
                store.keep(&format!("r{number}.example"), &jo).unwrap();
            });
        }
    });
    let kept = store_of(&file);
    for number in 0..8 {
        assert!(kept.get(&format!("r{number}.example")).unwrap().is_some(), "{number}");
    }
}

#[test]
fn keys_of_older_clients_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), r#"{"auths":{"https://r.example/v1/":{"auth":"dTpw"}}}"#);
    assert_eq!(store.get("r.example").unwrap(), Some(login("u", Secret::Password("p".to_owned()))));
}

#[test]
fn a_logout_leaves_no_key_of_the_registry() {
    let dir = tempfile::tempdir().unwrap();
    let entry = r#"{"auth":"dTpw"}"#;
    let text = format!(
        r#"{{"auths":{{"r.example":{entry},"http://r.example/v2/":{entry},"https://r.example/v1/":{entry},"r.example/team":{entry},
            "r.example:5000":{entry},"https://index.docker.io/v1/":{entry},"index.docker.io":{entry},"docker.io":{entry}}}}}"#
    );
    let mut store = store(dir.path(), &text);
    assert!(store.erase("r.example", "r.example").unwrap().is_empty());
    assert_eq!(store.get("r.example").unwrap(), None);
    assert!(store.get("r.example:5000").unwrap().is_some() && store.get(HUB).unwrap().is_some());
    assert!(store.erase(HUB, "").unwrap().is_empty());
    assert_eq!(store.get(HUB).unwrap(), None);
    let text = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json, serde_json::json!({ "auths": { "r.example:5000": { "auth": "dTpw" } } }));
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    for text in ["{", "[]", r#"{"auths": 1}"#] {
        std::fs::write(&file, text).unwrap();
        let error = Config::load(&file).unwrap_err().to_string();
        assert!(error.contains("config.json"), "{error}");
    }
    let store = store(dir.path(), r#"{"auths":{"r.example":{"auth":"!"}}}"#);
    assert!(store.get("r.example").unwrap_err().to_string().contains("r.example"));
}
