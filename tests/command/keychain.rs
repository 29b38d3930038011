//! Credentials in this computer's keychain, by `docker-credential-berth`, over a real Secret Service.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::berth::Berth;
use tests::case::Case;
use tests::registry::{Access, Registry};
use zbus::blocking::Connection;
use zbus::blocking::fdo::DBusProxy;

use crate::credentials::fed;
use crate::login::{ACCOUNT, config};

type Result = anyhow::Result<()>;

/// A bus that starts no services by itself, so that the one who keeps secrets is the one below.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=FOLDER</listen>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"#;

/// A program that is ended with the case.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A desktop's session without a desktop: a bus, and GNOME's keyring, unlocked.
struct Session {
    address: String,
    folder: tempfile::TempDir,
    _bus: Running,
    keyring: Option<Running>,
}

impl Session {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let settings = folder.path().join("bus.conf");
        fs::write(&settings, BUS.replace("FOLDER", &folder.path().display().to_string()))?;
        let mut command = Command::new("dbus-daemon");
        command.arg("--config-file").arg(&settings).args(["--nofork", "--nopidfile", "--print-address=1"]);
        let mut bus = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
        let mut address = String::new();
        BufReader::new(bus.0.stdout.take().context("stdout was piped")?).read_line(&mut address)?;
        let mut session = Self { address: address.trim().to_owned(), folder, _bus: bus, keyring: None };
        session.keyring = Some(session.keyring()?);
        Ok(session)
    }

    fn keyring(&self) -> anyhow::Result<Running> {
        let bus = zbus::blocking::connection::Builder::address(self.address.as_str())?.build()?;
        let bus: &Connection = &bus;
        let proxy = DBusProxy::new(bus)?;
        let owned = proxy.receive_name_owner_changed()?;
        let mut command = self.of(Path::new("gnome-keyring-daemon"));
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        let mut keyring = Running(command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        // The password of the keyring that it makes.
        keyring.0.stdin.take().context("stdin was piped")?.write_all(b"open")?;
        for change in owned {
            if change.args()?.name() == "org.freedesktop.secrets" {
                return Ok(keyring);
            }
        }
        anyhow::bail!("the bus ended before the keyring was on it")
    }

    /// A program in this session.
    fn of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        self.join(&mut command);
        command
    }

    fn join<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let folder = self.folder.path();
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).env("XDG_RUNTIME_DIR", folder);
        command.env("XDG_DATA_HOME", folder.join("data")).env("DISPLAY", ":0")
    }
}

/// `berth login` finds it by itself, docker by what `berth login` wrote, and no secret is in a file.
pub(crate) fn login(berth: &Berth, case: &Case<'_>) -> Result {
    let session = Session::start()?;
    let helper = tests::binary("docker-credential-berth")?;
    let registry = Registry::start(Access::Password(ACCOUNT))?;
    let host = registry.address();
    let reference = format!("{host}/kept{}:1", case.number());
    case.ok(&["tag", "busybox", &reference])?;
    fs::remove_file(config(berth))?;
    let helpers = berth.home().join("only");
    fs::create_dir(&helpers)?;
    std::os::unix::fs::symlink(&helper, helpers.join("docker-credential-berth"))?;

    let login = ["login", "-u", "berth", "--password-stdin", &host];
    // Who has no keychain to be reached keeps the file, and its warning.
    let mut without = berth.command(&login);
    without.env("PATH", &helpers).env("DISPLAY", ":0").env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
    let told = fed(&mut without, "secret")?;
    ensure!(told.code == 0 && told.err.contains("stored unencrypted"), "{told:?}");
    fs::remove_file(config(berth))?;
    let told = fed(session.join(&mut berth.command(&login)).env("PATH", &helpers), "secret")?;
    ensure!(told.code == 0 && told.out == "Login Succeeded\n" && told.err.is_empty(), "{told:?}");
    let text: Value = serde_json::from_str(&fs::read_to_string(config(berth))?)?;
    ensure!(text == json!({ "credsStore": "berth", "auths": { &*host: {} } }), "{text}");
    let path = format!("{}:{}", helpers.display(), std::env::var("PATH")?);
    let docker = |arguments: &[&str]| {
        let mut command = case.command(arguments);
        fed(session.join(&mut command).env("DOCKER_CONFIG", berth.docker_config()).env("PATH", &path), "")
    };
    let pushed = docker(&["push", "-q", &reference])?;
    ensure!(pushed.code == 0, "{pushed:?}");
    let ask = |word: &str, input: &str| fed(session.of(&helper).arg(word), input);
    let listed = ask("list", "")?;
    ensure!(listed.out.trim() == format!(r#"{{"{host}":"berth"}}"#), "{listed:?}");
    let shown = ask("get", &host)?;
    ensure!(shown.code == 0 && shown.out.contains(r#""Secret":"secret""#), "{shown:?}");
    let left = docker(&["logout", &host])?;
    ensure!(left.code == 0, "{left:?}");
    let gone = ask("get", &host)?;
    ensure!(gone.code == 1 && gone.out == "credentials not found in native keychain\n", "{gone:?}");
    case.ok(&["rmi", "-f", &reference])?;
    Ok(())
}

/// Who has no keychain is told so, and how docker does without.
pub(crate) fn without_one(_: &Berth, _: &Case<'_>) -> Result {
    let helper = tests::binary("docker-credential-berth")?;
    let ask = |word: &str| {
        let mut command = Command::new(&helper);
        command.arg(word).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere").env("XDG_RUNTIME_DIR", "/nowhere");
        fed(&mut command, "r.example")
    };
    let refused = ask("get")?;
    ensure!(refused.code == 1 && refused.err.is_empty(), "{refused:?}");
    ensure!(refused.out.contains("/nowhere") && refused.out.contains("\"credsStore\""), "{refused:?}");
    let version = ask("version")?;
    ensure!(version.code == 0 && version.out.starts_with("docker-credential-berth (berth) v"), "{version:?}");
    let usage = ask("--help")?;
    ensure!(usage.code == 0 && usage.out.contains("<store|get|erase|list|version>"), "{usage:?}");
    Ok(())
}
