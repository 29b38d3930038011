//! Virtualization.framework as a guest that does what its ports are for: some connections to it end it, others come back.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::mpsc;

use super::checks::{Facts, Version};
use super::plan::VmPlan;
use super::protocol::Call;
use super::vm::{Event, Virtualization, Vm};

/// What is sent to it comes back.
pub(super) const ECHO: u32 = 7;
/// The guest powers itself off.
pub(super) const OFF: u32 = 8;
/// The guest's kernel panics.
pub(super) const PANIC: u32 = 9;
/// The framework gives the machine up.
pub(super) const FAIL: u32 = 10;
/// The process breaks off.
pub(super) const CRASH: u32 = 11;
/// Answers with the calls so far.
pub(super) const CALLS: u32 = 12;

/// With so many processors it makes none.
pub(super) const MAKES_NONE: u32 = 98;
/// With so many processors it starts none.
pub(super) const STARTS_NONE: u32 = 99;

#[derive(Debug)]
pub(super) struct Fake;

#[derive(Debug)]
struct FakeVm {
    cpus: u32,
    console: Arc<std::fs::File>,
    events: mpsc::UnboundedSender<Event>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Virtualization for Fake {
    fn facts(&self) -> Facts {
        Facts { system: Version(14, 6, 1), supported: true, entitled: true }
    }

    fn make(
        &self,
        plan: &VmPlan,
        console: OwnedFd,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Box<dyn Vm>, String> {
        if plan.cpus == MAKES_NONE {
            return Err("the number of processors is too large".to_owned());
        }
        let console = Arc::new(std::fs::File::from(console));
        (&*console).write_all(format!("booted: {}\n", plan.command_line).as_bytes()).unwrap();
        Ok(Box::new(FakeVm { cpus: plan.cpus, console, events, calls: Arc::default() }))
    }
}

impl Vm for FakeVm {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<(), String>> {
        self.calls.lock().unwrap().push(call);
        let refused = call == Call::Start && self.cpus == STARTS_NONE;
        if call == Call::RequestStop {
            self.events.send(Event::Stopped).unwrap();
        }
        ready(if refused { Err("the limit of virtual machines is reached".to_owned()) } else { Ok(()) }).boxed()
    }

    fn connect(&self, port: u32) -> BoxFuture<'static, io::Result<OwnedFd>> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        match port {
            ECHO => drop(std::thread::spawn(move || echo(ours))),
            CALLS => (&ours).write_all(format!("{:?}\n", self.calls.lock().unwrap()).as_bytes()).unwrap(),
            OFF => self.events.send(Event::Stopped).unwrap(),
            FAIL => self.events.send(Event::Failed("the hypervisor gave up".to_owned())).unwrap(),
            PANIC => {
                let text =
                    "[ 1.0] Kernel panic - not syncing: VFS\n[ 1.1] ---[ end Kernel panic - not syncing: VFS ]---\n";
                (&*self.console).write_all(text.as_bytes()).unwrap();
            }
            CRASH => {
                eprintln!("the guest took it along");
                std::process::exit(3);
            }
            _ => return ready(Err(io::ErrorKind::ConnectionReset.into())).boxed(),
        }
        ready(Ok(theirs.into())).boxed()
    }
}

fn echo(mut stream: UnixStream) {
    let mut buffer = [0; 64];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}
