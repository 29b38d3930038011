//! A file of a shared folder that the guest has open, by as few of FUSE's messages as that takes.

use std::path::Path;

use control::mux::{MuxStream, Session};
use control::{Port, ShareReply, ShareRequest, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Opcodes (`enum fuse_opcode`), and the number of a mount's root.
const LOOKUP: u32 = 1;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const ROOT: u64 = 1;

pub(crate) struct OpenFile {
    stream: MuxStream,
    last: u64,
    node: u64,
    handle: u64,
}

impl OpenFile {
    /// `path` is the host's, of a file in a folder that is shared.
    pub(crate) async fn open(session: &Session, path: &str) -> OpenFile {
        let path = Path::new(path);
        let mut stream = session.open(Port::Share).unwrap();
        let folder = path.parent().unwrap().display().to_string();
        let mount = "1".to_owned();
        let request =
            ShareRequest { mount, path: folder, read_only: false, create: false, only_look: false, changes: false };
        wire::send(&mut stream, &request).await.unwrap();
        let reply = wire::expect(&mut stream, "answer about a share").await.unwrap();
        assert!(matches!(reply, ShareReply::Opened(_)), "{reply:?}");
        let mut file = OpenFile { stream, last: 0, node: ROOT, handle: 0 };
        let name = format!("{}\0", path.file_name().unwrap().display());
        file.node = number(&file.ask(LOOKUP, name.as_bytes()).await.unwrap());
        file.handle = number(&file.ask(OPEN, &[0; 8]).await.unwrap());
        file
    }

    /// What is in it, or the number of the error.
    pub(crate) async fn read(&mut self) -> String {
        let mut body = [0; 40];
        body[..8].copy_from_slice(&self.handle.to_le_bytes());
        body[16..20].copy_from_slice(&4096_u32.to_le_bytes());
        match self.ask(READ, &body).await {
            Ok(content) => String::from_utf8(content).unwrap(),
            Err(error) => format!("error {error}"),
        }
    }

    pub(crate) async fn close(mut self) {
        let mut body = [0; 24];
        body[..8].copy_from_slice(&self.handle.to_le_bytes());
        self.ask(RELEASE, &body).await.unwrap();
        self.stream.shutdown().await.unwrap();
    }

    /// The answer behind its head, or its error.
    async fn ask(&mut self, opcode: u32, body: &[u8]) -> Result<Vec<u8>, i32> {
        self.last += 2;
        let mut message = u32::try_from(40 + body.len()).unwrap().to_le_bytes().to_vec();
        message.extend(opcode.to_le_bytes());
        message.extend(self.last.to_le_bytes());
        message.extend(self.node.to_le_bytes());
        message.extend([0; 16]);
        message.extend(body);
        self.stream.write_all(&message).await.unwrap();
        self.stream.flush().await.unwrap();
        let mut head = [0; 16];
        self.stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_le_bytes(*head.first_chunk().unwrap());
        let mut answer = vec![0; length as usize - head.len()];
        self.stream.read_exact(&mut answer).await.unwrap();
        match i32::from_le_bytes(*head[4..].first_chunk().unwrap()) {
            0 => Ok(answer),
            error => Err(error),
        }
    }
}

fn number(answer: &[u8]) -> u64 {
    u64::from_le_bytes(*answer.first_chunk().unwrap())
}
