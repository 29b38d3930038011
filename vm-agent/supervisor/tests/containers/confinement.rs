//! What a container may not do.

use std::fs::File;
use std::os::fd::AsFd;

use runtime::{Extras, cgroup::Hierarchy, device_filter};

use crate::stage::{Stage, read_until, script, spec};

pub(crate) async fn capabilities(stage: &mut Stage) {
    let default = 0x0000_0000_a804_25fb_u64;
    let ours = |field: &str| {
        let text = std::fs::read_to_string("/proc/self/status").expect("status");
        let line = text.lines().find(|l| l.starts_with(field)).expect("field").to_owned();
        u64::from_str_radix(line.split_whitespace().nth(1).expect("value"), 16).expect("hex")
    };
    let expect = default & ours("CapBnd");
    let (_, output) = stage.run(&script("grep Cap /proc/self/status")).await;
    assert_eq!(
        output,
        format!(
            "CapInh:\t0000000000000000\nCapPrm:\t{expect:016x}\nCapEff:\t{expect:016x}\nCapBnd:\t{expect:016x}\nCapAmb:\t0000000000000000\n"
        )
    );
    let mut s = script("grep Cap /proc/self/status; grep NoNew /proc/self/status");
    s["process"]["user"]["uid"] = 1000.into();
    s["process"]["noNewPrivileges"] = true.into();
    let (_, output) = stage.run(&s).await;
    assert!(output.contains("CapEff:\t0000000000000000\n"), "{output}");
    assert!(output.contains(&format!("CapBnd:\t{expect:016x}\n")), "{output}");
    assert!(output.contains("NoNewPrivs:\t1"), "{output}");
}

pub(crate) async fn seccomp(stage: &mut Stage) {
    let (_, output) = stage
        .run(&script(
            "grep Seccomp: /proc/self/status; mount -t tmpfs x /tmp; unshare -n true; echo $?; chroot / true; echo $?",
        ))
        .await;
    assert!(output.starts_with("Seccomp:\t2\n"), "{output}");
    assert!(output.contains("Operation not permitted") || output.contains("permission denied"), "{output}");
    assert!(output.ends_with("1\n0\n"), "{output}");
    let mut s = script("grep Seccomp: /proc/self/status");
    s["linux"]["seccomp"] = serde_json::Value::Null;
    assert_eq!(stage.run(&s).await.1, "Seccomp:\t0\n");
    let mut s = spec(&["mkdir", "/tmp/x"]);
    s["linux"]["seccomp"] = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 }],
    });
    let (code, output) = stage.run(&s).await;
    assert_eq!(code, 1);
    assert!(output.contains("No space left"), "{output}");
}

pub(crate) async fn masked_and_readonly_paths(stage: &mut Stage) {
    let (_, output) = stage
        .run(&script(
            "cat /proc/keys | wc -c; cat /proc/timer_list | wc -c; ls /sys/firmware | wc -l
             echo x > /proc/sys/kernel/hostname; mkdir /sys/firmware/x; touch /sys/x",
        ))
        .await;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..3], ["0", "0", "0"], "{output}");
    assert_eq!(lines[3..].iter().filter(|l| l.contains("Read-only file system")).count(), 3, "{output}");
}

pub(crate) async fn no_descriptor_leaks(stage: &mut Stage) {
    // ls has the directory itself open.
    let (_, output) = stage.run(&spec(&["ls", "/proc/self/fd"])).await;
    assert_eq!(output, "0\n1\n2\n3\n");
    let extras = Extras { init: true, ..Extras::default() };
    let container = stage
        .start_with(&script("ls /proc/self/fd; ls /proc/1/fd; cat /proc/1/comm"), extras, Vec::new())
        .await
        .expect("starts");
    let (_, output) = stage.finish(container).await;
    assert!(output.starts_with("0\n1\n2\n3\n0\n1\n2\n"), "{output}");
    assert!(output.contains("init\n"), "{output}");
    let (_, mounts) = stage.run(&spec(&["cat", "/proc/self/mountinfo"])).await;
    assert!(
        mounts.lines().all(|l| !l.contains(&stage.directory.display().to_string()) || l.contains("overlay")),
        "{mounts}"
    );
    assert!(mounts.lines().count() < 25, "no mount of the host: {mounts}");
}

pub(crate) async fn devices_and_links(stage: &mut Stage) {
    let mut s = script(
        "for d in null zero full random urandom tty; do [ -c /dev/$d ] && echo $d; done
         for l in fd ptmx stderr; do readlink /dev/$l; done; stat -c '%a %u %t:%T' /dev/null /dev/fuse; echo hi > /dev/null && echo written",
    );
    s["linux"]["devices"] =
        serde_json::json!([{ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 384, "uid": 9 }]);
    let (_, output) = stage.run(&s).await;
    assert_eq!(
        output,
        "null\nzero\nfull\nrandom\nurandom\ntty\n/proc/self/fd\npts/ptmx\n/proc/self/fd/2\n666 0 1:3\n600 9 a:e5\nwritten\n"
    );
}

pub(crate) async fn cgroup_and_device_filter(stage: &mut Stage) {
    let parent = format!("berth-test-{}", std::process::id());
    let hierarchy = Hierarchy::prepare(&parent).expect("a cgroup2 tree");
    let cgroup = hierarchy.create("", "one").expect("a cgroup");
    let filter = device_filter::compile(&device_filter::default_rules()).expect("compiles");
    device_filter::attach(cgroup.open().expect("its directory").as_fd(), &filter).expect("the kernel takes the filter");
    let dup = File::from(cgroup.open().expect("its directory"));
    let s = script(
        "cat /proc/self/cgroup | grep ^0::; mknod /tmp/disk b 7 0 && echo made; cat /tmp/disk; mknod /tmp/null c 1 3 && cat /tmp/null && echo read
         mknod /tmp/mem c 1 1; cat /tmp/mem; echo END; read x",
    );
    let mut container =
        stage.start_with(&s, Extras::default(), vec![("cgroup".to_owned(), dup.into())]).await.expect("starts");
    // Its own cgroup namespace hides where it is.
    let output = read_until(&mut container.stdout, "END\n");
    // What the shell ran is over by now.
    assert_eq!(cgroup.processes().expect("pids"), [container.spawned.pid]);
    assert!(output.contains("0::/\n"), "{output}");
    assert!(output.contains("made\n") && output.contains("read\n"), "{output}");
    assert_eq!(output.matches("Operation not permitted").count(), 2, "{output}");
    cgroup.freeze(true).expect("frozen");
    assert!(cgroup.wait_event("frozen", true, std::time::Duration::from_secs(120)).expect("event"));
    cgroup.freeze(false).expect("thawed");
    cgroup.kill().expect("killed");
    assert_eq!(stage.exit(&container.id).await.code, 137);
    cgroup.remove().expect("removed");
    Hierarchy::dissolve(&parent).expect("removed");
    assert!(!hierarchy.root().join(parent).exists());
}
