//! An archive in the form of xar, which macOS' installer reads: a header, a table in XML, and the bytes of all members
//! (<https://github.com/mackyle/xar/wiki/xarformat>). Members are put in as they are.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest, Sha1};

use crate::checksums::hex;
use crate::sbom;

/// Bytes of a SHA-1, the first thing in the heap.
const DIGEST: usize = 20;

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    File(String, Vec<u8>),
    Folder(String, Vec<Member>),
}

/// The archive; all is of one date (seconds since 1970). Names are of letters that XML takes as they are.
pub fn bytes(members: &[Member], date: u32) -> Vec<u8> {
    let mut writer =
        Writer { heap: Vec::new(), number: 0, date: sbom::timestamp(date).trim_end_matches('Z').to_owned() };
    let mut files = String::new();
    members.iter().for_each(|member| writer.member(member, &mut files));
    let toc = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xar>\n<toc>\n<creation-time>{}</creation-time>\n\
         <checksum style=\"sha1\"><offset>0</offset><size>{DIGEST}</size></checksum>\n{files}</toc>\n</xar>\n",
        writer.date
    );
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(9));
    let packed = encoder.write_all(toc.as_bytes()).and_then(|()| encoder.finish());
    let packed = packed.expect("memory takes whatever is written");
    let mut bytes = b"xar!".to_vec();
    let (header, version, sha1) = (28_u16, 1_u16, 1_u32);
    bytes.extend([header.to_be_bytes(), version.to_be_bytes()].concat());
    bytes.extend([(packed.len() as u64).to_be_bytes(), (toc.len() as u64).to_be_bytes()].concat());
    bytes.extend(sha1.to_be_bytes());
    bytes.extend(&packed);
    bytes.extend(Sha1::digest(&packed));
    bytes.extend(writer.heap);
    bytes
}

struct Writer {
    /// Behind the digest of the table.
    heap: Vec<u8>,
    number: usize,
    date: String,
}

impl Writer {
    fn member(&mut self, member: &Member, to: &mut String) {
        self.number += 1;
        let (name, kind, mode) = match member {
            Member::File(name, _) => (name, "file", "0644"),
            Member::Folder(name, _) => (name, "directory", "0755"),
        };
        to.push_str(&format!("<file id=\"{}\"><name>{name}</name><type>{kind}</type><mode>{mode}</mode>", self.number));
        to.push_str("<uid>0</uid><gid>0</gid><user>root</user><group>wheel</group>");
        to.push_str(&format!("<mtime>{}</mtime>\n", self.date));
        match member {
            Member::File(_, bytes) => {
                let digest = hex(&Sha1::digest(bytes));
                let (offset, size) = (DIGEST + self.heap.len(), bytes.len());
                to.push_str(&format!(
                    "<data><offset>{offset}</offset><size>{size}</size><length>{size}</length>\
                     <encoding style=\"application/octet-stream\"/>\
                     <archived-checksum style=\"sha1\">{digest}</archived-checksum>\
                     <extracted-checksum style=\"sha1\">{digest}</extracted-checksum></data>\n"
                ));
                self.heap.extend(bytes);
            }
            Member::Folder(_, members) => members.iter().for_each(|member| self.member(member, to)),
        }
        to.push_str("</file>\n");
    }
}
