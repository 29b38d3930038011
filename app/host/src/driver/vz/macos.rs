//! Virtualization.framework itself: <https://developer.apple.com/documentation/virtualization>.
//!
//! A machine and what belongs to it may be used on its queue alone: [`OnQueue`] holds to that. Blocks and the delegate are called there, too.

#![expect(unsafe_code, reason = "the bindings have no safe calls")]

use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use std::path::Path;

use block2::RcBlock;
use dispatch2::{DispatchQueue, DispatchRetained};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use objc2::rc::Retained;
use objc2::runtime::{NSObject, NSObjectProtocol, ProtocolObject};
use objc2::{AnyThread, DefinedClass, define_class, msg_send};
use objc2_core_foundation::CFString;
use objc2_foundation::{NSActivityOptions, NSArray, NSError, NSFileHandle, NSProcessInfo, NSString, NSURL};
use objc2_security::SecTask;
use objc2_virtualization::{self as vz, VZVirtualMachineDelegate};
use tokio::sync::{mpsc, oneshot};

use super::checks::{Facts, Version};
use super::failure::ENTITLEMENT;
use super::plan::{Disk, VmPlan};
use super::protocol::Call;
use super::vm::{Event, Virtualization, Vm};

/// The framework of this computer.
#[derive(Debug)]
pub struct Framework;

impl Virtualization for Framework {
    fn facts(&self) -> Facts {
        let system = NSProcessInfo::processInfo().operatingSystemVersion();
        let number = |part: isize| i64::try_from(part).unwrap_or_default();
        Facts {
            system: Version(number(system.majorVersion), number(system.minorVersion), number(system.patchVersion)),
            // SAFETY: a method of the class without arguments.
            supported: unsafe { vz::VZVirtualMachine::isSupported() },
            entitled: is_entitled(),
        }
    }

    fn make(
        &self,
        plan: &VmPlan,
        console: OwnedFd,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Box<dyn Vm>, String> {
        stay_awake();
        let configuration = configuration(plan, console)?;
        let queue = DispatchQueue::new("berth.machine", None);
        let delegate = Delegate::new(events);
        // SAFETY: the configuration was found valid. Nobody uses the machine before it is handed to `OnQueue`, and nothing
        // happens to it before it is started.
        let machine = unsafe {
            let machine = vz::VZVirtualMachine::initWithConfiguration_queue(
                vz::VZVirtualMachine::alloc(),
                &configuration,
                &queue,
            );
            machine.setDelegate(Some(ProtocolObject::from_ref(&*delegate)));
            machine
        };
        Ok(Box::new(FrameworkVm { queue, parts: OnQueue(Box::leak(Box::new(Parts { machine, delegate }))) }))
    }
}

/// Whether this program is signed with the right to run machines.
fn is_entitled() -> bool {
    // SAFETY: without an allocator the default one is taken; no error is asked for.
    let value = unsafe {
        SecTask::from_self(None)
            .and_then(|task| task.value_for_entitlement(&CFString::from_str(ENTITLEMENT), std::ptr::null_mut()))
    };
    value.is_some()
}

/// Keeps macOS from slowing this process down because nobody sees it (App Nap); the computer may sleep all the same.
fn stay_awake() {
    let reason = NSString::from_str("runs a virtual machine");
    let options = NSActivityOptions::UserInitiatedAllowingIdleSystemSleep;
    let activity = NSProcessInfo::processInfo().beginActivityWithOptions_reason(options, &reason);
    // For as long as this process lives.
    std::mem::forget(activity);
}

fn configuration(plan: &VmPlan, console: OwnedFd) -> Result<Retained<vz::VZVirtualMachineConfiguration>, String> {
    let disks = plan.disks.iter().map(disk).collect::<Result<Vec<_>, _>>()?;
    // SAFETY: objects of the types that the methods take, which copy or keep them; all of one thread, and in nobody else's hands.
    unsafe {
        let loader = vz::VZLinuxBootLoader::initWithKernelURL(vz::VZLinuxBootLoader::alloc(), &url(&plan.kernel));
        loader.setInitialRamdiskURL(Some(&url(&plan.initrd)));
        loader.setCommandLine(&NSString::from_str(&plan.command_line));

        let configuration = vz::VZVirtualMachineConfiguration::new();
        configuration.setBootLoader(Some(&loader));
        configuration.setCPUCount(plan.cpus as usize);
        configuration.setMemorySize(plan.memory_mib << 20);
        configuration.setStorageDevices(&NSArray::from_retained_slice(&disks));

        let serial = vz::VZVirtioConsoleDeviceSerialPortConfiguration::new();
        let handle =
            NSFileHandle::initWithFileDescriptor_closeOnDealloc(NSFileHandle::alloc(), console.into_raw_fd(), true);
        let attachment = vz::VZFileHandleSerialPortAttachment::initWithFileHandleForReading_fileHandleForWriting(
            vz::VZFileHandleSerialPortAttachment::alloc(),
            None,
            Some(&handle),
        );
        serial.setAttachment(Some(&attachment));
        configuration.setSerialPorts(&NSArray::from_retained_slice(&[Retained::into_super(serial)]));

        let entropy = vz::VZVirtioEntropyDeviceConfiguration::new();
        configuration.setEntropyDevices(&NSArray::from_retained_slice(&[Retained::into_super(entropy)]));
        let socket = vz::VZVirtioSocketDeviceConfiguration::new();
        configuration.setSocketDevices(&NSArray::from_retained_slice(&[Retained::into_super(socket)]));

        configuration.validateWithError().map_err(|error| text(&error))?;
        Ok(configuration)
    }
}

/// What the guest flushes is on the disk, as [`Full`] has it. Cached: without the cache of files, guests with Linux have been seen to find
/// their file systems damaged (<https://github.com/utmapp/UTM/issues/4840>).
///
/// [`Full`]: vz::VZDiskImageSynchronizationMode::Full
fn disk(disk: &Disk) -> Result<Retained<vz::VZStorageDeviceConfiguration>, String> {
    // SAFETY: as for the configuration.
    unsafe {
        let attachment =
            vz::VZDiskImageStorageDeviceAttachment::initWithURL_readOnly_cachingMode_synchronizationMode_error(
                vz::VZDiskImageStorageDeviceAttachment::alloc(),
                &url(&disk.file),
                disk.read_only,
                vz::VZDiskImageCachingMode::Cached,
                vz::VZDiskImageSynchronizationMode::Full,
            );
        let attachment = attachment.map_err(|error| text(&error))?;
        let device = vz::VZVirtioBlockDeviceConfiguration::initWithAttachment(
            vz::VZVirtioBlockDeviceConfiguration::alloc(),
            &attachment,
        );
        device.setBlockDeviceIdentifier(&NSString::from_str(&disk.serial));
        Ok(Retained::into_super(device))
    }
}

fn url(path: &Path) -> Retained<NSURL> {
    NSURL::fileURLWithPath(&NSString::from_str(&path.to_string_lossy()))
}

fn text(error: &NSError) -> String {
    let what = error.localizedDescription().to_string();
    match error.localizedFailureReason() {
        Some(reason) => format!("{what} ({reason})"),
        None => what,
    }
}

#[derive(Debug)]
struct Parts {
    machine: Retained<vz::VZVirtualMachine>,
    /// Which the machine does not keep.
    #[expect(dead_code, reason = "it is called, by the machine")]
    delegate: Retained<Delegate>,
}

/// What may be used on the queue alone, and is there for as long as its process.
#[derive(Debug, Clone, Copy)]
struct OnQueue(&'static Parts);

// SAFETY: what is in it is reached on the queue only.
unsafe impl Send for OnQueue {}
// SAFETY: as above.
unsafe impl Sync for OnQueue {}

#[derive(Debug)]
struct FrameworkVm {
    queue: DispatchRetained<DispatchQueue>,
    parts: OnQueue,
}

impl Vm for FrameworkVm {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<(), String>> {
        let (tell, answer) = oneshot::channel();
        let parts = self.parts;
        self.queue.exec_async(move || {
            let parts = parts;
            let machine = &parts.0.machine;
            let tell = Cell::new(Some(tell));
            let done = RcBlock::new(move |error: *mut NSError| {
                // SAFETY: the framework passes an error or nothing.
                let error = unsafe { error.as_ref() };
                if let Some(tell) = tell.take() {
                    let _ = tell.send(error.map_or(Ok(()), |error| Err(text(error))));
                }
            });
            // SAFETY: this is the machine's queue, and each call calls the block once.
            unsafe {
                match call {
                    Call::Start => machine.startWithCompletionHandler(&done),
                    Call::Pause => machine.pauseWithCompletionHandler(&done),
                    Call::Resume => machine.resumeWithCompletionHandler(&done),
                    Call::Stop => machine.stopWithCompletionHandler(&done),
                    Call::RequestStop => {
                        let error = machine.requestStopWithError().err();
                        let error = error.as_ref().map_or(std::ptr::null(), Retained::as_ptr);
                        done.call((error.cast_mut(),));
                    }
                }
            }
        });
        async move { answer.await.unwrap_or_else(|_| Err("macOS gave no answer".to_owned())) }.boxed()
    }

    fn connect(&self, port: u32) -> BoxFuture<'static, io::Result<OwnedFd>> {
        let (tell, answer) = oneshot::channel();
        let parts = self.parts;
        self.queue.exec_async(move || {
            let parts = parts;
            // SAFETY: this is the machine's queue.
            let devices = unsafe { parts.0.machine.socketDevices() };
            let device = devices.firstObject().and_then(|device| device.downcast::<vz::VZVirtioSocketDevice>().ok());
            let Some(device) = device else { return };
            let tell = Cell::new(Some(tell));
            let done = RcBlock::new(move |connection: *mut vz::VZVirtioSocketConnection, error: *mut NSError| {
                // SAFETY: the framework passes a connection or an error.
                let (connection, error) = unsafe { (connection.as_ref(), error.as_ref()) };
                let connected = match connection {
                    Some(connection) => own_descriptor(connection),
                    None => Err(io::Error::other(error.map(text).unwrap_or_default())),
                };
                if let Some(tell) = tell.take() {
                    let _ = tell.send(connected);
                }
            });
            // SAFETY: this is the machine's queue.
            unsafe { device.connectToPort_completionHandler(port, &done) };
        });
        async move { answer.await.unwrap_or_else(|_| Err(io::ErrorKind::NotConnected.into())) }.boxed()
    }
}

/// The connection closes its own when it is gone.
fn own_descriptor(connection: &vz::VZVirtioSocketConnection) -> io::Result<OwnedFd> {
    // SAFETY: a method without arguments, called on the queue.
    let descriptor: c_int = unsafe { connection.fileDescriptor() };
    if descriptor < 0 {
        return Err(io::ErrorKind::NotConnected.into());
    }
    // SAFETY: it is open for as long as the connection is there.
    unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()
}

#[derive(Debug)]
struct Ivars {
    events: mpsc::UnboundedSender<Event>,
}

define_class!(
    // SAFETY: NSObject asks nothing of those below it, and there is no `Drop`.
    #[unsafe(super(NSObject))]
    #[ivars = Ivars]
    #[name = "BerthMachineDelegate"]
    #[derive(Debug)]
    struct Delegate;

    // SAFETY: nothing is asked of it.
    unsafe impl NSObjectProtocol for Delegate {}

    // SAFETY: the signatures are the protocol's.
    unsafe impl VZVirtualMachineDelegate for Delegate {
        #[unsafe(method(guestDidStopVirtualMachine:))]
        unsafe fn guest_did_stop(&self, _machine: &vz::VZVirtualMachine) {
            let _ = self.ivars().events.send(Event::Stopped);
        }

        #[unsafe(method(virtualMachine:didStopWithError:))]
        unsafe fn did_stop_with_error(&self, _machine: &vz::VZVirtualMachine, error: &NSError) {
            let _ = self.ivars().events.send(Event::Failed(text(error)));
        }
    }
);

impl Delegate {
    fn new(events: mpsc::UnboundedSender<Event>) -> Retained<Delegate> {
        let this = Delegate::alloc().set_ivars(Ivars { events });
        // SAFETY: NSObject's `init`.
        unsafe { msg_send![super(this), init] }
    }
}
