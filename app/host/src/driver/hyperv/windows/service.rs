//! The Host Compute Service by computecore.dll.
//!
//! The library is looked up when it is wanted and not when the program begins: where no feature of Hyper-V is on it may be missing, and
//! the program must still begin and say so.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use windows_sys::Win32::Foundation::{GENERIC_ALL, GetLastError, HMODULE, LocalFree};
use windows_sys::Win32::Security::SECURITY_DESCRIPTOR;
use windows_sys::Win32::System::HostComputeSystem::{
    HCS_EVENT, HCS_EVENT_CALLBACK, HCS_EVENT_OPTIONS, HCS_OPERATION, HCS_OPERATION_COMPLETION, HCS_SYSTEM,
    HcsEventOptionNone, HcsEventServiceDisconnect, HcsEventSystemExited,
};
use windows_sys::Win32::System::LibraryLoader::{GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW};
use windows_sys::core::{HRESULT, PCWSTR, PWSTR};

use super::super::failure::{Failure, detail};
use super::super::guid::Guid;
use super::super::systems::{Call, ComputeSystems, Event, Events, System};
use super::wide;

/// The longest that a call may take, in milliseconds: to start a machine takes a second or two.
const PATIENCE: u32 = 60_000;
/// What the service is asked: which versions of its documents it knows.
const BASIC: &str = r#"{"PropertyTypes":["Basic"]}"#;

type OnSystem = unsafe extern "system" fn(HCS_SYSTEM, HCS_OPERATION, PCWSTR) -> HRESULT;

/// The functions that are used, of the types that windows-sys gives for them.
#[derive(Debug)]
struct Library {
    create_operation: unsafe extern "system" fn(*const c_void, HCS_OPERATION_COMPLETION) -> HCS_OPERATION,
    close_operation: unsafe extern "system" fn(HCS_OPERATION),
    wait: unsafe extern "system" fn(HCS_OPERATION, u32, *mut PWSTR) -> HRESULT,
    service_properties: unsafe extern "system" fn(PCWSTR, *mut PWSTR) -> HRESULT,
    grant: unsafe extern "system" fn(PCWSTR, PCWSTR) -> HRESULT,
    create: unsafe extern "system" fn(
        PCWSTR,
        PCWSTR,
        HCS_OPERATION,
        *const SECURITY_DESCRIPTOR,
        *mut HCS_SYSTEM,
    ) -> HRESULT,
    open: unsafe extern "system" fn(PCWSTR, u32, *mut HCS_SYSTEM) -> HRESULT,
    close: unsafe extern "system" fn(HCS_SYSTEM),
    set_callback:
        unsafe extern "system" fn(HCS_SYSTEM, HCS_EVENT_OPTIONS, *const c_void, HCS_EVENT_CALLBACK) -> HRESULT,
    start: OnSystem,
    shut_down: OnSystem,
    terminate: OnSystem,
    pause: OnSystem,
    resume: OnSystem,
    properties: OnSystem,
}

impl Library {
    /// The one of this program.
    fn get(what: &'static str) -> Result<&'static Library, Failure> {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        if let Some(library) = LIBRARY.get() {
            return Ok(library);
        }
        // A feature may be switched on while we run: what failed is tried again.
        let loaded = Library::load().map_err(|code| Failure { what, code, detail: String::new() })?;
        Ok(LIBRARY.get_or_init(|| loaded))
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn load() -> Result<Library, u32> {
        let name = wide("computecore.dll");
        // SAFETY: the name ends in a zero. The library is the system's own, from its own folder alone.
        let module = unsafe { LoadLibraryExW(name.as_ptr(), ptr::null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32) };
        if module.is_null() {
            return Err(last_error());
        }
        // SAFETY: each name is that of a function of the type of its field (computecore.h, as windows-sys has it), and the library is
        // never unloaded.
        unsafe {
            Ok(Library {
                create_operation: function(module, c"HcsCreateOperation")?,
                close_operation: function(module, c"HcsCloseOperation")?,
                wait: function(module, c"HcsWaitForOperationResult")?,
                service_properties: function(module, c"HcsGetServiceProperties")?,
                grant: function(module, c"HcsGrantVmAccess")?,
                create: function(module, c"HcsCreateComputeSystem")?,
                open: function(module, c"HcsOpenComputeSystem")?,
                close: function(module, c"HcsCloseComputeSystem")?,
                set_callback: function(module, c"HcsSetComputeSystemCallback")?,
                start: function(module, c"HcsStartComputeSystem")?,
                shut_down: function(module, c"HcsShutDownComputeSystem")?,
                terminate: function(module, c"HcsTerminateComputeSystem")?,
                pause: function(module, c"HcsPauseComputeSystem")?,
                resume: function(module, c"HcsResumeComputeSystem")?,
                properties: function(module, c"HcsGetComputeSystemProperties")?,
            })
        }
    }
}

/// # Safety
/// `F` must be the type of a pointer to the function `name`.
#[expect(unsafe_code, reason = "functions are looked up as pointers without a type")]
unsafe fn function<F: Copy>(module: HMODULE, name: &CStr) -> Result<F, u32> {
    const { assert!(size_of::<F>() == size_of::<usize>()) };
    // SAFETY: the module is loaded, the name ends in a zero.
    let found = unsafe { GetProcAddress(module, name.as_ptr().cast()) }.ok_or_else(last_error)?;
    // SAFETY: both are pointers to functions, and the caller says that this one is of that type.
    Ok(unsafe { std::mem::transmute_copy(&found) })
}

/// The last error of this thread as an HRESULT.
#[expect(unsafe_code, reason = "the library gives such errors no HRESULT")]
fn last_error() -> u32 {
    // SAFETY: it touches no memory.
    0x8007_0000 | unsafe { GetLastError() } & 0xffff
}

/// A text that the service gave to be freed.
struct Text(PWSTR);

impl Text {
    #[expect(unsafe_code, reason = "the text is behind a pointer")]
    fn read(&self) -> String {
        if self.0.is_null() {
            return String::new();
        }
        // SAFETY: texts of the service end in a zero.
        let length = (0..).take_while(|at| unsafe { *self.0.add(*at) } != 0).count();
        // SAFETY: so many units are before it.
        String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(self.0, length) })
    }
}

impl Drop for Text {
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn drop(&mut self) {
        // SAFETY: it came from a call that says to free it so; nothing is freed when there is none.
        unsafe { LocalFree(self.0.cast()) };
    }
}

fn checked(what: &'static str, result: HRESULT, document: &str) -> Result<(), Failure> {
    match result {
        0.. => Ok(()),
        code => Err(Failure { what, code: code.cast_unsigned(), detail: detail(document) }),
    }
}

/// Runs `begin` with a fresh operation and waits until it is done; returns what the service wrote.
#[expect(unsafe_code, reason = "no library has a safe call for it")]
fn operated(
    library: &Library,
    what: &'static str,
    begin: impl FnOnce(HCS_OPERATION) -> HRESULT,
) -> Result<String, Failure> {
    // SAFETY: neither a context nor a callback is given.
    let operation = unsafe { (library.create_operation)(ptr::null(), None) };
    if operation.is_null() {
        return Err(Failure { what, code: last_error(), detail: String::new() });
    }
    let mut text = Text(ptr::null_mut());
    let mut result = begin(operation);
    if result >= 0 {
        // SAFETY: the operation is open, and what is written to is a pointer.
        result = unsafe { (library.wait)(operation, PATIENCE, &raw mut text.0) };
    }
    // SAFETY: it is ours, and not used after this.
    unsafe { (library.close_operation)(operation) };
    let document = text.read();
    checked(what, result, &document)?;
    Ok(document)
}

/// Who hears of which system. A callback is given a number and no pointer, for it may still run when its system is closed.
static LISTENERS: Mutex<BTreeMap<usize, Events>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicUsize = AtomicUsize::new(1);

#[expect(unsafe_code, reason = "what the service tells is behind pointers")]
unsafe extern "system" fn told(event: *const HCS_EVENT, context: *const c_void) {
    // SAFETY: the service gives an event that lives through the call.
    let event = unsafe { &*event };
    let tells = match event.Type {
        kind if kind == HcsEventSystemExited => {
            // Not ours to free.
            let text = std::mem::ManuallyDrop::new(Text(event.EventData.cast_mut()));
            Event::Exited(text.read())
        }
        kind if kind == HcsEventServiceDisconnect => Event::Disconnected,
        _ => return,
    };
    let listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(listener) = listeners.get(&context.addr()) {
        // Whoever listened may be gone.
        let _ = listener.send(tells);
    }
}

#[derive(Debug)]
pub(in super::super) struct Service;

impl ComputeSystems for Service {
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn ask(&self) -> Result<(), Failure> {
        const WHAT: &str = "say what it is";
        let (library, query) = (Library::get(WHAT)?, wide(BASIC));
        let mut text = Text(ptr::null_mut());
        // SAFETY: the question ends in a zero, and what is written to is a pointer.
        let result = unsafe { (library.service_properties)(query.as_ptr(), &raw mut text.0) };
        checked(WHAT, result, &text.read())?;
        // Whoever may ask that need not be allowed to make machines; to look for one that is nowhere takes the same right.
        match open(library, Guid(0)) {
            Err(failure) if failure.is_denied() => Err(failure),
            Err(_) | Ok(_) => Ok(()),
        }
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn grant(&self, id: Guid, file: &Path) -> Result<(), Failure> {
        const WHAT: &str = "let the machine open one of its files";
        let (library, id, file) = (Library::get(WHAT)?, wide(&id.to_string()), wide(file));
        // SAFETY: both texts end in a zero.
        checked(WHAT, unsafe { (library.grant)(id.as_ptr(), file.as_ptr()) }, "")
    }

    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn create(&self, id: Guid, document: &str, events: Events) -> Result<Box<dyn System>, Failure> {
        const WHAT: &str = "make the machine";
        let library = Library::get(WHAT)?;
        let (id, document) = (wide(&id.to_string()), wide(document));
        let mut system = Handle { library, system: ptr::null_mut(), listener: None };
        let made = operated(library, WHAT, |operation| {
            let (id, document) = (id.as_ptr(), document.as_ptr());
            // SAFETY: both texts end in a zero, the operation is open, and what is written to is a handle. Without a descriptor the
            // service takes its own.
            unsafe { (library.create)(id, document, operation, ptr::null(), &raw mut system.system) }
        });
        if let Err(failure) = made.and_then(|_| system.listen(events)) {
            // One that was not made in time may still come to be.
            if !system.system.is_null()
                && let Err(undo) = system.call(Call::Terminate)
            {
                tracing::debug!(%undo, "what may have been made of a machine could not be ended");
            }
            return Err(failure);
        }
        Ok(Box::new(system))
    }

    fn open(&self, id: Guid, events: Events) -> Result<Box<dyn System>, Failure> {
        let mut system = open(Library::get(FIND)?, id)?;
        system.listen(events)?;
        Ok(Box::new(system))
    }
}

const FIND: &str = "find the machine";

#[expect(unsafe_code, reason = "no library has a safe call for it")]
fn open(library: &'static Library, id: Guid) -> Result<Handle, Failure> {
    let id = wide(&id.to_string());
    let mut system = Handle { library, system: ptr::null_mut(), listener: None };
    // SAFETY: the text ends in a zero, and what is written to is a handle.
    checked(FIND, unsafe { (library.open)(id.as_ptr(), GENERIC_ALL, &raw mut system.system) }, "")?;
    Ok(system)
}

/// An open compute system.
#[derive(Debug)]
struct Handle {
    library: &'static Library,
    system: HCS_SYSTEM,
    listener: Option<usize>,
}

// SAFETY: the service takes calls with a handle from any thread, also several at once; the pointer is nothing else to us.
#[expect(unsafe_code, reason = "handles are pointers to the bindings")]
unsafe impl Send for Handle {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "handles are pointers to the bindings")]
unsafe impl Sync for Handle {}

impl Handle {
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn listen(&mut self, events: Events) -> Result<(), Failure> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        LISTENERS.lock().unwrap_or_else(PoisonError::into_inner).insert(number, events);
        self.listener = Some(number);
        // SAFETY: the handle is open; the context is a number that is never followed.
        let result = unsafe {
            (self.library.set_callback)(self.system, HcsEventOptionNone, ptr::without_provenance(number), Some(told))
        };
        checked("listen to the machine", result, "")
    }
}

impl System for Handle {
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn call(&self, call: Call) -> Result<String, Failure> {
        let library = self.library;
        let function = match call {
            Call::Start => library.start,
            Call::ShutDown => library.shut_down,
            Call::Terminate => library.terminate,
            Call::Pause => library.pause,
            Call::Resume => library.resume,
            Call::Properties => library.properties,
        };
        // SAFETY: the handle and the operation are open; no options are given.
        operated(library, call.verb(), |operation| unsafe { function(self.system, operation, ptr::null()) })
    }
}

impl Drop for Handle {
    #[expect(unsafe_code, reason = "no library has a safe call for it")]
    fn drop(&mut self) {
        if !self.system.is_null() {
            // SAFETY: it is ours, and not used after this.
            unsafe { (self.library.close)(self.system) };
        }
        if let Some(number) = self.listener {
            LISTENERS.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::failure::code;
    use super::*;

    #[test]
    fn where_there_is_no_such_library_that_is_said_and_nothing_breaks() {
        // Only a computer with the feature has it.
        if let Err(failure) = Library::get("try it") {
            assert!(failure.is_not_installed(), "{failure}");
            assert_eq!(failure.code, code::MODULE_NOT_FOUND);
        }
    }
}
