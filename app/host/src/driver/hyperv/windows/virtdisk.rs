//! Virtual disks by virtdisk.dll, which every Windows has.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Storage::Vhd::{
    COMPACT_VIRTUAL_DISK_FLAG_NO_ZERO_SCAN, COMPACT_VIRTUAL_DISK_PARAMETERS, COMPACT_VIRTUAL_DISK_VERSION_1,
    CREATE_VIRTUAL_DISK_FLAG_NONE, CREATE_VIRTUAL_DISK_PARAMETERS, CREATE_VIRTUAL_DISK_PARAMETERS_0,
    CREATE_VIRTUAL_DISK_PARAMETERS_0_1, CREATE_VIRTUAL_DISK_VERSION_2, CompactVirtualDisk, CreateVirtualDisk,
    OPEN_VIRTUAL_DISK_FLAG_NONE, OPEN_VIRTUAL_DISK_PARAMETERS, OPEN_VIRTUAL_DISK_VERSION_2, OpenVirtualDisk,
    RESIZE_VIRTUAL_DISK_FLAG_NONE, RESIZE_VIRTUAL_DISK_PARAMETERS, RESIZE_VIRTUAL_DISK_PARAMETERS_0,
    RESIZE_VIRTUAL_DISK_PARAMETERS_0_0, RESIZE_VIRTUAL_DISK_VERSION_1, ResizeVirtualDisk, VIRTUAL_DISK_ACCESS_NONE,
    VIRTUAL_STORAGE_TYPE, VIRTUAL_STORAGE_TYPE_DEVICE_VHDX, VIRTUAL_STORAGE_TYPE_VENDOR_MICROSOFT,
};

use super::super::vhdx::VirtualDisks;
use super::wide;

const VHDX: VIRTUAL_STORAGE_TYPE = VIRTUAL_STORAGE_TYPE {
    DeviceId: VIRTUAL_STORAGE_TYPE_DEVICE_VHDX,
    VendorId: VIRTUAL_STORAGE_TYPE_VENDOR_MICROSOFT,
};
/// What Microsoft advises for Linux' file systems, which write all over a disk: with the default of 32 MiB it grows much faster.
const BLOCK: u32 = 1 << 20;

#[derive(Debug)]
pub(in super::super) struct Virtdisk;

impl VirtualDisks for Virtdisk {
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let path = wide(path);
        let parameters = CREATE_VIRTUAL_DISK_PARAMETERS {
            Version: CREATE_VIRTUAL_DISK_VERSION_2,
            Anonymous: CREATE_VIRTUAL_DISK_PARAMETERS_0 {
                Version2: CREATE_VIRTUAL_DISK_PARAMETERS_0_1 {
                    MaximumSize: bytes,
                    BlockSizeInBytes: BLOCK,
                    SectorSizeInBytes: 512,
                    PhysicalSectorSizeInBytes: 4096,
                    ..Default::default()
                },
            },
        };
        let mut handle = ptr::null_mut();
        // SAFETY: the path ends in a zero, the parameters are of the version that they name, and what is written to is a handle. All live
        // until the call is over.
        done(unsafe {
            CreateVirtualDisk(
                &VHDX,
                path.as_ptr(),
                VIRTUAL_DISK_ACCESS_NONE,
                ptr::null_mut(),
                CREATE_VIRTUAL_DISK_FLAG_NONE,
                0,
                &parameters,
                ptr::null(),
                &raw mut handle,
            )
        })?;
        // SAFETY: it was opened just now, for us alone.
        drop(unsafe { OwnedHandle::from_raw_handle(handle) });
        Ok(())
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn resize(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let disk = open(path)?;
        let parameters = RESIZE_VIRTUAL_DISK_PARAMETERS {
            Version: RESIZE_VIRTUAL_DISK_VERSION_1,
            Anonymous: RESIZE_VIRTUAL_DISK_PARAMETERS_0 {
                Version1: RESIZE_VIRTUAL_DISK_PARAMETERS_0_0 { NewSize: bytes },
            },
        };
        // SAFETY: the handle is a disk's and open, the parameters are of the version that they name; without the last argument the call
        // ends when it is done.
        done(unsafe {
            ResizeVirtualDisk(disk.as_raw_handle(), RESIZE_VIRTUAL_DISK_FLAG_NONE, &parameters, ptr::null())
        })
    }

    /// Without a search for zeros: the guest names what it frees.
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn compact(&self, path: &Path) -> io::Result<()> {
        let disk = open(path)?;
        let parameters =
            COMPACT_VIRTUAL_DISK_PARAMETERS { Version: COMPACT_VIRTUAL_DISK_VERSION_1, ..Default::default() };
        // SAFETY: as above.
        done(unsafe {
            CompactVirtualDisk(disk.as_raw_handle(), COMPACT_VIRTUAL_DISK_FLAG_NO_ZERO_SCAN, &parameters, ptr::null())
        })
    }
}

#[expect(unsafe_code, reason = "no library has a safe call for it")]
fn open(path: &Path) -> io::Result<OwnedHandle> {
    let path = wide(path);
    let parameters = OPEN_VIRTUAL_DISK_PARAMETERS { Version: OPEN_VIRTUAL_DISK_VERSION_2, ..Default::default() };
    let mut handle = ptr::null_mut();
    // SAFETY: as in `create`.
    done(unsafe {
        OpenVirtualDisk(
            &VHDX,
            path.as_ptr(),
            VIRTUAL_DISK_ACCESS_NONE,
            OPEN_VIRTUAL_DISK_FLAG_NONE,
            &parameters,
            &raw mut handle,
        )
    })?;
    // SAFETY: it was opened just now, for us alone.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// These calls return what is wrong (WIN32_ERROR).
fn done(error: u32) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error.cast_signed())) }
}
