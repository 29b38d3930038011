//! Writer of the "newc" cpio archives that the kernel unpacks as its initramfs
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).
//!
//! Several archives may follow each other in one initrd, each beginning on a multiple of four bytes; the host appends
//! its own to ours, so [`Writer::finish`] pads to [`BLOCK`].

/// Archives end on a multiple of this, as those of cpio(1) do.
pub const BLOCK: usize = 512;

const S_IFCHR: u32 = 0o020_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;

/// Builds one archive in memory. Everything belongs to root and carries the same time.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    inode: u32,
    mtime: u32,
}

impl Writer {
    /// An empty archive whose members are all dated `mtime` (seconds since 1970).
    pub fn new(mtime: u32) -> Self {
        Self { bytes: Vec::new(), inode: 0, mtime }
    }

    /// Adds a directory. Parents come before what they hold: the kernel makes none by itself. `path` has no leading slash.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.member(path, S_IFDIR | mode, 2, (0, 0), &[]);
    }

    /// Adds a regular file.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.member(path, S_IFREG | mode, 1, (0, 0), content);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.member(path, S_IFLNK | 0o777, 1, (0, 0), target.as_bytes());
    }

    /// Adds a character device node.
    pub fn character_device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        self.member(path, S_IFCHR | mode, 1, (major, minor), &[]);
    }

    /// Ends the archive and returns it, padded with zeros to a multiple of [`BLOCK`].
    pub fn finish(mut self) -> Vec<u8> {
        self.header("TRAILER!!!", [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        self.pad(BLOCK);
        self.bytes
    }

    fn member(&mut self, path: &str, mode: u32, links: u32, device: (u32, u32), content: &[u8]) {
        debug_assert!(!path.starts_with('/') && !path.is_empty(), "members are named relative to the root: {path:?}");
        let size = u32::try_from(content.len()).expect("a newc member is smaller than 4 GiB");
        self.inode += 1;
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor
        self.header(path, [self.inode, mode, 0, 0, links, self.mtime, size, 0, 0, device.0, device.1]);
        self.bytes.extend_from_slice(content);
        self.pad(4);
    }

    fn header(&mut self, path: &str, fields: [u32; 11]) {
        self.bytes.extend_from_slice(b"070701");
        // The name's length counts its NUL; the checksum is unused in this variant.
        let name_size = u32::try_from(path.len() + 1).expect("a path is shorter than 4 GiB");
        for field in fields.into_iter().chain([name_size, 0]) {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad(4);
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_byte_by_byte() {
        let mut writer = Writer::new(7);
        writer.file("a", 0o644, b"hello");
        let bytes = writer.finish();
        let header = b"070701000000010000\
            81a400000000000000000000000100000007000000050000000000000000000000000000000000000002\
            00000000a\0";
        assert_eq!(&bytes[..header.len()], header);
        // 110 bytes of header + 2 of name = 112, already a multiple of four.
        assert_eq!(&bytes[112..120], b"hello\0\0\0");
        assert_eq!(&bytes[120..126], b"070701");
        assert_eq!(&bytes[120 + 110..120 + 121], b"TRAILER!!!\0");
        assert_eq!(bytes.len(), BLOCK);
    }

    #[test]
    fn every_member_starts_on_four_bytes() {
        for length in 0..9 {
            let mut writer = Writer::new(0);
            writer.directory("d", 0o755);
            writer.file(&format!("d/{}", "n".repeat(length + 1)), 0o600, &vec![b'x'; length]);
            writer.link("d/link", "target");
            writer.character_device("d/console", 0o600, 5, 1);
            let bytes = writer.finish();
            assert_eq!(bytes.len() % BLOCK, 0);
            let starts: Vec<usize> = (0..bytes.len() - 6).filter(|&at| &bytes[at..at + 6] == b"070701").collect();
            assert_eq!(starts.len(), 5);
            assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        }
    }
}
