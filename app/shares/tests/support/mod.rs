//! A share that is mounted as the machine's kernel mounts it, by this computer's own kernel, for one thread alone.
//!
//! Needs root.

#[allow(dead_code, reason = "not all tests ask inotify")]
pub(crate) mod events;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use control::notice;
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;
use shares::{Access, Listening, Share, wire};

/// Whose the server is.
#[allow(dead_code, reason = "not all tests have a user's server")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// May give files away.
    Root,
    /// As on a user's computer: the host's files are all this one's.
    User,
}

/// The user and the group of [`Server::User`]: nobody else's.
const USER: u32 = 54_321;

impl Server {
    /// The calling thread is this one's from now on, and for good.
    fn becomes(self) {
        if self == Server::User {
            let (uid, gid) = (Uid::from_raw(USER), Gid::from_raw(USER));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        }
    }
}

/// A folder of the host, and the place where it is mounted for this thread and the processes that it starts.
#[derive(Debug)]
pub(crate) struct Mounted {
    dir: tempfile::TempDir,
    pub(crate) host: PathBuf,
    pub(crate) guest: PathBuf,
    #[allow(dead_code, reason = "not all tests have relays that end")]
    pub(crate) relay: Arc<Relay>,
}

#[allow(dead_code, reason = "not all tests mount in each way")]
impl Mounted {
    pub(crate) fn new() -> Mounted {
        Mounted::of(Access::ReadWrite, |_| "host".into())
    }

    /// `what` fills the folder `host` and names what of it nobody shall see.
    pub(crate) fn without(what: impl FnOnce(&Path) -> Vec<PathBuf>) -> Mounted {
        Mounted::with(Server::Root, Access::ReadWrite, |dir| ("host".into(), what(dir)))
    }

    /// Answered by somebody else.
    pub(crate) fn by(server: Server) -> Mounted {
        Mounted::with(server, Access::ReadWrite, |_| ("host".into(), Vec::new()))
    }

    /// `what` fills the folder `host` in a directory of the test's and names what is shared of it.
    pub(crate) fn of(access: Access, what: impl FnOnce(&Path) -> PathBuf) -> Mounted {
        Mounted::with(Server::Root, access, |dir| (what(dir), Vec::new()))
    }

    fn with(server: Server, access: Access, what: impl FnOnce(&Path) -> (PathBuf, Vec<PathBuf>)) -> Mounted {
        let dir = tempfile::tempdir().unwrap();
        // Others than root come as far as the mount.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let host = dir.path().join("host");
        std::fs::create_dir(&host).unwrap();
        let (shared, hidden) = what(dir.path());
        let shared = dir.path().join(shared);
        // Below a folder of its own: what leads out of the mount must not lead to the host's neighbours, as it does not in the machine.
        let machine = dir.path().join("machine");
        std::fs::create_dir(&machine).unwrap();
        let guest = machine.join("guest");
        match shared.is_dir() {
            true => std::fs::create_dir(&guest).unwrap(),
            false => std::fs::write(&guest, "").unwrap(),
        }
        if server == Server::User {
            std::os::unix::fs::chown(&host, Some(USER), Some(USER)).unwrap();
        }
        let open = || {
            server.becomes();
            Arc::new(Share::open_without(&shared, access, &hidden).unwrap())
        };
        let share = std::thread::scope(|scope| scope.spawn(open).join()).unwrap();
        let relay = mount(server, &share, &guest);
        Mounted { dir, host, guest, relay }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.guest, UnmountFlags::DETACH);
        let _ = self.dir.path();
    }
}

const DIRECTORY: u32 = 0o040_000;

/// Who answers at once.
const THREADS: usize = 4;

/// What the relay does, with ends of its own.
#[derive(Debug)]
pub(crate) struct Relay {
    share: Arc<Share>,
    device: OwnedFd,
    /// Whose requests come of which notice.
    doing: Mutex<Option<(u32, u16)>>,
    /// How often the kernel asked, by opcode.
    asked: [AtomicUsize; 64],
    /// The opcode of what is read, and lost with the relay.
    loses: AtomicU32,
    lost: (Mutex<mpsc::Sender<()>>, Mutex<mpsc::Receiver<()>>),
}

#[allow(dead_code, reason = "not all tests have relays that end")]
impl Relay {
    /// How often the kernel has asked that.
    pub(crate) fn asked(&self, opcode: usize) -> usize {
        self.asked[opcode].load(Ordering::Relaxed)
    }

    /// The next repeated request of this kind is read and never answered.
    pub(crate) fn loses(&self, opcode: u32) {
        self.loses.store(opcode, Ordering::Release);
    }

    /// That has happened.
    pub(crate) fn has_lost(&self) {
        self.lost.1.lock().unwrap().recv().unwrap();
    }

    /// Another one takes its place: it asks for what was not answered.
    pub(crate) fn begins_anew(&self) {
        const RESEND: i32 = 7;
        *self.doing.lock().unwrap() = None;
        rustix::io::write(&self.device, &answer(RESEND, 0)).unwrap();
    }

    fn answers(&self) {
        // As the daemon's threads: all that is tried here is tried behind the wall.
        let for_one = self.share.kind() != DIRECTORY;
        if !for_one {
            self.share.confine().unwrap();
        }
        let mut device = File::from(self.device.try_clone().unwrap());
        let mut message = vec![0; wire::REQUEST_MAX];
        // ENODEV: it was unmounted.
        while let Ok(length) = device.read(&mut message) {
            let (opcode, gid) = (number(&message[4..]), number(&message[28..]));
            if let Some(asked) = self.asked.get(opcode as usize) {
                asked.fetch_add(1, Ordering::Relaxed);
            }
            if gid == notice::GROUP
                && self.loses.compare_exchange(opcode, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                self.lost.0.lock().unwrap().send(()).unwrap();
                continue;
            }
            let doing = *self.doing.lock().unwrap();
            let answer = match notice::mark(&mut message[..length], doing) {
                true if for_one => std::thread::scope(|scope| {
                    let one = scope.spawn(|| {
                        self.share.confine().unwrap();
                        self.share.answer(&message[..length]).unwrap()
                    });
                    one.join().unwrap()
                }),
                true => self.share.answer(&message[..length]).unwrap(),
                false => Some(answer(-5, u64::from_le_bytes(message[8..16].try_into().unwrap()))),
            };
            if let Some(answer) = answer {
                // ENOENT: who asked was interrupted.
                let _ = device.write(&answer);
            }
        }
    }

    /// Deals with changes on the host in the mount at `at`, of the calling thread's.
    fn repeats(&self, mut listening: Listening, at: &Path) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (device, at) = (self.device.try_clone().unwrap(), at.to_owned());
        std::thread::spawn(move || echo::serve(&at, device, theirs));
        let mut worker = echo::Worker::new(ours).unwrap();
        while let Some(message) = listening.blocking_next() {
            let number = notice::number(&message).expect("a notice");
            *self.doing.lock().unwrap() = Some((worker.thread(), number));
            // ESTALE: nobody watches.
            let _ = worker.deal(&message, echo::Part::Whole).unwrap();
            *self.doing.lock().unwrap() = None;
            assert_eq!(self.share.answer(&notice::acknowledgement(number)).unwrap(), None);
        }
    }
}

fn number(of: &[u8]) -> u32 {
    u32::from_le_bytes(of[..4].try_into().unwrap())
}

fn answer(error: i32, unique: u64) -> Vec<u8> {
    [&16_u32.to_le_bytes()[..], &error.to_le_bytes(), &unique.to_le_bytes()].concat()
}

/// Mounts for this thread; other threads answer, among which the mount is not.
fn mount(server: Server, share: &Arc<Share>, at: &Path) -> Arc<Relay> {
    let device = rustix::fs::openat(CWD, "/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let (lost, has_lost) = mpsc::channel();
    let relay = Arc::new(Relay {
        share: Arc::clone(share),
        device,
        doing: Mutex::default(),
        asked: [const { AtomicUsize::new(0) }; 64],
        loses: AtomicU32::new(0),
        lost: (Mutex::new(lost), Mutex::new(has_lost)),
    });
    // Until there is a mount the kernel lets nobody read (EPERM).
    let mounted = Arc::new(Barrier::new(THREADS + 1));
    for _ in 0..THREADS {
        let (relay, mounted) = (Arc::clone(&relay), Arc::clone(&mounted));
        std::thread::spawn(move || {
            server.becomes();
            mounted.wait();
            relay.answers();
        });
    }
    // SAFETY: nothing of this thread's file system is shared with others that would be surprised.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
    let options = format!(
        "fd={},rootmode={:o},user_id=0,group_id=0,allow_other,default_permissions",
        relay.device.as_raw_fd(),
        share.kind()
    );
    let options = std::ffi::CString::new(options).unwrap();
    rustix::mount::mount("berth", at, "fuse", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
        .unwrap();
    mounted.wait();
    let (of, at, listening) = (Arc::clone(&relay), at.to_owned(), share.listen().unwrap());
    std::thread::spawn(move || of.repeats(listening, &at));
    relay
}
