//! The files: made, renewed, listed. Nothing that exists is replaced unless that was asked for by name.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::authority::{self, Pair, Part, Purpose, is_name};
use super::known::{Known, Role};
use super::{CA, CA_KEY, CLIENT_CERTIFICATE, CLIENT_KEY, SERVER_CERTIFICATE, SERVER_KEY, bad};
use crate::locks::Patience;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::{Error, Result, sys};

/// An authority is good for ten years: all clients get new files with the next one.
const AUTHORITY_DAYS: u16 = 3650;
/// What this computer's own client is called.
const OWN_CLIENT: &str = "client";

/// What the name of a client's folder ends in while it is made.
const NEW: &str = "new";
/// Likewise that of the one before while it is there still.
const OLD: &str = "old";

/// How long what is signed is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    pub days: u16,
}

impl Default for Lifetime {
    /// The longest that some systems accept from a server.
    fn default() -> Self {
        Lifetime { days: 825 }
    }
}

/// The certificates of one user. Everything here blocks.
#[derive(Debug, Clone)]
pub struct Certificates {
    paths: Paths,
    patience: Patience,
}

impl Certificates {
    pub fn of(paths: &Paths) -> Certificates {
        Certificates { paths: paths.clone(), patience: Patience::default() }
    }

    /// For as long as somebody else makes certificates.
    pub fn with_patience(self, patience: Patience) -> Certificates {
        Certificates { patience, ..self }
    }

    /// Where they are; `DOCKER_CERT_PATH` for this computer.
    pub fn folder(&self) -> PathBuf {
        self.paths.tls_dir()
    }

    /// `DOCKER_CERT_PATH` for the client of this name.
    pub fn client_folder(&self, name: &str) -> PathBuf {
        self.paths.tls_clients_dir().join(name)
    }

    pub fn exist(&self) -> bool {
        self.file(CA).exists()
    }

    /// Makes an authority, a server's certificate for `names` and all that this computer is known by, and a client's.
    ///
    /// # Errors
    /// [`Error::CertificatesExist`] unless `replace`; when a name is none, or a file cannot be written.
    pub fn create(&self, names: &[String], lifetime: Lifetime, replace: bool) -> Result<()> {
        check(names)?;
        let _held = self.hold()?;
        for file in [self.file(CA), self.file(CA_KEY)] {
            if file.exists() && !replace {
                return Err(Error::CertificatesExist { path: file });
            }
        }
        let name = format!("Berth of {}", sys::host_name());
        let authority = authority::authority(&name, AUTHORITY_DAYS).map_err(|error| self.failed(CA, &error))?;
        // Whatever can fail without a disk comes before the first file.
        let names = self.own_names().into_iter().chain(names.iter().cloned()).collect();
        let signed = self.sign_both(&authority, names, lifetime)?;
        self.write(&[(CA_KEY, &authority.key), (CA, &authority.certificate)], &signed)?;
        let clients = self.paths.tls_clients_dir();
        if clients.exists() {
            // Of the authority before, whom nobody trusts any more.
            std::fs::remove_dir_all(&clients).map_err(Error::file("remove", &clients))?;
        }
        Ok(())
    }

    /// New certificates and keys for the server and this computer's client, of the same authority. The server keeps the names that it
    /// has and gets `names`.
    ///
    /// # Errors
    /// When there is no authority, a name is none, or a file cannot be written.
    pub fn renew(&self, names: &[String], lifetime: Lifetime) -> Result<()> {
        check(names)?;
        let _held = self.hold()?;
        let authority = self.authority()?;
        // One that is damaged had names too, but nobody knows them.
        let kept = Known::read(Role::Server, &self.file(SERVER_CERTIFICATE)).map(|known| known.names);
        let kept = kept.unwrap_or_default().into_iter().chain(self.own_names());
        let signed = self.sign_both(&authority, kept.chain(names.iter().cloned()).collect(), lifetime)?;
        self.write(&[], &signed)
    }

    /// Makes what another client needs, in a folder of its own: `ca.pem`, `cert.pem`, `key.pem`.
    ///
    /// # Errors
    /// When there is no authority, the name can be no folder's, a client of that name exists and is not to be replaced, or a file
    /// cannot be written.
    pub fn client(&self, name: &str, lifetime: Lifetime, replace: bool) -> Result<PathBuf> {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.starts_with('.') || name.len() > 64 || !name.chars().all(good) {
            return Err(Error::ClientName { name: name.escape_default().to_string() });
        }
        let _held = self.hold()?;
        let authority = self.authority()?;
        let folder = self.client_folder(name);
        if folder.exists() && !replace {
            return Err(Error::ClientExists { name: name.to_owned(), folder });
        }
        let pair = authority::signed(&authority, Purpose::Client, name, &[], lifetime.days);
        let pair = pair.map_err(|error| self.failed(CA, &error))?;
        let clients = self.paths.tls_clients_dir();
        sys::create_private_dir(&clients)?;
        // The folder is there with all that belongs into it, or not at all. No client's name begins with a dot.
        let [new, old] = [NEW, OLD].map(|what| clients.join(format!(".{name}.{what}")));
        sys::create_private_dir(&new)?;
        for (file, text) in
            [(CLIENT_KEY, &pair.key), (CLIENT_CERTIFICATE, &pair.certificate), (CA, &authority.certificate)]
        {
            sys::write_private(&new.join(file), text.as_bytes())?;
        }
        if folder.exists() {
            std::fs::rename(&folder, &old).map_err(Error::file("replace", &folder))?;
        }
        if let Err(error) = std::fs::rename(&new, &folder) {
            // The failure that is told is the first; what cannot be put back now is by the next command.
            let _ = std::fs::rename(&old, &folder);
            return Err(Error::file("write", &folder)(error));
        }
        remove(&old)?;
        Ok(folder)
    }

    /// All certificates: the authority's, the server's, this computer's client, then the other clients by name.
    ///
    /// # Errors
    /// [`Error::NoCertificates`], or when one is unreadable.
    pub fn list(&self) -> Result<Vec<Known>> {
        if !self.exist() {
            return Err(Error::NoCertificates { folder: self.folder() });
        }
        let mut all = vec![Known::read(Role::Authority, &self.file(CA))?];
        all.push(Known::read(Role::Server, &self.file(SERVER_CERTIFICATE))?);
        all.push(Known::read(Role::Client, &self.file(CLIENT_CERTIFICATE))?);
        let clients = self.paths.tls_clients_dir();
        let mut folders = entries(&clients)?;
        folders.sort();
        for (folder, _) in folders {
            // What others put there is no client, and one whose making was broken off has no name yet.
            let hidden = folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            let certificate = folder.join(CLIENT_CERTIFICATE);
            if !hidden && certificate.is_file() {
                all.push(Known::read(Role::Client, &certificate)?);
            }
        }
        Ok(all)
    }

    /// Names by which clients may know this computer without being told.
    fn own_names(&self) -> Vec<String> {
        let mut names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        names.extend(Some(sys::host_name()).filter(|name| is_name(name)));
        let settings = Settings::load_or_default(&self.paths.settings());
        let addresses = settings.listen.iter().map(|address| address.socket().ip());
        names.extend(addresses.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()));
        names
    }

    /// The server's and this computer's client's.
    fn sign_both(&self, authority: &Pair, names: Vec<String>, lifetime: Lifetime) -> Result<[Pair; 2]> {
        let mut once = Vec::new();
        for name in names {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        let failed = |error| self.failed(CA, &error);
        let host = sys::host_name();
        let server = authority::signed(authority, Purpose::Server, &host, &once, lifetime.days).map_err(failed)?;
        let client = authority::signed(authority, Purpose::Client, OWN_CLIENT, &[], lifetime.days).map_err(failed)?;
        Ok([server, client])
    }

    /// All of them or none, unless it is broken off at the very last: `berth status` tells of certificates of another authority.
    fn write(&self, authority: &[(&str, &str)], [server, client]: &[Pair; 2]) -> Result<()> {
        let signed = [
            (SERVER_KEY, &*server.key),
            (SERVER_CERTIFICATE, &server.certificate),
            (CLIENT_KEY, &client.key),
            (CLIENT_CERTIFICATE, &client.certificate),
        ];
        let files: Vec<_> = authority.iter().chain(&signed).map(|(name, text)| (self.file(name), text)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_path(), text.as_bytes())).collect();
        sys::write_all_private(&files)
    }

    fn authority(&self) -> Result<Pair> {
        if !self.exist() {
            return Err(Error::NoCertificates { folder: self.folder() });
        }
        let read = |name: &str| {
            let file = self.file(name);
            std::fs::read_to_string(&file).map_err(Error::file("read", &file))
        };
        let pair = Pair { certificate: read(CA)?, key: read(CA_KEY)? };
        match authority::check(&pair) {
            Ok(()) => Ok(pair),
            Err((Part::Certificate, reason)) => Err(bad(&self.file(CA), &reason)),
            Err((Part::Key, reason)) => Err(bad(&self.file(CA_KEY), &reason)),
        }
    }

    /// Makes the folder and waits for whoever makes certificates already.
    fn hold(&self) -> Result<File> {
        sys::create_private_dir(&self.folder())?;
        let lock = self.paths.tls_lock();
        let held = sys::open_lock(&lock).map_err(Error::file("open", &lock))?;
        let held = self.patience.lock(held, &lock)?;
        self.clear_broken_off()?;
        Ok(held)
    }

    /// Removes what somebody who was ended in the middle had written beside the files, or clients' folders, that were to be replaced:
    /// it has keys in it. What has no name of ours is not ours. A client of which there is nothing but what was to be replaced is put back.
    fn clear_broken_off(&self) -> Result<()> {
        for (path, is_folder) in entries(&self.folder())? {
            if !is_folder && sys::is_temporary(&path) {
                std::fs::remove_file(&path).map_err(Error::file("remove", &path))?;
            }
        }
        for (path, is_folder) in entries(&self.paths.tls_clients_dir())? {
            let Some((name, what)) = half_made(&path).filter(|_| is_folder) else { continue };
            let client = self.client_folder(name);
            if what == OLD && !client.exists() {
                std::fs::rename(&path, &client).map_err(Error::file("write", &client))?;
            } else {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn failed(&self, name: &str, error: &rcgen::Error) -> Error {
        bad(&self.file(name), error)
    }
}

/// What is in a folder, each with whether it is a folder itself (a link to one is none); nothing is in a folder that is not there.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>> {
    let read = || -> std::io::Result<Vec<(PathBuf, bool)>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type() {
                // It went meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                kind => all.push((entry.path(), kind?.is_dir())),
            }
        }
        Ok(all)
    };
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(Error::file("read", folder)),
    }
}

/// Of a client's folder that is being made, or that is being replaced: the client's name and which of the two it is.
fn half_made(folder: &Path) -> Option<(&str, &str)> {
    let parts = folder.file_name()?.to_str()?.strip_prefix('.')?.rsplit_once('.')?;
    [NEW, OLD].contains(&parts.1).then_some(parts)
}

fn check(names: &[String]) -> Result<()> {
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => Err(Error::ServerName { name: name.escape_default().to_string() }),
        None => Ok(()),
    }
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// What nobody else may read, and the mode that keeps them from it.
pub(super) fn secrets(folder: &Path) -> [(PathBuf, &'static str); 4] {
    let key = |name| (folder.join(name), "600");
    [(folder.to_path_buf(), "700"), key(SERVER_KEY), key(CA_KEY), key(CLIENT_KEY)]
}

/// For errors about one of the files that serve.
pub(super) fn serving(folder: &Path) -> [PathBuf; 3] {
    [CA, SERVER_CERTIFICATE, SERVER_KEY].map(|name| folder.join(name))
}
