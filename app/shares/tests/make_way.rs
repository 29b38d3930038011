//! The end of answering: behind what is under way, and not while something is open. In a process of its own, whose end it is.
#![cfg(target_os = "linux")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use shares::{Access, Changes, Share};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
/// Of an answer's head: its length, an error, and whose it is.
const HEAD: usize = 16;

/// A request for the root (`fuse_in_header`).
async fn ask(stream: &mut DuplexStream, opcode: u32, rest: &[u8]) {
    let length = u32::try_from(40 + rest.len()).unwrap();
    let mut message = [length.to_le_bytes(), opcode.to_le_bytes()].concat();
    message.extend([1_u64, 1].iter().flat_map(|number| number.to_le_bytes()));
    message.resize(40, 0);
    message.extend(rest);
    stream.write_all(&message).await.unwrap();
}

#[tokio::test]
async fn a_request_is_under_way_until_its_answer_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let share = Arc::new(Share::open(&dir.path().canonicalize().unwrap(), Access::ReadOnly).unwrap());
    // So little is on the way that no answer is as a whole.
    let (mut guest, stream) = tokio::io::duplex(HEAD - 1);
    let served = tokio::spawn(shares::serve(share, stream, Changes::Kept));
    ask(&mut guest, OPENDIR, &[0; 8]).await;
    let mut answer = [0; HEAD + 16];
    guest.read_exact(&mut answer[..1]).await.unwrap();
    {
        let mut way = pin!(shares::make_way());
        assert!(way.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "half of it is sent");
        guest.read_exact(&mut answer[1..]).await.unwrap();
        assert_eq!(way.await, Err(1));
    }
    assert_eq!(answer[4..8], [0; 4], "it was opened");

    // Its number, and flags.
    ask(&mut guest, RELEASEDIR, &[&answer[HEAD..HEAD + 8], &[0; 16]].concat()).await;
    guest.read_exact(&mut answer[..HEAD]).await.unwrap();
    assert_eq!(answer[4..8], [0; 4], "it was closed");
    assert_eq!(shares::make_way().await, Ok(()));
    drop(guest);
    served.await.unwrap().unwrap();
}
