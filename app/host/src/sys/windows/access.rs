//! Pipes that only the user who made them can open, and whether somebody is at the other end of one.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{GetTokenInformation, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use crate::sys::pipes;

/// Who may open a pipe, as SDDL.
#[derive(Debug)]
pub(crate) struct Access(Vec<u16>);

impl Access {
    /// This user, and nobody else.
    pub(super) fn of_this_user() -> io::Result<Access> {
        Ok(Access::of(&pipes::access_of(&own_sid()?)))
    }

    /// Those whom `sddl` names.
    pub(crate) fn of(sddl: &str) -> Access {
        Access(sddl.encode_utf16().chain([0]).collect())
    }

    /// Makes an instance of the pipe `name`.
    #[expect(unsafe_code, reason = "tokio takes the access list of a pipe by its address alone")]
    pub(crate) fn make(&self, options: &ServerOptions, name: &std::ffi::OsStr) -> io::Result<NamedPipeServer> {
        let descriptor = self.descriptor()?;
        let mut attributes = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: descriptor.0,
            bInheritHandle: 0,
        };
        // SAFETY: the attributes are of the type that is asked for; they and what they point at live until the call is over, which keeps
        // neither.
        unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn descriptor(&self) -> io::Result<Allocated> {
        let mut descriptor = ptr::null_mut();
        let size = ptr::null_mut();
        // SAFETY: the text ends in a zero, and what is written to is a pointer. The size is optional.
        let converted = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                self.0.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                size,
            )
        };
        done(converted)?;
        Ok(Allocated(descriptor))
    }
}

/// What the system gave us to free.
struct Allocated(*mut c_void);

impl Drop for Allocated {
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn drop(&mut self) {
        // SAFETY: it came from a call that says to free it so, and nobody else does.
        unsafe { LocalFree(self.0) };
    }
}

/// The number of the user of this process, such as `S-1-5-21-1004336348-1177238915-682003330-1001`.
#[expect(unsafe_code, reason = "no library has a safe call for it")]
pub(crate) fn own_sid() -> io::Result<String> {
    let mut token = ptr::null_mut();
    // SAFETY: the handle of this process always is one, and what is written to is a handle.
    done(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: it was opened just now, for us alone.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    let mut length = 0;
    // SAFETY: without room for an answer the call writes its length alone. It fails then, as it should.
    unsafe { GetTokenInformation(token.as_raw_handle(), TokenUser, ptr::null_mut(), 0, &raw mut length) };
    // Words, for the answer begins with a pointer.
    let mut room = vec![0_u64; (length as usize).div_ceil(8)];
    // SAFETY: the room is at least as long as is said.
    done(unsafe {
        GetTokenInformation(token.as_raw_handle(), TokenUser, room.as_mut_ptr().cast(), length, &raw mut length)
    })?;
    // SAFETY: the call succeeded, so the room begins with this, aligned by being made of words.
    let user = unsafe { &*room.as_ptr().cast::<TOKEN_USER>() };
    let mut text = ptr::null_mut();
    // SAFETY: the number lies in the room, which lives; what is written to is a pointer.
    done(unsafe { ConvertSidToStringSidW(user.User.Sid, &raw mut text) })?;
    let text = Allocated(text.cast());
    let first = text.0.cast::<u16>();
    // SAFETY: the text that the call gave ends in a zero.
    let length = (0..).take_while(|at| unsafe { *first.add(*at) } != 0).count();
    // SAFETY: so many units are before that zero.
    Ok(String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(first, length) }))
}

/// Whether nobody is at the other end of `pipe` any more.
#[expect(unsafe_code, reason = "no library has a safe call for this question")]
pub(super) fn is_closed(pipe: &OwnedHandle) -> bool {
    // SAFETY: the handle is open, and all that would be written to is left out, as it may be.
    let there = unsafe {
        PeekNamedPipe(pipe.as_raw_handle(), ptr::null_mut(), 0, ptr::null_mut(), ptr::null_mut(), ptr::null_mut())
    };
    there == 0
}

/// A call that says 0 when it failed.
fn done(said: i32) -> io::Result<()> {
    if said == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_user_has_a_number() {
        let sid = own_sid().unwrap();
        assert!(sid.starts_with("S-1-5-"), "{sid}");
        Access::of_this_user().unwrap().descriptor().unwrap();
    }
}
