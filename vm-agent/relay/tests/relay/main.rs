//! The whole relay over in-process lanes: what a host and an engine see of it. Each test has a network namespace of its own
//! (root is needed for that).

mod dns;
mod fixture;
mod outside;

use std::time::Duration;

use control::message::{EngineState, Opened};
use control::mux::MuxStream;
use control::shell::{Frame, Size, Start};
use control::{
    DialError, DialReply, DialRequest, Forward, ForwardFailure, GuestMessage, Hello, HelloReply, HostMessage, Port,
    Protocol, Refusal, Target, Versions, datagram, shell, wire,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};

use fixture::{Guest, Host, in_namespace};

fn forward(id: &str, host_port: u16, proto: Protocol, target_port: u16) -> Forward {
    let local = "127.0.0.1".parse().unwrap();
    Forward { id: id.to_owned(), proto, host_ip: local, host_port, target_ip: local, target_port }
}

async fn read_all(stream: &mut MuxStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[test]
fn engine_streams_are_held_until_the_engine_listens_and_keep_half_close() {
    in_namespace(async {
        let guest = Guest::start();
        let host = Host::connect(&guest).await;
        let mut stream = host.session.open(Port::Engine).unwrap();
        stream.write_all(b"request").await.unwrap();
        stream.shutdown().await.unwrap();
        let engine = UnixListener::bind(guest.run_dir().join("engine.sock")).unwrap();
        let (mut connection, _) = engine.accept().await.unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "request");
        connection.write_all(b"answer after the end of the request").await.unwrap();
        drop(connection);
        assert_eq!(read_all(&mut stream).await, "answer after the end of the request");
    });
}

#[test]
fn an_answer_outlives_a_question_that_is_not_read() {
    in_namespace(async {
        let guest = Guest::start();
        let host = Host::connect(&guest).await;
        let engine = UnixListener::bind(guest.run_dir().join("engine.sock")).unwrap();
        for _ in 0..20 {
            let mut stream = host.session.open(Port::Engine).unwrap();
            let refuse = async {
                let (mut connection, _) = engine.accept().await.unwrap();
                connection.read_exact(&mut [0; 4]).await.unwrap();
                connection.write_all(b"400").await.unwrap();
            };
            let (mut reader, mut writer) = tokio::io::split(&mut stream);
            let ask = async { while writer.write_all(&[7; 16 << 10]).await.is_ok() {} };
            let mut answer = [0; 3];
            let listen = async {
                reader.read_exact(&mut answer).await.unwrap();
            };
            tokio::select! {
                ((), ()) = async { tokio::join!(refuse, listen) } => {}
                () = ask => panic!("the answer did not come first"),
            }
            assert_eq!(&answer, b"400");
        }
    });
}

#[test]
fn nothing_is_served_before_hello_and_old_hosts_are_told_why() {
    in_namespace(async {
        let guest = Guest::start();
        let session = guest.session().await;
        let mut early = session.open(Port::Engine).unwrap();
        let error = early.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        let mut control = session.open(Port::Control).unwrap();
        let versions = Versions { protocol: 0, oldest: 0, berth: "0.0.1".to_owned() };
        wire::send(&mut control, &Hello { versions, epoch: session.epoch(), host_time_ns: 0 }).await.unwrap();
        match wire::expect(&mut control, "reply").await.unwrap() {
            HelloReply::Refused { refusal, .. } => {
                assert!(matches!(refusal, Refusal::HostTooOld { .. }));
                assert!(refusal.to_string().contains("too old"), "{refusal}");
            }
            HelloReply::Welcome(_) => panic!("an old host was let in"),
        }
    });
}

#[test]
fn forwards_reach_tcp_udp_and_unix_and_refusals_come_back() {
    in_namespace(async {
        let guest = Guest::start();
        let host = Host::connect(&guest).await;
        let open = |target: Target| {
            let mut stream = host.session.open(Port::Forward).unwrap();
            async move {
                wire::send(&mut stream, &target).await.unwrap();
                stream
            }
        };
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let mut stream = open(Target::Tcp { address }).await;
        stream.write_all(b"ping").await.unwrap();
        stream.shutdown().await.unwrap();
        let (mut inner, _) = tcp.accept().await.unwrap();
        let mut text = String::new();
        inner.read_to_string(&mut text).await.unwrap();
        inner.write_all(b"pong").await.unwrap();
        drop(inner);
        assert_eq!((text.as_str(), read_all(&mut stream).await.as_str()), ("ping", "pong"));

        drop(tcp);
        let mut stream = open(Target::Tcp { address }).await;
        let error = stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut stream = open(Target::Udp { address: udp.local_addr().unwrap() }).await;
        let mut buffer = vec![0; 70_000];
        for size in [0, 1, 9000] {
            datagram::send(&mut stream, &vec![7; size]).await.unwrap();
            let (n, peer) = udp.recv_from(&mut buffer).await.unwrap();
            assert_eq!(n, size);
            udp.send_to(&buffer[..n], peer).await.unwrap();
            let mut back = Vec::new();
            assert!(datagram::receive(&mut stream, &mut back).await.unwrap());
            assert_eq!(back.len(), size);
        }

        let path = guest.run_dir().join("some.sock");
        let unix = UnixListener::bind(&path).unwrap();
        let mut stream = open(Target::Unix { path }).await;
        stream.shutdown().await.unwrap();
        unix.accept().await.unwrap().0.write_all(b"unix").await.unwrap();
        assert_eq!(read_all(&mut stream).await, "unix");
    });
}

#[test]
fn published_ports_are_asked_of_the_host_and_listed_at_the_next_hello() {
    in_namespace(async {
        let guest = Guest::start();
        let client = guest.client().await;
        assert_eq!(client.boot_info().await.unwrap(), guest.boot);
        let host = Host::connect(&guest).await;
        assert_eq!(host.welcome.forwards, []);
        let asked = forward("web", 0, Protocol::Tcp, 80);
        let answers = host.answer(2, |message| match message {
            GuestMessage::OpenForward { id, forward } if forward.id == "web" => {
                HostMessage::ForwardOpened { id, answer: Ok(Opened { host_port: 49153 }) }
            }
            GuestMessage::OpenForward { id, .. } => {
                HostMessage::ForwardOpened { id, answer: Err(ForwardFailure::InUse) }
            }
            other => panic!("{other:?}"),
        });
        let taken = forward("taken", 8080, Protocol::Tcp, 80);
        let (host, opened, failed) = tokio::join!(answers, client.open_forward(&asked), client.open_forward(&taken));
        assert_eq!(opened.unwrap(), 49153);
        assert_eq!(failed.unwrap_err().to_string(), "address already in use");
        let open = Forward { host_port: 49153, ..asked };
        assert_eq!(client.list_forwards().await.unwrap(), std::slice::from_ref(&open));
        drop(host);

        let host = Host::connect(&guest).await;
        assert_eq!(host.welcome.forwards, [open]);
        let answers = host.answer(1, |message| match message {
            GuestMessage::CloseForward { id, forward_id } => {
                assert_eq!(forward_id, "web");
                HostMessage::ForwardClosed { id }
            }
            other => panic!("{other:?}"),
        });
        let (_, closed) = tokio::join!(answers, client.close_forward("web"));
        closed.unwrap();
        assert_eq!(client.list_forwards().await.unwrap(), []);
    });
}

#[test]
fn the_engine_is_announced_and_its_death_too() {
    in_namespace(async {
        let guest = Guest::start();
        let mut host = Host::connect(&guest).await;
        assert_eq!(host.welcome.status.engine, EngineState::Starting);
        let client = guest.client().await;
        client.engine_ready(Vec::new()).await.unwrap();
        assert_eq!(host.receive().await, GuestMessage::EngineReady);
        drop(client);
        assert_eq!(host.receive().await, GuestMessage::EngineGone);
    });
}

#[test]
fn a_shutdown_is_passed_on_and_answered_when_containers_are_stopped() {
    in_namespace(async {
        let guest = Guest::start();
        let client = guest.client().await;
        let mut host = Host::connect(&guest).await;
        host.send(&HostMessage::Shutdown { id: 9, grace_ms: 1000 }).await;
        assert_eq!(host.receive().await, GuestMessage::Stopping { id: 9 });
        guest.power_off_asked().await;
        client.stopped().await.unwrap();
        assert_eq!(host.receive().await, GuestMessage::Stopped { id: 9 });
    });
}

/// Sends a SOCKS5 request for `host:port` with `login` bytes already said, and reads the reply code.
async fn socks(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), host: &str, port: u16) -> u8 {
    let mut request = vec![5, 1, 0, 3, u8::try_from(host.len()).unwrap()];
    request.extend(host.as_bytes());
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await.unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).await.unwrap();
    reply[1]
}

#[test]
fn dialling_out_goes_to_the_host_with_honest_replies() {
    in_namespace(async {
        let guest = Guest::start();
        let host = Host::connect(&guest).await;
        let session = host.session.clone();
        tokio::spawn(async move {
            while let Some(mut incoming) = session.accept().await {
                assert_eq!(incoming.port, Port::Dial);
                let request: DialRequest = wire::expect(&mut incoming.stream, "request").await.unwrap();
                let reply = match request.host.as_str() {
                    "localhost" => DialReply::Connected { local: None },
                    "closed" => DialReply::Failed { error: DialError::Refused, text: String::new() },
                    _ => DialReply::Failed { error: DialError::HostNotFound, text: String::new() },
                };
                wire::send(&mut incoming.stream, &reply).await.unwrap();
                if reply == (DialReply::Connected { local: None }) {
                    assert_eq!(request.port, 5000);
                    let text = read_all(&mut incoming.stream).await;
                    incoming.stream.write_all(text.to_uppercase().as_bytes()).await.unwrap();
                }
                incoming.stream.shutdown().await.unwrap();
            }
        });
        let mut proxy = guest.socks().await;
        let secret = guest.boot.secret.to_hex();
        let mut login = vec![5, 1, 2, 1, 5];
        login.extend(b"berth");
        login.push(64);
        login.extend(secret.as_bytes());
        proxy.write_all(&login).await.unwrap();
        let mut answer = [0; 4];
        proxy.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [5, 2, 1, 0]);
        assert_eq!(socks(&mut proxy, "localhost", 5000).await, 0);
        proxy.write_all(b"registry").await.unwrap();
        proxy.shutdown().await.unwrap();
        let mut text = String::new();
        proxy.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "REGISTRY");

        for (name, code) in [("closed", 5), ("nowhere.invalid", 4)] {
            let mut proxy = UnixStream::connect(guest.run_dir().join("dial.sock")).await.unwrap();
            proxy.write_all(&[5, 1, 0]).await.unwrap();
            proxy.read_exact(&mut answer[..2]).await.unwrap();
            assert_eq!(socks(&mut proxy, name, 1).await, code, "{name}");
        }
    });
}

#[test]
fn a_shell_has_a_terminal_of_the_right_size_and_its_exit_code_arrives() {
    in_namespace(async {
        let guest = Guest::start();
        let host = Host::connect(&guest).await;
        let run = |argv: &[&str]| {
            let start = Start {
                argv: argv.iter().map(ToString::to_string).collect(),
                term: "dumb".to_owned(),
                size: Size { columns: 91, rows: 33 },
            };
            let mut stream = host.session.open(Port::Shell).unwrap();
            async move {
                shell::send(&mut stream, &Frame::Start(start)).await.unwrap();
                stream
            }
        };
        let mut stream = run(&["/bin/sh", "-c", "stty size; read line; echo got $line; exit 7"]).await;
        let mut output = String::new();
        let mut said = false;
        let code = loop {
            match shell::receive(&mut stream).await.unwrap().expect("a last frame") {
                Frame::Data(bytes) => output.push_str(&String::from_utf8_lossy(&bytes)),
                Frame::Exited(code) => break code,
                other => panic!("{other:?}"),
            }
            if output.contains("33 91") && !said {
                said = true;
                shell::send(&mut stream, &Frame::Data(b"it\n".to_vec())).await.unwrap();
            }
        };
        assert_eq!(code, 7);
        assert!(output.contains("got it"), "{output}");

        // Input that nobody wants any more keeps no exit code from arriving.
        for _ in 0..10 {
            let mut stream = run(&["/bin/sh", "-c", "echo last; exit 5"]).await;
            let (mut reader, mut writer) = tokio::io::split(&mut stream);
            let feed = async {
                while shell::send(&mut writer, &Frame::Data(vec![b'\n'; 4096])).await.is_ok() {}
                std::future::pending().await
            };
            let listen = async {
                let mut output = Vec::new();
                loop {
                    match shell::receive(&mut reader).await.unwrap().expect("a last frame") {
                        Frame::Data(bytes) => output.extend(bytes),
                        Frame::Exited(code) => break (code, String::from_utf8_lossy(&output).contains("last")),
                        other => panic!("{other:?}"),
                    }
                }
            };
            let ended = tokio::select! {
                ended = listen => ended,
                never = feed => never,
            };
            assert_eq!(ended, (5, true));
        }

        let mut stream = run(&["/no/such/program"]).await;
        let frame = shell::receive(&mut stream).await.unwrap();
        assert!(matches!(&frame, Some(Frame::Failed(text)) if text.starts_with("/no/such/program: ")), "{frame:?}");

        // What is left running with streams of its own does not keep the session.
        let left = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!; exit 3";
        let mut stream = run(&["/bin/sh", "-c", left]).await;
        let mut sleeper = String::new();
        let code = loop {
            match shell::receive(&mut stream).await.unwrap().expect("a last frame") {
                Frame::Data(bytes) => sleeper.push_str(&String::from_utf8_lossy(&bytes)),
                Frame::Exited(code) => break code,
                other => panic!("{other:?}"),
            }
        };
        let sleeper = nix::unistd::Pid::from_raw(sleeper.trim().parse().unwrap());
        nix::sys::signal::kill(sleeper, nix::sys::signal::Signal::SIGKILL).expect("it runs on");
        assert_eq!(code, 3);

        // A host that goes away takes its program with it.
        let mut stream = run(&["/bin/sh", "-c", "echo $$; exec sleep 1000"]).await;
        let Some(Frame::Data(bytes)) = shell::receive(&mut stream).await.unwrap() else { panic!("no process id") };
        let process = format!("/proc/{}", String::from_utf8(bytes).unwrap().trim());
        drop(stream);
        while std::path::Path::new(&process).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn native_mode_listens_itself() {
    in_namespace(async {
        let guest = Guest::start_native();
        let client = guest.client().await;
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = server.local_addr().unwrap().port();
        let port = client.open_forward(&forward("t", 0, Protocol::Tcp, target)).await.unwrap();
        let mut outside = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        outside.write_all(b"hello").await.unwrap();
        outside.shutdown().await.unwrap();
        let (mut inside, _) = server.accept().await.unwrap();
        let mut text = String::new();
        inside.read_to_string(&mut text).await.unwrap();
        inside.write_all(b"bye").await.unwrap();
        drop(inside);
        let mut answer = String::new();
        outside.read_to_string(&mut answer).await.unwrap();
        assert_eq!((text.as_str(), answer.as_str()), ("hello", "bye"));

        let taken = client.open_forward(&forward("u", port, Protocol::Tcp, target)).await.unwrap_err();
        assert_eq!(taken.to_string(), "address already in use");
        let nowhere = Forward { host_ip: "192.0.2.1".parse().unwrap(), ..forward("v", 1, Protocol::Tcp, 1) };
        let nowhere = client.open_forward(&nowhere).await.unwrap_err();
        assert_eq!(nowhere.to_string(), "cannot assign requested address");
        client.close_forward("t").await.unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());

        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let target = server.local_addr().unwrap().port();
        let port = client.open_forward(&forward("t", 0, Protocol::Udp, target)).await.unwrap();
        let mut buffer = [0; 64];
        for _ in 0..2 {
            // Two peers at once, each gets its own answers.
            let (one, two) =
                (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
            for (socket, text) in [(&one, b"one"), (&two, b"two")] {
                socket.send_to(text, ("127.0.0.1", port)).await.unwrap();
                let (n, peer) = server.recv_from(&mut buffer).await.unwrap();
                server.send_to(&buffer[..n], peer).await.unwrap();
                let (n, _) = socket.recv_from(&mut buffer).await.unwrap();
                assert_eq!(&buffer[..n], text);
            }
        }
    });
}

#[test]
fn a_restarted_relay_is_asked_for_everything_again() {
    in_namespace(async {
        let mut guest = Guest::start_native();
        let client = guest.client().await;
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = server.local_addr().unwrap().port();
        let port = client.open_forward(&forward("t", 0, Protocol::Tcp, target)).await.unwrap();
        guest.restart().await;
        // Answers again as soon as the port was asked for anew.
        loop {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let forwards = client.list_forwards().await.unwrap();
        assert_eq!(forwards.iter().map(|forward| forward.host_port).collect::<Vec<_>>(), [port]);
    });
}
