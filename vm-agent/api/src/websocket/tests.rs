//! Frames as RFC 6455 writes them.

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (hyper::header::HeaderName::try_from(*name).expect("a name"), value.parse().expect("a value"))
    };
    pairs.iter().map(pair).collect()
}

const GOOD: [(&str, &str); 4] = [
    ("upgrade", "WebSocket"),
    ("connection", "keep-alive, Upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
];

#[test]
fn a_handshake_is_answered() {
    // The key and its answer are the example of RFC 6455, 1.3.
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert_eq!(handshake(&headers(&GOOD)), Ok(format!("{head}\r\n")));
    let with = |protocol| handshake(&headers(&[&GOOD[..], &[("sec-websocket-protocol", protocol)]].concat()));
    assert_eq!(with("foo"), Ok(format!("{head}Sec-WebSocket-Protocol: foo\r\n\r\n")));
    assert_eq!(with("foo, bar"), Err("HTTP/1.1 400 Bad Request\r\n\r\n".to_owned()));
}

#[test]
fn what_is_no_handshake_is_refused() {
    let without = |index: usize| {
        let mut pairs = GOOD.to_vec();
        pairs.remove(index);
        handshake(&headers(&pairs)).expect_err("refused")
    };
    assert!(without(0).ends_with("\r\n\r\nnot websocket protocol"));
    assert!(without(1).ends_with("\r\n\r\nnot websocket protocol"));
    assert!(without(2).ends_with("\r\n\r\nmismatch challenge/response"));
    assert!(without(3).ends_with("Sec-WebSocket-Version: 13\r\n\r\nmissing or bad WebSocket Version"));
}

#[test]
fn lengths_take_as_little_room_as_they_can() {
    let head = |length: usize| data(true, &vec![0; length])[..10.min(length + 2)].to_vec();
    assert_eq!(data(false, b"Hello")[..], *b"\x81\x05Hello");
    assert_eq!(head(125)[..2], [0x82, 125]);
    assert_eq!(head(126)[..4], [0x82, 126, 0, 126]);
    assert_eq!(head(65535)[..4], [0x82, 126, 255, 255]);
    assert_eq!(head(65536)[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(close(Status::Normal)[..], [0x88, 2, 0x03, 0xe8]);
    assert_eq!(pong(b"x")[..], [0x8a, 1, b'x']);
}

/// A client's frame; `final_` and `opcode` in one byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65535 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What is read from `bytes` when they come in pieces of that size, neighbouring data put together.
async fn received(bytes: &[u8], piece: usize) -> Vec<Received> {
    let (mut client, server) = tokio::io::duplex(piece);
    let bytes = bytes.to_vec();
    let sent = tokio::spawn(async move { client.write_all(&bytes).await });
    let mut frames = Frames::new(server);
    let mut all = Vec::new();
    loop {
        let next = frames.next().await.expect("read");
        let last = matches!(next, Received::End | Received::Unmasked);
        match (all.last_mut(), next) {
            (Some(Received::Data(before)), Received::Data(more)) => *before = [&before[..], &more[..]].concat().into(),
            (_, next) => all.push(next),
        }
        if last {
            drop(frames);
            // An error means that the end came before the last byte.
            let _ = sent.await.expect("joined");
            return all;
        }
    }
}

#[tokio::test]
async fn frames_are_read_however_they_come() {
    let data = |text: &'static [u8]| Received::Data(Bytes::from_static(text));
    let ping = || Received::Ping(Bytes::from_static(b"ping"));
    let (long, longer) = (Bytes::from(vec![7; 3000]), Bytes::from(vec![8; 65536]));
    // What is sent, what is read, and what is read when the last byte is missing: a client that goes in the middle of a frame has
    // said what it said.
    let cases: [(Vec<u8>, Vec<Received>, Vec<Received>); 7] = [
        (masked(0x81, b"Hello"), vec![data(b"Hello"), Received::End], vec![data(b"Hell"), Received::End]),
        (
            [masked(0x01, b"frag"), masked(0x89, b"ping"), masked(0x80, b"ment")].concat(),
            vec![data(b"frag"), ping(), data(b"ment"), Received::End],
            vec![data(b"frag"), ping(), data(b"men"), Received::End],
        ),
        (
            [masked(0x8a, b"pong"), masked(0x82, b""), masked(0x88, b"\x03\xe8bye"), masked(0x82, b"late")].concat(),
            vec![Received::End],
            vec![Received::End],
        ),
        (b"\x82\x05Hello".to_vec(), vec![Received::Unmasked], vec![Received::Unmasked]),
        (
            masked(0x82, &long),
            vec![Received::Data(long.clone()), Received::End],
            vec![Received::Data(long.slice(1..)), Received::End],
        ),
        (
            masked(0x82, &longer),
            vec![Received::Data(longer.clone()), Received::End],
            vec![Received::Data(longer.slice(1..)), Received::End],
        ),
        (masked(0x89, &long), vec![Received::Ping(long.slice(..125)), Received::End], vec![Received::End]),
    ];
    for (bytes, expect, cut) in cases {
        for piece in [1, 7, 64 * 1024] {
            assert!(received(&bytes, piece).await == expect, "{piece} of {}", bytes.len());
            assert!(received(&bytes[..bytes.len() - 1], piece).await == cut, "{piece} of {}, cut", bytes.len());
        }
    }
}
