//! One daemon per user, its socket's mode, its settings, and what bad surroundings make it say.

#![cfg(unix)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use host::client::Client;
use host::locks::Patience;
use host::machine::{Handle, Phase, Request};
use host::{Error, context, paths};
use support::{Home, daemon_with, eventually, example, http, settle, write_program};

async fn start(home: &Home) -> Client {
    // The client hands its own environment on, and tests share one: a script sets what is this daemon's.
    let program = home.dir().join("berth");
    let text = format!(
        "#!/bin/sh\nexport BERTH_HOME={} DOCKER_CONFIG={}\nexec {} \"$@\"\n",
        home.dir().display(),
        home.dir().join("docker").display(),
        example("machine").display()
    );
    write_program(&program, &text);
    Client::connect_or_start_as(home.paths.clone(), program).await.unwrap()
}

#[tokio::test]
async fn a_client_starts_the_daemon_which_is_private_and_alone() {
    let home = Home::new("FAKE_KVM=boot");
    assert!(matches!(Client::connect(home.paths.clone()).await, Err(Error::NoDaemon)));
    let client = start(&home).await;
    for socket in [home.paths.engine_socket(), home.paths.control_socket()] {
        assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o777, 0o600, "{}", socket.display());
    }
    assert_eq!(std::fs::metadata(home.paths.runtime_dir()).unwrap().mode() & 0o777, 0o700);

    let second = tokio::process::Command::new(example("machine"))
        .arg("daemon")
        .env("BERTH_HOME", home.dir())
        .stderr(Stdio::piped())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    let pid = client.version().await.unwrap().pid;
    let process = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap());
    assert_eq!(rustix::process::getsid(process).ok(), process, "no terminal's end reaches it");
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains(&format!("another berth daemon (process {pid}) is running already")), "{said}");
    // The first one is none the worse for it.
    assert_eq!(client.version().await.unwrap().pid, pid);
    client.quit().await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_ends_between_two_requests_is_started_again() {
    let home = Home::new("FAKE_KVM=boot");
    let client = start(&home).await;
    let first = client.version().await.unwrap().pid;
    client.quit().await.unwrap();
    eventually("the daemon is gone", async || !home.paths.control_socket().exists()).await;
    assert!(matches!(client.version().await, Err(Error::NoDaemon)), "whoever asks for the daemon itself starts none");
    assert_ne!(client.status().await.unwrap().daemon.pid, first);
    client.quit().await.unwrap();
    eventually("the daemon is gone", async || !home.paths.control_socket().exists()).await;
    assert!(matches!(client.restart().await, Err(Error::NoDaemon)), "what may not happen twice is not repeated");
}

#[tokio::test]
async fn settings_are_changed_over_the_socket_and_the_context_follows() {
    let home = Home::new("FAKE_KVM=boot");
    let client = start(&home).await;
    let file = paths::docker_context_file_in(&home.dir().join("docker"), context::NAME);
    assert!(!file.exists());
    let entry = client.set("docker_context", Some("true")).await.unwrap();
    assert_eq!((entry.value.as_str(), entry.is_set), ("true", true));
    let json = std::fs::read_to_string(&file).unwrap();
    assert!(json.contains(&format!("unix://{}", home.paths.engine_socket().display())), "{json}");
    client.set("docker_context", Some("false")).await.unwrap();
    assert!(!file.exists());

    let error = client.set("cpus", Some("none")).await.unwrap_err().to_string();
    assert!(error.starts_with("bad value `none` for cpus: a number from 1 to "), "{error}");
    let error = client.set("colour", Some("red")).await.unwrap_err().to_string();
    assert!(error.starts_with("there is no setting `colour`"), "{error}");
    let listed = client.settings().await.unwrap();
    assert!(listed.iter().any(|entry| entry.name == "link" && entry.value == "serial"));
    client.quit().await.unwrap();
}

async fn in_force(client: &Client, name: &str) -> Option<String> {
    client.settings().await.unwrap().into_iter().find(|entry| entry.name == name).unwrap().in_force
}

#[tokio::test]
async fn what_waits_for_the_next_start_is_told_with_what_is_in_force_until_then() {
    let home = Home::new("FAKE_KVM=boot");
    home.set(&[("container_http_proxy", "http://u:first@proxy.example:3128")]);
    let mut first = support::daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    assert_eq!(client.set("engine_deadline", Some("11s")).await.unwrap().in_force, None, "there is no machine");
    client.up().await.unwrap().settled().await.unwrap();
    assert_eq!(in_force(&client, "engine_deadline").await, None);

    assert_eq!(client.set("engine_deadline", Some("12s")).await.unwrap().in_force.as_deref(), Some("11s"));
    assert_eq!(in_force(&client, "engine_deadline").await.as_deref(), Some("11s"));
    assert_eq!(client.set("locale", Some("zh-CN")).await.unwrap().in_force, None, "it holds at once");
    let other = client.set("container_http_proxy", Some("http://u:second@proxy.example:3128")).await.unwrap();
    assert_eq!((other.in_force.as_deref(), other.value.as_str()), (Some(MASKED), MASKED), "another password");
    // Not by way of the daemon, and back again.
    home.set(&[("boot_deadline", "9s")]);
    assert_eq!(in_force(&client, "boot_deadline").await.as_deref(), Some("10s"));
    assert_eq!(client.set("boot_deadline", Some("10s")).await.unwrap().in_force, None);

    // The next daemon knows it too.
    first.kill().await.unwrap();
    let _second = support::daemon(&home).await;
    let machine = client.up().await.unwrap().settled().await.unwrap();
    assert_eq!((machine.phase, home.started()), (Phase::Running, vec!["kvm".to_owned()]));
    assert_eq!(in_force(&client, "engine_deadline").await.as_deref(), Some("11s"));
    assert_eq!(in_force(&client, "container_http_proxy").await.as_deref(), Some(MASKED));

    client.restart().await.unwrap().settled().await.unwrap();
    assert_eq!(in_force(&client, "engine_deadline").await, None);
    client.set("engine_deadline", Some("13s")).await.unwrap();
    client.down().await.unwrap().settled().await.unwrap();
    assert_eq!(in_force(&client, "engine_deadline").await, None, "there is nothing that it could wait for");
}

#[tokio::test]
async fn proxies_of_the_settings_hold_at_once() {
    let home = Home::new("FAKE_KVM=boot");
    let _daemon = support::daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.set("http_proxy", Some("http://u:first@proxy.example:3128")).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let proxies = async || client.status().await.unwrap().proxies.unwrap();
    let said = async || proxies().await.to_string();
    assert_eq!(said().await, "http://xxxxx:xxxxx@proxy.example:3128 for port 80 (settings)");
    let changed = client.set("https_proxy", Some("http://u:second@other.example:3128")).await.unwrap();
    assert_eq!(changed.in_force, None, "nothing waits");
    assert_eq!(
        said().await,
        "http://xxxxx:xxxxx@other.example:3128, http://xxxxx:xxxxx@proxy.example:3128 for port 80 (settings)"
    );
    client.set("no_proxy", Some("intern.example")).await.unwrap();
    assert_eq!(proxies().await.no_proxy.as_deref(), Some("intern.example"));
    client.set("proxy", Some("none")).await.unwrap();
    assert_eq!(said().await, "none");
    client.set("proxy", None).await.unwrap();
    assert_eq!(proxies().await.http.as_deref(), Some(MASKED));
    client.down().await.unwrap().settled().await.unwrap();
}

const MASKED: &str = "http://xxxxx:xxxxx@proxy.example:3128";

#[tokio::test]
async fn settings_that_are_changed_without_a_daemon_have_the_same_consequences() {
    let home = Home::new("FAKE_KVM=boot");
    let docker_sock = home.dir().join("docker.sock");
    home.set(&[("docker_context", "true"), ("var_run_docker_sock", "true")]);
    let mut killed = daemon_with(&home, &[docker_sock.to_str().unwrap()]).await;
    killed.kill().await.unwrap();
    let context = paths::docker_context_file_in(&home.dir().join("docker"), context::NAME);
    assert!(context.exists() && docker_sock.is_symlink(), "a killed daemon leaves both");
    std::fs::write(home.paths.accelerator_memory(), "{}").unwrap();

    set_without_daemon(&home, "docker_context", "false").await;
    assert!(!context.exists());
    set_without_daemon(&home, "docker_context", "true").await;
    assert!(context.exists());
    set_without_daemon(&home, "cpus", "1").await;
    assert!(home.paths.accelerator_memory().exists());
    for name in ["accelerator", "accelerator_order"] {
        std::fs::write(home.paths.accelerator_memory(), "{}").unwrap();
        set_without_daemon(&home, name, "tcg").await;
        assert!(!home.paths.accelerator_memory().exists(), "{name}");
    }
    let paths = home.paths.clone().with_well_known_socket(&docker_sock);
    host::daemon::change_setting(&paths, "var_run_docker_sock", Some("false"), Patience::default()).unwrap();
    assert!(!docker_sock.is_symlink(), "nobody answers there");
}

/// In a process of its own, whose docker configuration is not this user's.
async fn set_without_daemon(home: &Home, name: &str, value: &str) {
    let mut command = tokio::process::Command::new(example("machine"));
    command.args(["set", name, value]).env("BERTH_HOME", home.dir());
    let status = command.env("DOCKER_CONFIG", home.dir().join("docker")).status().await.unwrap();
    assert!(status.success(), "{name} = {value}");
}

#[tokio::test]
async fn a_daemon_that_another_start_was_faster_than_is_waited_for_and_replaced_if_it_does_not_come() {
    let home = Home::new("FAKE_KVM=boot");
    // Another start's daemon: it has the lock, and does not listen yet.
    let faster = std::fs::File::options().create(true).append(true).open(home.paths.daemon_lock()).unwrap();
    faster.lock().unwrap();
    let (program, lost) = (home.dir().join("berth"), home.dir().join("lost"));
    let text = format!(
        "#!/bin/sh\nexport BERTH_HOME={} DOCKER_CONFIG={}\n{} \"$@\"\ncode=$?\necho >> {}\nexit $code\n",
        home.dir().display(),
        home.dir().join("docker").display(),
        example("machine").display(),
        lost.display()
    );
    write_program(&program, &text);
    let starting = tokio::spawn(Client::connect_or_start_as(home.paths.clone(), program));
    eventually("ours is the second", async || lost.exists()).await;
    // It ends without a word.
    drop(faster);
    let client = starting.await.unwrap().unwrap();
    client.quit().await.unwrap();
}

#[tokio::test]
async fn two_clients_at_once_lose_no_change() {
    let home = Home::new("FAKE_KVM=boot");
    let client = start(&home).await;
    for round in 1..=10 {
        let (disk, memory) = (format!("{}", 100 + round), format!("{}", 1000 + round));
        let changes = tokio::join!(client.set("disk_gib", Some(&disk)), client.set("memory_mib", Some(&memory)));
        changes.0.unwrap();
        changes.1.unwrap();
        let listed = client.settings().await.unwrap();
        for (name, value) in [("disk_gib", &disk), ("memory_mib", &memory)] {
            assert!(listed.iter().any(|entry| entry.name == name && entry.value == *value), "{name} in round {round}");
        }
    }
    client.quit().await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_cannot_start_is_quoted() {
    let home = Home::new("FAKE_KVM=boot");
    let program = home.dir().join("berth");
    write_program(&program, "#!/bin/sh\necho 'error: the moon is full' >&2\nexit 1\n");
    let error = Client::connect_or_start_as(home.paths.clone(), program).await.unwrap_err().to_string();
    assert_eq!(error, "the daemon ended at once: error: the moon is full");
}

/// What `berth up` says with these surroundings.
async fn failure(home: &Home) -> String {
    let machine = Handle::spawn(home.paths.clone());
    let status = settle(&machine, Request::Up).await;
    assert_eq!(status.phase, Phase::Failed);
    status.failure.unwrap().to_string()
}

#[tokio::test]
async fn bad_surroundings_get_one_clear_line() {
    let home = Home::new("FAKE_KVM=boot");
    home.set(&[("qemu", "/nowhere/qemu-system-x86_64")]);
    let said = failure(&home).await;
    assert!(
        said.starts_with("the machine did not start (check): QEMU was not found (/nowhere/qemu-system-x86_64): "),
        "{said}"
    );

    let old = home.dir().join("old-qemu");
    write_program(&old, "#!/bin/sh\necho 'QEMU emulator version 7.2.18 (Debian)'\n");
    home.set(&[("qemu", old.to_str().unwrap())]);
    let said = failure(&home).await;
    assert!(said.contains("QEMU 7.2.18 is too old, 8 or newer is needed: "), "{said}");

    write_program(&old, "#!/bin/sh\necho hello\n");
    let said = failure(&home).await;
    assert!(said.contains("does not say its version as QEMU does"), "{said}");
    assert!(!said.contains('\n'), "{said}");
}

#[tokio::test]
async fn a_corrupted_image_is_named_and_the_disk_is_not_shrunk() {
    let home = Home::new("FAKE_KVM=boot");
    std::fs::write(home.paths.data_dir().join("image/root.erofs"), "rotten").unwrap();
    let said = failure(&home).await;
    assert!(said.contains("(image): the guest image is corrupted: root.erofs has 6 bytes, not 10; "), "{said}");

    let home = Home::new("FAKE_KVM=boot");
    home.set(&[("disk_gib", "2")]);
    let machine = Handle::spawn(home.paths.clone());
    settle(&machine, Request::Up).await;
    settle(&machine, Request::Down).await;
    home.set(&[("disk_gib", "1")]);
    let said = failure(&home).await;
    assert!(said.contains("(disk): the data disk has 2 GiB and cannot shrink to 1 GiB"), "{said}");
    assert_eq!(std::fs::metadata(home.paths.data_disk()).unwrap().len(), 2 << 30);
    assert_eq!(std::fs::metadata(home.paths.data_disk()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn docker_s_own_path_leads_here_when_it_is_wanted_and_never_away_from_somebody_else() {
    let home = Home::new("FAKE_KVM=boot");
    let path = home.dir().join("docker.sock");
    let words = [path.to_str().unwrap()];
    home.set(&[("var_run_docker_sock", "true")]);
    let mut first = daemon_with(&home, &words).await;
    assert!(http(&path, "GET /_ping").await.starts_with("HTTP/1.1 503 "), "the daemon answers there");
    first.kill().await.unwrap();
    assert!(path.is_symlink(), "a killed daemon leaves it");
    let mut second = daemon_with(&home, &words).await;
    assert!(http(&path, "GET /_ping").await.starts_with("HTTP/1.1 503 "));

    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.set("var_run_docker_sock", Some("false")).await.unwrap();
    assert!(!path.is_symlink());

    let theirs = tokio::net::UnixListener::bind(&path).unwrap();
    let error = client.set("var_run_docker_sock", Some("true")).await.unwrap_err().to_string();
    assert!(error.contains("docker.sock is in use by another program"), "{error}");
    let notes = client.status().await.unwrap().machine.notes;
    assert!(notes.iter().any(|note| note.contains("docker.sock is in use by another program")), "{notes:?}");
    tokio::net::UnixStream::connect(&path).await.expect("it is still theirs");
    // Theirs, but nobody is there any more.
    drop(theirs);
    client.set("var_run_docker_sock", Some("true")).await.unwrap();
    assert_eq!(std::fs::read_link(&path).unwrap(), home.paths.engine_socket());
    assert_eq!(client.status().await.unwrap().machine.notes, [""; 0]);
    client.quit().await.unwrap();
    second.wait().await.unwrap();
    assert!(!path.is_symlink(), "it goes with the daemon");
}

#[tokio::test]
async fn choosing_the_accelerator_anew_has_all_tried_anew() {
    let home = Home::new("FAKE_KVM=die");
    let client = start(&home).await;
    client.up().await.unwrap().settled().await.unwrap();
    client.restart().await.unwrap().settled().await.unwrap();
    assert_eq!(home.started(), ["kvm", "tcg", "tcg"]);
    client.set("accelerator", Some("auto")).await.unwrap();
    client.restart().await.unwrap().settled().await.unwrap();
    assert_eq!(home.started()[3..], ["kvm", "tcg"]);
    client.down().await.unwrap().settled().await.unwrap();
    client.quit().await.unwrap();
}
