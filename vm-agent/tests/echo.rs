//! The role `echo`, in a mount that this test answers: its requests say what they are, and it ends with whoever talks to it.
//!
//! Needs root.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use control::notice::{self, GROUP, Operation};

/// An opcode of FUSE, and the error that ends what waits.
const INIT: u32 = 26;
const EIO: i32 = -5;

/// A mount of this thread's, whose requests the test reads.
struct Mount {
    device: File,
    _directory: tempfile::TempDir,
    place: CString,
}

impl Mount {
    fn new() -> Mount {
        let directory = tempfile::tempdir().expect("a folder");
        let device = File::options().read(true).write(true).open("/dev/fuse").expect("FUSE is there, and this is root");
        let place = CString::new(directory.path().to_str().expect("UTF-8")).expect("a path");
        let options =
            format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", device.as_raw_fd());
        let options = CString::new(options).expect("no zero in it");
        // SAFETY: strings that live through the calls; the namespace is this thread's own.
        unsafe {
            assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
            let private = libc::MS_PRIVATE | libc::MS_REC;
            assert_eq!(libc::mount(c"".as_ptr(), c"/".as_ptr(), c"".as_ptr(), private, std::ptr::null()), 0);
            let (source, kind) = (c"berth".as_ptr(), c"fuse".as_ptr());
            assert_eq!(libc::mount(source, place.as_ptr(), kind, 0, options.as_ptr().cast()), 0);
        }
        Mount { device, _directory: directory, place }
    }

    /// Opcode, number, group and thread of the next request.
    fn next(&mut self) -> (u32, u64, u32, u32) {
        let mut request = vec![0; 1 << 21];
        let length = self.device.read(&mut request).expect("a request");
        assert!(length >= 40);
        let number = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().expect("four bytes"));
        (number(4), u64::from_le_bytes(request[8..16].try_into().expect("eight bytes")), number(28), number(32))
    }

    fn answer(&mut self, unique: u64, error: i32, data: &[u8]) {
        let length = 16 + data.len() as u32;
        let message = [&length.to_le_bytes()[..], &error.to_le_bytes(), &unique.to_le_bytes(), data].concat();
        self.device.write_all(&message).expect("it waits for that");
    }

    /// The role for this mount, and the other end of its socket.
    fn start(&self) -> (Child, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a socket");
        let device = self.device.as_raw_fd();
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth-agent"));
        command.arg("echo").arg(self.place.to_str().expect("UTF-8")).arg(device.to_string());
        command.stdin(std::os::fd::OwnedFd::from(theirs));
        // SAFETY: integers only.
        unsafe {
            command.pre_exec(move || {
                libc::fcntl(device, libc::F_SETFD, 0);
                Ok(())
            });
        }
        (command.spawn().expect("the agent"), ours)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // SAFETY: a string that lives through the call.
        unsafe { libc::umount2(self.place.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn what_it_asks_for_is_of_the_group_and_it_ends_with_its_socket() {
    let mut mount = Mount::new();
    let (opcode, unique, ..) = mount.next();
    assert_eq!(opcode, INIT);
    let mut init = vec![0; 64];
    init[0] = 7;
    init[4] = 31;
    // A megabyte to write, and times as exact as nanoseconds.
    init[20..24].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    init[24] = 1;
    mount.answer(unique, 0, &init);
    let (mut child, mut socket) = mount.start();
    let mut thread = [0; 4];
    socket.read_exact(&mut thread).expect("it says who it is");
    assert_eq!(u32::from_le_bytes(thread), child.id());
    let operation = Operation::Make { parent: 1, name: b"new".to_vec(), mode: 0o100_644 };
    let message = notice::encode(9, &[], Some(&operation));
    socket.write_all(&[&[1][..], &message].concat()).expect("it takes notices");
    // Whatever the kernel asks first: it is of the one that repeats, and stays unanswered while its relay goes.
    let (opcode, unique, group, of) = mount.next();
    assert_eq!((group, of), (GROUP, child.id()), "{opcode}");
    drop(socket);
    assert!(child.try_wait().expect("a child").is_none(), "it waits for the answer");
    // SAFETY: integers only; a child of ours.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGKILL) }, 0);
    // As the next relay does.
    mount.answer(unique, EIO, &[]);
    child.wait().expect("it has ended");
}
