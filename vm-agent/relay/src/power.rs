//! The machine's power button: pressed by the host when it has no link, as QEMU's `system_powerdown`. The kernel hands it to
//! whoever reads the input device (Documentation/input/input.rst); nobody else in the guest does.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::state::Relay;

const DEVICES: &str = "/dev/input";

/// `struct input_event` of 64-bit kernels (linux/input.h): two words of time, type, code, value.
const EVENT: usize = 24;
/// linux/input-event-codes.h.
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;
const DOWN: i32 = 1;

/// Has the machine powered off each time a power button is pressed. Without one it only waits.
pub(crate) async fn serve(relay: &Relay) -> crate::Result<Infallible> {
    let mut buttons = JoinSet::new();
    for path in devices(Path::new(DEVICES)) {
        let power_off = relay.options.power_off.clone();
        buttons.spawn(async move {
            let Err(error) = watch(&path, power_off.as_ref()).await;
            warn!(path = %path.display(), %error, "an input device is not watched any more");
        });
    }
    while buttons.join_next().await.is_some() {}
    std::future::pending().await
}

async fn watch(path: &Path, power_off: &(dyn Fn() + Send + Sync)) -> io::Result<Infallible> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    // It only reads and polls, as a pipe wants it too.
    let mut device = Receiver::from_file_unchecked(file)?;
    loop {
        pressed(&mut device).await?;
        info!("the power button was pressed");
        power_off();
    }
}

/// The event devices in `folder`; none when there is no such folder.
fn devices(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let events = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"event"));
    events.map(|entry| entry.path()).collect()
}

/// Resolves once the device says that a power button went down.
async fn pressed(device: &mut Receiver) -> io::Result<()> {
    let mut buffer = [0; 64 * EVENT];
    loop {
        let read = device.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if is_pressed(&buffer[..read]) {
            return Ok(());
        }
    }
}

/// Whether a power button went down in these events; the kernel only ever hands over whole ones.
fn is_pressed(events: &[u8]) -> bool {
    events.chunks_exact(EVENT).any(|event| {
        let kind = u16::from_ne_bytes([event[16], event[17]]);
        let code = u16::from_ne_bytes([event[18], event[19]]);
        let value = i32::from_ne_bytes([event[20], event[21], event[22], event[23]]);
        (kind, code, value) == (EV_KEY, KEY_POWER, DOWN)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let mut bytes = vec![7; 16];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        bytes
    }

    #[test]
    fn only_the_power_key_going_down_counts() {
        let (down, sync) = (event(EV_KEY, KEY_POWER, DOWN), event(0, 0, 0));
        assert!(is_pressed(&down));
        assert!(is_pressed(&[sync.clone(), down.clone(), sync.clone()].concat()));
        for other in
            [event(EV_KEY, KEY_POWER, 0), event(EV_KEY, KEY_POWER, 2), event(EV_KEY, 30, 1), event(4, 116, 1), sync]
        {
            assert!(!is_pressed(&other), "{other:?}");
        }
        assert!(!is_pressed(&down[..EVENT - 1]) && !is_pressed(&[]));
    }

    #[tokio::test]
    async fn a_press_is_seen_and_an_end_is_an_error() {
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        let mut device = Receiver::from_file_unchecked(File::from(reader)).unwrap();
        let mut writer = File::from(writer);
        let watching = tokio::spawn(async move {
            pressed(&mut device).await.unwrap();
            pressed(&mut device).await
        });
        writer.write_all(&event(EV_KEY, 30, 1)).unwrap();
        writer.write_all(&event(EV_KEY, KEY_POWER, DOWN)).unwrap();
        drop(writer);
        assert_eq!(watching.await.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn event_devices_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["event0", "mice", "event12"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let mut found = devices(dir.path());
        found.sort();
        assert_eq!(found, [dir.path().join("event0"), dir.path().join("event12")]);
        assert!(devices(&dir.path().join("none")).is_empty());
    }
}
