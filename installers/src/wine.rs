//! Wine, which runs what was made for Windows: in a small Debian of its own, of a newer suite than this system's.
//!
//! The Debian is made once below the cache, with what Windows would have on its disk (wine's *prefix*) in it, and stays as it was made: each run gets an
//! overlay of it in the room of a mount and a process namespace of its own. When its program ends all that wine started ends, and
//! nothing of what was written is left, mounts included. A [`Room`] is one for several programs.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::debian::{self, Suite};
use crate::needs;
use crate::step::follow;

/// Where wine's builds of Windows' libraries and programs are.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu/wine/x86_64-windows";
/// What of the packages nobody needs to run anything.
const WASTE: [&str; 3] = ["usr/share/doc", "usr/share/locale", "usr/share/man"];
/// A library of wine's `user32.dll`, which Debian's wine looks for where its package does not put it.
const ZLIB: &str = "usr/x86_64-w64-mingw32ucrt/lib/zlib1.dll";

/// Makes the prefix in the Debian `$1`, without whose registry wine would make one at each start. No display is needed from then on. The
/// server writes the registry when it is told to end.
const MAKE: &str = r#"set -eu
cd "$1"
mount -t proc proc proc
mount --rbind /dev dev
wine() { unshare --root . --wd / /usr/lib/wine/wine64 "$@"; }
wine wineboot.exe --init
wine reg.exe add 'HKCU\Software\Wine\Drivers' /v Graphics /d null /f
unshare --root . "$WINESERVER" -k
unshare --root . "$WINESERVER" -w
"#;

/// Becomes process 1 of a room in which the Debian `$1` can be written to, and this tree `$2` is where it is outside.
const ROOM: &str = r#"set -eu
read -r pid rest </proc/self/stat
debian=$1 tree=$2; shift 2
mount -t tmpfs tmpfs "$debian/mnt"
cd "$debian/mnt"
mkdir upper work root
mount -t overlay -o "lowerdir=$debian,upperdir=$PWD/upper,workdir=$PWD/work" overlay root
cd root
mount -t proc proc proc
mount --rbind /dev dev
cp /etc/hosts etc/hosts
mkdir -p ".$tree"
mount --rbind "$tree" ".$tree"
"#;

/// Runs the rest in that room, in the folder `$1`. Not `exec`: processes without a parent become this one's children, which wine would not expect.
const RUN: &str = r#"folder=$1; shift
unshare --root . --wd "$folder" /usr/lib/wine/wine64 "$@"
"#;

/// Tells which process this is outside, and keeps the room as long as somebody writes to it.
const KEEP: &str = r#"echo "$pid"
cat >/dev/null
"#;

/// Runs the rest in wine in the Debian in the folder `$1`, in the folder `$2` of it. All that a program starts, and wine's server, has its standard
/// error until the room ends, whatever handles it was given: who reads it to the end would wait for that.
const ENTER: &str = r#"set -eu
cd "$1"
folder=$2; shift 2
error=$(mktemp -p ..)
trap 'cat "$error" >&2' EXIT
trap 'exit 143' TERM
code=0
unshare --root . --wd "$folder" /usr/lib/wine/wine64 "$@" 2>"$error" || code=$?
exit $code
"#;

/// A Debian that has wine.
#[derive(Debug)]
pub struct Wine {
    debian: PathBuf,
}

impl Wine {
    /// Makes that Debian if it is not there yet.
    ///
    /// # Errors
    /// When a package cannot be had, or wine does not begin.
    pub fn prepare() -> io::Result<Wine> {
        let packages: Vec<&str> = needs::WINE.iter().map(|need| need.package).collect();
        let home = crate::cache().join("wine");
        let made = home.join(format!("{}+{}", Suite::Trixie.oldest(), packages.join("+")));
        if made.is_dir() {
            return Ok(Wine { debian: made });
        }
        needs::install_missing(needs::DEBIANS)?;
        fs::create_dir_all(&home)?;
        let fresh = home.join(format!(".fresh-{}", std::process::id()));
        remove(&fresh)?;
        if let Err(error) = bootstrap(&packages, &fresh).and_then(|()| complete(&fresh)) {
            // The first failure is what matters.
            let _ = remove(&fresh);
            return Err(error);
        }
        match fs::rename(&fresh, &made) {
            // Another run was first.
            Err(_) if made.is_dir() => remove(&fresh)?,
            renamed => renamed?,
        }
        Ok(Wine { debian: made })
    }

    /// What runs `program`, which lies in this tree, in the present folder, and ends as it does. Needs root.
    ///
    /// # Errors
    /// When there is no present folder.
    pub fn command(&self, program: &Path) -> io::Result<Command> {
        let mut command = in_namespaces(&format!("{ROOM}{RUN}"), &self.debian);
        command.arg(crate::workspace()).arg(std::env::current_dir()?).arg(program);
        Ok(command)
    }

    /// A room that is kept for several programs, which see what each other wrote, and live on when the program ends that started them. Needs root.
    ///
    /// # Errors
    /// When the room cannot be made.
    pub fn room(&self) -> io::Result<Room> {
        let mut command = in_namespaces(&format!("{ROOM}{KEEP}"), &self.debian);
        let mut keeper = command.arg(crate::workspace()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut said = String::new();
        let out = keeper.stdout.take().expect("its output is a pipe");
        BufReader::new(out).read_line(&mut said)?;
        let Ok(first) = said.trim().parse() else {
            let ended = keeper.wait()?;
            return Err(io::Error::other(format!("a room for wine was not made: {ended}")));
        };
        Ok(Room { keeper, first, root: self.debian.join("mnt/root") })
    }
}

/// Wine with all that it started, until this is dropped.
#[derive(Debug)]
pub struct Room {
    keeper: Child,
    /// The room's process 1, by its number outside.
    first: u32,
    /// The Debian, in the room.
    root: PathBuf,
}

impl Room {
    /// What runs `program` in `folder`, which lie in this tree, and ends as it does. Whoever ends that by force leaves the program to the room's end.
    pub fn command(&self, folder: &Path, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--mount", "--pid", "sh", "-c", ENTER, "sh"]);
        command.arg(&self.root).arg(folder).arg(program);
        for_wine(&mut command);
        command
    }

    /// Where something of the room's Windows is for programs outside; `path` is below its drive `C:`.
    pub fn on_drive(&self, path: &str) -> PathBuf {
        let seen = Path::new("/proc").join(self.first.to_string()).join("root");
        let root = self.root.strip_prefix("/").expect("the cache has an absolute path");
        seen.join(root).join("prefix/drive_c").join(path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Its process 1 reads to the end, and takes with it what is left.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// What runs `script` with the Debian for its first argument, in namespaces in which all ends that it starts.
fn in_namespaces(script: &str, debian: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]);
    command.args(["sh", "-c", script, "sh"]).arg(debian);
    for_wine(&mut command);
    command
}

/// What wine has to be told.
fn for_wine(command: &mut Command) {
    command.env("WINEPREFIX", "/prefix").env("WINESERVER", "/usr/lib/wine/wineserver64").env("HOME", "/root");
    // By which tests know what they cannot ask for.
    command.env("BERTH_TEST_WINE", "1");
    // Its own words would stand between those of what it runs; and it offers to fetch what Windows has besides.
    command.env("WINEDEBUG", "-all").env("WINEDLLOVERRIDES", "mscoree,mshtml=");
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
}

fn bootstrap(packages: &[&str], fresh: &Path) -> io::Result<()> {
    let mut bootstrap = Command::new("mmdebstrap");
    // Nothing of it is configured. The date of a mirror's snapshot may have passed; its signature is checked.
    bootstrap.args(["--variant=extract", "--aptopt=Acquire::Check-Valid-Until \"false\""]);
    bootstrap.arg(format!("--include={}", packages.join(","))).arg(Suite::Trixie.oldest());
    bootstrap.arg(fresh).arg(debian::mirror()?);
    follow(bootstrap, "making a Debian with wine")
}

/// What installing the packages would have done, as far as wine needs it, and the prefix.
fn complete(debian: &Path) -> io::Result<()> {
    for folder in ["bin", "lib", "lib64"] {
        symlink(Path::new("usr").join(folder), debian.join(folder))?;
    }
    for folder in ["dev", "mnt", "proc", "root", "prefix/drive_c/windows/system32"] {
        fs::create_dir_all(debian.join(folder))?;
    }
    for folder in WASTE {
        remove(&debian.join(folder))?;
    }
    for folder in [LIBRARIES, "prefix/drive_c/windows/system32"] {
        fs::copy(debian.join(ZLIB), debian.join(folder).join("zlib1.dll"))?;
    }
    strip(&debian.join(LIBRARIES))?;
    follow(in_namespaces(MAKE, debian), "making what Windows has on its disk")
}

/// Two thirds of wine's libraries are for debuggers, and the prefix has copies of them all.
fn strip(folder: &Path) -> io::Result<()> {
    let mut strip = Command::new("x86_64-w64-mingw32-strip");
    strip.arg("--strip-debug");
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "dll" || extension == "exe") {
            strip.arg(path);
        }
    }
    follow(strip, "making wine's libraries smaller")
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
