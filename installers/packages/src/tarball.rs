//! The plan as a tar archive: what is unpacked anywhere, and what is in a .deb.

use std::io::Write;

use flate2::{Compression, GzBuilder};

use crate::plan::{Inputs, Plan};
use crate::{Error, Result};

/// `berth-0.1.0-linux-x86_64.tar.gz`.
pub fn name(inputs: &Inputs) -> String {
    format!("berth-{}-linux-x86_64.tar.gz", inputs.version)
}

/// # Errors
/// When a file cannot be read.
pub fn write(inputs: &Inputs, plan: &Plan) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(inputs.effort));
    files(plan, inputs.date, &mut encoder)?;
    encoder.finish().map_err(unwritten)
}

/// Folders and files of `plan`, root's, all of one date, in one order.
pub(crate) fn files(plan: &Plan, date: u32, to: impl Write) -> Result<()> {
    let mut archive = tar::Builder::new(to);
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(u64::from(date));
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root").and_then(|()| header.set_groupname("root")).expect("short names fit");
        header
    };
    for folder in plan.folders() {
        let mut header = header(tar::EntryType::Directory, 0o755, 0);
        archive.append_data(&mut header, format!("{folder}/"), std::io::empty()).map_err(unwritten)?;
    }
    for file in &plan.files {
        let bytes = file.content.read()?;
        let mut header = header(tar::EntryType::Regular, file.mode, bytes.len() as u64);
        archive.append_data(&mut header, &file.to, &*bytes).map_err(unwritten)?;
    }
    archive.finish().map_err(unwritten)
}

fn unwritten(source: std::io::Error) -> Error {
    Error::Io { action: "write", path: "an archive".into(), source }
}
