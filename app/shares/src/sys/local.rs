//! On whose disks something is.

use std::os::fd::BorrowedFd;

use rustix::fs;

/// File systems of this computer's own disks and memory, by their magic numbers (`include/uapi/linux/magic.h`, and their sources). What lies
/// on others, of networks, of programs, of a hypervisor's host or in layers over something else, somebody else may change, and the kernel tells nobody.
const LOCAL: [u32; 13] = [EXT, XFS, BTRFS, F2FS, TMPFS, ZFS, BCACHEFS, FAT, EXFAT, NTFS3, RAMFS, JFS, NILFS];
const EXT: u32 = 0xef53;
const XFS: u32 = 0x5846_5342;
const BTRFS: u32 = 0x9123_683e;
const F2FS: u32 = 0xf2f5_2010;
const TMPFS: u32 = 0x0102_1994;
const ZFS: u32 = 0x2fc1_2fc1;
const BCACHEFS: u32 = 0xca45_1a4e;
const FAT: u32 = 0x4d44;
const EXFAT: u32 = 0x2011_bab0;
const NTFS3: u32 = 0x7366_746e;
const RAMFS: u32 = 0x8584_58f6;
const JFS: u32 = 0x3153_464a;
const NILFS: u32 = 0x3434;

/// Whether nobody but this computer can change what is there. May take as long as another computer does.
pub(crate) fn is_local(file: BorrowedFd<'_>) -> bool {
    fs::fstatfs(file).is_ok_and(|stat| LOCAL.contains(&(stat.f_type as u32)))
}
