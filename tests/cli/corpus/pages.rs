//! What ADD downloads: a server on this computer for as long as it is there.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A page: its path, what it has, and what it tells of itself.
const PAGES: [(&str, &[u8], &str); 3] = [
    ("/tool/v1/tool", b"#!/bin/sh\necho tool\n", ""),
    ("/notes.txt", b"notes\n", ""),
    ("/dated.txt", b"dated\n", "Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n"),
];

#[derive(Debug)]
pub(super) struct Pages {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pages {
    pub(super) fn serve() -> std::io::Result<Pages> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    break;
                }
                // Who goes away in the middle has failed already.
                let _ = stream.and_then(answer);
            }
        });
        Ok(Pages { address, ends, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        // Wakes the thread, which looks whether it is to end.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let head = tests::http::head(&mut stream).map_err(std::io::Error::other)?;
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, page, told) = match PAGES.iter().find(|(name, ..)| *name == path) {
        Some((_, page, told)) => ("200 OK", *page, *told),
        None => ("404 Not Found", &b"gone\n"[..], ""),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{told}Connection: close\r\n\r\n", page.len())?;
    if method != "HEAD" {
        stream.write_all(page)?;
    }
    Ok(())
}
