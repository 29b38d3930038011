//! Containers with a terminal.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
};

use serde_json::json;

use crate::{
    exec,
    stage::{Stage, script, spec},
};

fn read_to_hangup(master: OwnedFd) -> String {
    let mut master = File::from(master);
    let mut all = Vec::new();
    let mut chunk = [0; 1024];
    // A master whose last slave is closed answers EIO.
    while let Ok(n) = master.read(&mut chunk) {
        if n == 0 {
            break;
        }
        all.extend_from_slice(&chunk[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

pub(crate) async fn is_the_controlling_terminal(stage: &mut Stage) {
    let mut s = script(
        "tty; stty size; echo via > /dev/tty; stat -c '%u %a' /dev/pts/0; ls -1 /dev/pts; [ /dev/console -ef /dev/pts/0 ] && echo console; read line; echo got $line",
    );
    s["process"]["terminal"] = true.into();
    s["process"]["consoleSize"] = json!({ "height": 33, "width": 99 });
    s["process"]["user"]["uid"] = 1000.into();
    let mut container = stage.start(&s).await.unwrap_or_else(|f| panic!("{}", f.message));
    let master = container.terminal.take().expect("the master came over the status socket");
    File::from(master.try_clone().expect("dup")).write_all(b"typed\n").expect("written");
    stage.supervisor.hold(&container.id, "pty", std::os::fd::AsFd::as_fd(&master)).await.expect("held");
    let output = read_to_hangup(master);
    assert_eq!(stage.exit(&container.id).await.code, 0);
    // What was typed is echoed at some point before.
    let output = output.replace("typed\r\n", "");
    assert_eq!(output, "/dev/pts/0\r\n33 99\r\nvia\r\n1000 620\r\n0\r\nptmx\r\nconsole\r\ngot ", "got typed");
}

pub(crate) async fn of_an_exec(stage: &mut Stage) {
    let container = stage.start(&spec(&["cat"])).await.expect("starts");
    let mut s = script("tty; stty size; echo $(cat /proc/self/comm) > /dev/tty");
    s["process"]["terminal"] = true.into();
    s["process"]["consoleSize"] = json!({ "height": 10, "width": 20 });
    let (id, _, terminal) = exec::start(stage, &container, &s).await.unwrap_or_else(|f| panic!("{}", f.message));
    let output = read_to_hangup(terminal.expect("a master"));
    assert_eq!(output, "/dev/pts/0\r\n10 20\r\ncat\r\n");
    assert_eq!(stage.exit(&id).await.code, 0);
    assert_eq!(stage.finish(container).await.0, 0);
}
