//! Programs for macOS: for which Macs one is, and one program made of two, each for another kind.
//!
//! A universal program is a table before the programs themselves, in big-endian numbers (`mach-o/fat.h`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use guest_image::Architecture;
use object::Endianness;
use object::macho::{CPU_TYPE_ARM64, CPU_TYPE_X86_64, FAT_MAGIC, MH_EXECUTE, MachHeader64};
use object::read::macho::{FatArch, MachHeader, MachOFatFile32};

use crate::plan::Content;
use crate::{Error, Result, programs};

/// Parts begin at pages: 16 KiB on Apple's processors, as an exponent of two.
const ALIGNMENT: u32 = 14;

/// The folders that programs or guest images are in: those below `folder` with a processor's name, or itself if there is none.
pub fn sets(folder: &Path) -> Vec<PathBuf> {
    let named = Architecture::ALL.map(|architecture| folder.join(architecture.name()));
    let mut below: Vec<PathBuf> = named.into_iter().filter(|folder| folder.is_dir()).collect();
    below.sort();
    if below.is_empty() { vec![folder.to_path_buf()] } else { below }
}

/// The program `name` of these folders, one for all Macs that it is for in one of them, and those Macs' processors.
///
/// # Errors
/// When it is missing in one, is not for users, is no program for macOS, or is twice for the same kind of Mac.
pub fn program(folders: &[PathBuf], name: &str) -> Result<(Content, BTreeSet<&'static str>)> {
    let mut parts = Vec::new();
    let mut whole = None;
    for folder in folders {
        let path = folder.join(name);
        let bytes = programs::read(&path)?;
        let refused = |problem: String| Error::NotForMacs { path: path.clone(), problem };
        let found = slices(&bytes).map_err(&refused)?;
        for (cpu, part) in found {
            if parts.iter().any(|(other, _)| cpu == *other) {
                return Err(refused(format!("there is one for {} already", processor(cpu.kind))));
            }
            parts.push((cpu, part.to_vec()));
        }
        whole = Some(path);
    }
    let processors = parts.iter().map(|(cpu, _)| processor(cpu.kind)).collect();
    match whole {
        Some(path) if folders.len() == 1 => Ok((Content::At(path), processors)),
        _ => Ok((Content::Bytes(joined(parts)), processors)),
    }
}

/// A processor as programs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cpu {
    kind: u32,
    variant: u32,
}

fn processor(kind: u32) -> &'static str {
    if kind == CPU_TYPE_ARM64 { Architecture::Aarch64.name() } else { Architecture::X86_64.name() }
}

/// The programs in a file, each for one kind of Mac; or why it is none.
fn slices(bytes: &[u8]) -> Result<Vec<(Cpu, &[u8])>, String> {
    let parts: Vec<&[u8]> = match MachOFatFile32::parse(bytes) {
        Ok(fat) => fat.arches().iter().map(|arch| arch.data(bytes)).collect::<object::Result<_>>().map_err(told)?,
        Err(_) => vec![bytes],
    };
    parts.into_iter().map(|part| Ok((cpu(part)?, part))).collect()
}

fn cpu(bytes: &[u8]) -> Result<Cpu, String> {
    let header = MachHeader64::<Endianness>::parse(bytes, 0).map_err(told)?;
    let endian = header.endian().map_err(told)?;
    if header.filetype(endian) != MH_EXECUTE {
        return Err("it is none that can be started".to_owned());
    }
    match header.cputype(endian) {
        kind @ (CPU_TYPE_ARM64 | CPU_TYPE_X86_64) => Ok(Cpu { kind, variant: header.cpusubtype(endian) }),
        _ => Err("it is for no kind of Mac".to_owned()),
    }
}

fn told(error: object::Error) -> String {
    error.to_string()
}

/// One file of several programs, in the order of their processors.
fn joined(mut parts: Vec<(Cpu, Vec<u8>)>) -> Vec<u8> {
    parts.sort_by_key(|(cpu, _)| *cpu);
    let aligned = |offset: usize| offset.next_multiple_of(1 << ALIGNMENT);
    let mut table = Vec::new();
    let mut put = |number: u32| table.extend(number.to_be_bytes());
    put(FAT_MAGIC);
    put(word(parts.len()));
    let mut offset = aligned(8 + 20 * parts.len());
    for (cpu, part) in &parts {
        [cpu.kind, cpu.variant, word(offset), word(part.len()), ALIGNMENT].into_iter().for_each(&mut put);
        offset = aligned(offset + part.len());
    }
    let mut bytes = table;
    for (_, part) in parts {
        bytes.resize(aligned(bytes.len()), 0);
        bytes.extend(part);
    }
    bytes
}

fn word(number: usize) -> u32 {
    u32::try_from(number).expect("programs have less than 4 GiB")
}
