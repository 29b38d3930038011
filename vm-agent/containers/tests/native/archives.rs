//! What is in an archive and in none of a tar's plain fields, on its way into a container and out of it.

use crate::stage::Stage;
use bytes::Bytes;
use containers::{ArchivePut, Kind};
use engine_api::PathStat;
use layers::archive::Members;
use serde_json::json;
use tokio::sync::mpsc;

pub(crate) async fn attributes_and_times(stage: &Stage) {
    let id = stage.create(None, json!({"Cmd": ["sleep", "100"]})).await.expect("create");
    // cap_net_raw=ep, as setcap writes it.
    let capability: &[u8] = &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut tar = tar::Builder::new(Vec::new());
    let records: [(&str, &[u8]); 3] = [
        ("mtime", b"1700000000.123456789"),
        ("SCHILY.xattr.security.capability", capability),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
    ];
    tar.append_pax_extensions(records).expect("tar");
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_mtime(1_700_000_000);
    header.set_size(1);
    tar.append_data(&mut header, "tool", &b"x"[..]).expect("tar");
    let plain = tar.into_inner().expect("tar");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    std::io::Write::write_all(&mut bzip2, &plain).expect("bzip2");
    let bzip2 = bzip2.finish().expect("bzip2");
    for packed in [plain.clone(), zstd::encode_all(&plain[..], 1).expect("zstd"), bzip2] {
        send(stage, &id, "/tmp", &packed).await.expect("put");
        let stat = stage.containers.archive_stat(&id, "/tmp/tool").await.expect("stat");
        assert_eq!(stat.mtime.as_nanosecond(), 1_700_000_000_123_456_789);
        let (_, bytes) = take(stage, &id, "/tmp/tool").await;
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut entry = archive.entries().expect("a tar").next().expect("an entry").expect("readable");
        let records = entry.pax_extensions().expect("readable").expect("an extended header");
        let found: Vec<(String, Vec<u8>)> = records
            .map(|record| record.expect("a record"))
            .map(|record| (record.key().expect("text").to_owned(), record.value_bytes().to_vec()))
            .collect();
        assert_eq!(found, [("SCHILY.xattr.security.capability".to_owned(), capability.to_vec())]);
        send(stage, &id, "/tmp", &empty_instead_of_tool()).await.expect("put");
    }
    stage.remove(&id).await;
}

fn empty_instead_of_tool() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    tar.append_data(&mut header, "tool", std::io::empty()).expect("tar");
    tar.into_inner().expect("tar")
}

/// Lines in it that look like records of their own.
const NOTE: &[u8] = b"one\n9 two=x\n\nthree\n";

/// A record of an extended header has a length, and a line's end within it is not its end (POSIX pax).
pub(crate) async fn lines_in_names_and_attributes(stage: &Stage) {
    let id = stage.create(None, json!({"Cmd": ["true"]})).await.expect("create");
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_pax_extensions([("path", &b"two\nlines"[..]), ("SCHILY.xattr.user.note", NOTE)]).expect("tar");
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o640);
    header.set_size(4);
    tar.append_data(&mut header, "short", &b"text"[..]).expect("tar");
    tar.append_pax_extensions([("path", &b"to\nit"[..]), ("linkpath", b"two\nlines")]).expect("tar");
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    tar.append_link(&mut header, "short", "short").expect("tar");
    send(stage, &id, "/tmp", &tar.into_inner().expect("tar")).await.expect("put");
    let stat = stage.containers.archive_stat(&id, "/tmp/to\nit").await.expect("stat");
    assert_eq!(stat.link_target, "/tmp/two\nlines");
    let (stat, bytes) = take(stage, &id, "/tmp/two\nlines").await;
    assert_eq!((stat.name.as_str(), stat.size), ("two\nlines", 4));
    let member = Members::new(&bytes[..]).next().expect("readable").expect("a member");
    assert_eq!(member.name, b"two\nlines");
    assert_eq!(member.xattrs, [(b"user.note".to_vec(), NOTE.to_vec())]);
    // What came out goes in.
    send(stage, &id, "/root", &bytes).await.expect("put");
    let (_, again) = take(stage, &id, "/root/two\nlines").await;
    assert!(again == bytes, "a copy of a copy differs");
    stage.remove(&id).await;
}

/// Where an archive has holes, what is made of it has them too.
pub(crate) async fn sparse_files(stage: &Stage) {
    const SIZE: u64 = 1 << 30;
    let script = "cd /tmp; busybox stat -c '%s %b' holes; busybox tail -c 4 holes | busybox od -An -tx1";
    let id = stage.create(None, json!({"Cmd": ["sh", "-c", script]})).await.expect("create");
    let mut tar = tar::Builder::new(Vec::new());
    let (size, map) = (SIZE.to_string(), format!("{},3", SIZE - 4));
    tar.append_pax_extensions([("GNU.sparse.map", map.as_bytes()), ("GNU.sparse.size", size.as_bytes())]).expect("tar");
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(3);
    tar.append_data(&mut header, "holes", &b"end"[..]).expect("tar");
    send(stage, &id, "/tmp", &tar.into_inner().expect("tar")).await.expect("put");
    stage.containers.start(&id).await.expect("start");
    assert_eq!(stage.wait(&id).await.code, 0);
    let said = stage.logs(&id).await;
    let (numbers, bytes) = said.split_once('\n').expect("two lines");
    let (size, blocks) = numbers.split_once(' ').expect("two numbers");
    assert_eq!((size.parse(), bytes.trim()), (Ok(SIZE), "65 6e 64 00"));
    assert!(blocks.parse::<u64>().expect("a number") < 1000, "{numbers}");
    stage.remove(&id).await;
}

/// What is no archive, or half of one, is told to be so, and the next one is taken.
pub(crate) async fn damaged_archives(stage: &Stage) {
    let id = stage.create(None, json!({"Cmd": ["true"]})).await.expect("create");
    let with = |records: &[u8]| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(records.len() as u64);
        header.set_cksum();
        tar.append(&header, records).expect("tar");
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        tar.append_data(&mut header, "after", &b"x"[..]).expect("tar");
        tar.into_inner().expect("tar")
    };
    let whole = with(b"10 path=x\n");
    // Within the file's data.
    let cut = &whole[..whole.len() - 1024 - 512];
    let [short, endless, keyless] = [&b"8 path=x\n"[..], b"99999999999999999999 path=x\n", b"5 ab\n"].map(with);
    let text = [b'x'; 1024];
    for (what, damaged) in
        [("short", &short[..]), ("endless", &endless), ("keyless", &keyless), ("cut", cut), ("text", &text)]
    {
        let error = send(stage, &id, "/tmp", damaged).await.expect_err(what);
        assert_eq!(error.kind(), Kind::System, "{what}: {error}");
        assert!(error.to_string().contains("cannot read the archive"), "{what}: {error}");
    }
    send(stage, &id, "/tmp", &whole).await.expect("put");
    assert_eq!(stage.containers.archive_stat(&id, "/tmp/x").await.expect("stat").size, 1);
    stage.remove(&id).await;
}

/// Puts an archive into a container, in small pieces.
pub(crate) async fn send(stage: &Stage, id: &str, directory: &str, bytes: &[u8]) -> containers::Result<()> {
    let (sender, body) = mpsc::channel(1);
    let bytes = bytes.to_vec();
    let sending = tokio::spawn(async move {
        for chunk in bytes.chunks(700) {
            // The end of the archive may be left unread.
            let _ = sender.send(Ok(Bytes::copy_from_slice(chunk))).await;
        }
    });
    let done = stage.containers.archive_put(id, directory, body, ArchivePut::default()).await;
    sending.await.expect("sent");
    done
}

async fn take(stage: &Stage, id: &str, path: &str) -> (PathStat, Vec<u8>) {
    let (stat, mut chunks) = stage.containers.archive_get(id, path).await.expect("get");
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        bytes.extend_from_slice(&chunk.expect("a chunk"));
    }
    (stat, bytes)
}
