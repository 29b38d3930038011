//! The machine's start to the first API answer, against the bare kernel's boot to an init that powers off.
//!
//! The kernel, the QEMU and its flags are the machine's own: they are read from the running QEMU's command line.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use tests::engine::Machine;

use crate::table::Row;

/// An init that does nothing but power off; static, without a C library.
const INIT: &str = r#"
#![no_std]
#![no_main]
use core::arch::asm;
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    // reboot(2) with RB_POWER_OFF: x86-64 system call 169.
    unsafe { asm!("syscall", in("rax") 169u64, in("rdi") 0xfee1deadu64, in("rsi") 672274793u64, in("rdx") 0x4321fedcu64, in("r10") 0u64, lateout("rax") _, out("rcx") _, out("r11") _) };
    loop {}
}
"#;

/// What was measured, by name and version, and the samples.
pub(crate) fn measure(rounds: usize) -> anyhow::Result<(Vec<String>, Row)> {
    let machine = Machine::new()?;
    machine.berth(&["config", "set", "docker_context", "false"])?;
    // The first start formats the data disk and probes the accelerator: not what is measured.
    machine.berth(&["up"])?;
    let status: serde_json::Value = serde_json::from_str(&machine.berth(&["status", "--json"])?)?;
    let pid = status["machine"]["hypervisor_pid"].as_u64().context("the status names QEMU's process")?;
    let version: serde_json::Value = serde_json::from_str(&machine.berth(&["version", "--json"])?)?;
    let qemu = Command::new(fs::read_link(format!("/proc/{pid}/exe"))?).arg("--version").output()?;
    let kernel = machine.berth(&["shell", "uname", "-r"])?;
    let names = vec![
        format!("subject: the machine's start, berth {version} (profile {})", crate::build::profile()?),
        format!(
            "reference: kernel {} alone, {}",
            kernel.trim(),
            String::from_utf8_lossy(&qemu.stdout).lines().next().unwrap_or_default()
        ),
        format!("accelerator: {}", status["machine"]["accelerator"].as_str().unwrap_or("unknown")),
    ];
    let bare = bare_command(&fs::read(format!("/proc/{pid}/cmdline"))?, machine.home())?;
    let mut row =
        Row { what: "start to first API answer / bare boot".into(), subject: Vec::new(), reference: Vec::new() };
    for _ in 0..rounds {
        machine.berth(&["down"])?;
        let begun = Instant::now();
        let up: serde_json::Value = serde_json::from_str(&machine.berth(&["up", "--json"])?)?;
        row.subject.push(begun.elapsed().as_secs_f64() * 1000.0);
        ensure!(up["phase"] == "running", "{up}");
        let begun = Instant::now();
        let status = Command::new(&bare[0])
            .args(&bare[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        row.reference.push(begun.elapsed().as_secs_f64() * 1000.0);
        ensure!(status.success(), "the bare boot ended with {status}");
    }
    Ok((names, row))
}

/// QEMU, accelerator, machine type, processors, memory and kernel of the machine; no devices but the console.
fn bare_command(cmdline: &[u8], home: &std::path::Path) -> anyhow::Result<Vec<String>> {
    let words: Vec<String> =
        cmdline.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let after = |flags: &[&str]| -> Option<String> {
        words.iter().position(|word| flags.contains(&word.as_str())).and_then(|nth| words.get(nth + 1)).cloned()
    };
    let source = home.join("init.rs");
    fs::write(&source, INIT)?;
    let init = home.join("init");
    let built = Command::new("rustc")
        .args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "panic=abort",
            "-C",
            "link-arg=-nostartfiles",
            "-C",
            "link-arg=-static",
            "-C",
            "relocation-model=static",
            "-o",
        ])
        .args([&init, &source])
        .output()?;
    ensure!(built.status.success(), "the bare init does not compile: {}", String::from_utf8_lossy(&built.stderr));
    let mut cpio = Vec::new();
    cpio_entry(&mut cpio, "init", &fs::read(&init)?, 0o100_755);
    cpio_entry(&mut cpio, "TRAILER!!!", &[], 0);
    let initrd = home.join("bare.cpio");
    fs::write(&initrd, cpio)?;
    let mut command = vec![words[0].clone()];
    let machine_type = after(&["-machine", "-M"]).context("QEMU was given a machine type")?;
    // The memory back end belongs to the vsock device, which a bare boot does not have.
    let machine_type: Vec<&str> = machine_type.split(',').filter(|part| !part.starts_with("memory-backend=")).collect();
    command.extend(["-machine".to_owned(), machine_type.join(",")]);
    for flags in [&["-accel"][..], &["-cpu"], &["-smp"], &["-m"], &["-kernel"]] {
        if let Some(value) = after(flags) {
            command.extend([flags[0].to_owned(), value]);
        }
    }
    let append = after(&["-append"]).unwrap_or_default();
    command.extend(["-initrd".to_owned(), initrd.display().to_string(), "-append".to_owned(), append]);
    command.extend(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "null"].map(str::to_owned));
    Ok(command)
}

/// One entry in the "newc" format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
fn cpio_entry(cpio: &mut Vec<u8>, name: &str, bytes: &[u8], mode: u32) {
    let fields = [0, mode, 0, 0, 1, 0, bytes.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    let head: String = fields.iter().map(|field| format!("{field:08x}")).collect();
    cpio.extend_from_slice(format!("070701{head}{name}\0").as_bytes());
    cpio.resize(cpio.len().next_multiple_of(4), 0);
    cpio.extend_from_slice(bytes);
    cpio.resize(cpio.len().next_multiple_of(4), 0);
}
