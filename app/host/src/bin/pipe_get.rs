//! `pipe_get NAME PATH`: asks whoever serves the named pipe `NAME` of Windows for `PATH`, as a client of docker's does and with nothing
//! of this tree, and prints the whole answer. For tests.

use std::fs::File;
use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, path] = words.as_slice() else { panic!("usage: pipe_get NAME PATH") };
    let mut pipe = File::options().read(true).write(true).open(name)?;
    pipe.write_all(format!("GET {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    // An empty message is the end.
    pipe.read_to_string(&mut answer)?;
    println!("{answer}");
    Ok(())
}
