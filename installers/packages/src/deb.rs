//! The plan as a .deb: an `ar` archive of a version, a control archive and the files (deb(5)).

use std::io::Write;

use flate2::{Compression, GzBuilder};

use crate::needed::Needed;
use crate::plan::{File, Inputs, Plan, package_version};
use crate::tarball;
use crate::{Error, Result};

/// `berth_0.1.0_amd64.deb`.
pub fn name(inputs: &Inputs) -> String {
    format!("berth_{}_amd64.deb", package_version(&inputs.version))
}

/// The package, without scripts: what desktops must be told of, their own packages' triggers see. No file is a configuration file.
///
/// # Errors
/// When a file cannot be read, or a library is of no package here.
pub fn write(inputs: &Inputs, plan: &Plan, needed: &Needed) -> Result<Vec<u8>> {
    let control = control(inputs, plan, &needed.debian()?)?;
    let control = File { to: "control".to_owned(), content: crate::plan::Content::Bytes(control.into()), mode: 0o644 };
    let control = archive(&Plan { files: vec![control] }, inputs)?;
    let files = archive(plan, inputs)?;
    let mut deb = b"!<arch>\n".to_vec();
    for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control), ("data.tar.gz", &files)] {
        deb.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8o}{:<10}`\n", inputs.date, 0, 0, 0o100_644, bytes.len()).bytes(),
        );
        deb.extend(bytes);
        // Members begin at even offsets.
        if bytes.len() % 2 == 1 {
            deb.push(b'\n');
        }
    }
    Ok(deb)
}

fn archive(plan: &Plan, inputs: &Inputs) -> Result<Vec<u8>> {
    let in_memory = |source| Error::Io { action: "write", path: "the .deb".into(), source };
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(inputs.effort));
    tarball::files(plan, inputs.date, &mut encoder)?;
    encoder.flush().map_err(in_memory)?;
    encoder.finish().map_err(in_memory)
}

fn control(inputs: &Inputs, plan: &Plan, depends: &[String]) -> Result<String> {
    // KiB, each file by itself and one for each folder, as Debian's own tools count.
    let mut size = plan.folders().len() as u64;
    for file in &plan.files {
        size += file.content.size()?.div_ceil(1024);
    }
    Ok(format!(
        "Package: berth\n\
         Version: {}\n\
         Architecture: amd64\n\
         Maintainer: the authors of Berth\n\
         Installed-Size: {size}\n\
         Depends: {}\n\
         Recommends: qemu-system-x86 (>= 1:8.0)\n\
         Suggests: docker-cli, gnome-keyring\n\
         Section: admin\n\
         Priority: optional\n\
         Description: containers in a small machine of their own\n \
         Berth boots a small Linux machine and gives its user containers in it, by an engine\n \
         of its own. The docker command works with it unchanged; so do berth's own command\n \
         and its window.\n",
        package_version(&inputs.version),
        depends.join(", ")
    ))
}
