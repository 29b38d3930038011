//! The docker context named `berth`, or `berth-NAME` for a machine with a name: how a stock docker CLI finds the engine.
//!
//! Written as the CLI writes its own (docker/cli, `cli/context/store`): one folder per context, named by the hash of the
//! context's name. Which context is current is the user's business and never changed here.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::machines::Name;
use crate::paths::{self, Paths};
use crate::sys;
use crate::{Error, Result};

/// The default machine's.
pub const NAME: &str = "berth";
const DESCRIPTION: &str = "Berth";

/// Of a machine; `None` is the default one.
pub fn name(machine: Option<&Name>) -> String {
    machine.map_or_else(|| NAME.to_owned(), |machine| format!("{NAME}-{machine}"))
}

/// Writes the context file when it is missing or differs, pointing at `engine_socket`. `true` if it was written.
/// A context of that name that is not ours is left alone.
pub fn ensure(file: &Path, name: &str, engine_socket: &Path) -> Result<bool> {
    let wanted = content(name, engine_socket);
    match std::fs::read(file) {
        Ok(json) => {
            let found: Option<Value> = serde_json::from_slice(&json).ok();
            if found.as_ref() == Some(&wanted) {
                return Ok(false);
            }
            if found.is_some_and(|found| found["Metadata"]["Description"] != DESCRIPTION) {
                return Err(Error::ForeignContext { name: name.to_owned(), path: file.to_path_buf() });
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::File { action: "read", path: file.to_path_buf(), source }),
    }
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).map_err(Error::file("create the folder", dir))?;
    }
    sys::write_private(file, wanted.to_string().as_bytes())?;
    Ok(true)
}

/// Removes our context; one that is not ours stays. `true` if there was one.
pub fn remove(file: &Path, name: &str) -> Result<bool> {
    let found: Value = match std::fs::read(file) {
        Ok(json) => serde_json::from_slice(&json).unwrap_or_default(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Error::File { action: "read", path: file.to_path_buf(), source }),
    };
    if found["Metadata"]["Description"] != DESCRIPTION {
        return Err(Error::ForeignContext { name: name.to_owned(), path: file.to_path_buf() });
    }
    std::fs::remove_file(file).map_err(Error::file("remove", file))?;
    if let Some(dir) = file.parent() {
        // Another program's file in it, such as TLS data, keeps the folder.
        let _ = std::fs::remove_dir(dir);
    }
    Ok(true)
}

/// Removes the context of `machine`, if it is ours; its file if there was one. Of two homes one alone has the context of a name: outside the
/// user's own it has to lead there, and in that one the session's sockets do not always tell.
pub(crate) fn take_back(machine: &Paths) -> Result<Option<PathBuf>> {
    let name = name(machine.machine());
    let file = paths::docker_context_file(&name)?;
    if machine.is_elsewhere() && !leads_to(&file, &name, &machine.engine_socket()) {
        return Ok(None);
    }
    match remove(&file, &name) {
        Ok(removed) => Ok(removed.then_some(file)),
        Err(Error::ForeignContext { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the context file is ours and leads to `engine_socket`.
fn leads_to(file: &Path, name: &str, engine_socket: &Path) -> bool {
    let found = std::fs::read(file).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    found == Some(content(name, engine_socket))
}

/// The address as docker's clients write it: `unix://PATH`, or `npipe:////./pipe/NAME` for a pipe of Windows.
pub fn docker_host(engine_socket: &Path) -> String {
    sys::pipes::docker_host(engine_socket).unwrap_or_else(|| format!("unix://{}", engine_socket.display()))
}

fn content(name: &str, engine_socket: &Path) -> Value {
    json!({
        "Name": name,
        "Metadata": { "Description": DESCRIPTION },
        "Endpoints": { "docker": { "Host": docker_host(engine_socket), "SkipTLSVerify": false } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::docker_context_file_in;

    #[test]
    fn a_pipe_of_windows_is_written_as_clients_read_it() {
        let context = content(NAME, Path::new(r"\\.\pipe\berth_engine"));
        assert_eq!(context["Endpoints"]["docker"]["Host"], "npipe:////./pipe/berth_engine");
        assert_eq!(docker_host(Path::new("/run/berth/engine.sock")), "unix:///run/berth/engine.sock");
    }

    #[test]
    fn it_is_written_once_and_only_over_our_own() {
        let dir = tempfile::tempdir().unwrap();
        let file = docker_context_file_in(dir.path(), NAME);
        assert!(ensure(&file, NAME, Path::new("/run/a.sock")).unwrap());
        let written = std::fs::metadata(&file).unwrap().modified().unwrap();
        assert!(!ensure(&file, NAME, Path::new("/run/a.sock")).unwrap());
        assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written);
        assert!(ensure(&file, NAME, Path::new("/run/b.sock")).unwrap());
        assert!(remove(&file, NAME).unwrap());
        assert!(!remove(&file, NAME).unwrap());

        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, r#"{"Name":"berth","Metadata":{"Description":"mine"}}"#).unwrap();
        assert!(matches!(ensure(&file, NAME, Path::new("/run/a.sock")), Err(Error::ForeignContext { .. })));
        assert!(matches!(remove(&file, NAME), Err(Error::ForeignContext { .. })));
    }
}
