//! What the plan of a spec is.

use std::path::Path;

use serde_json::{Value, json};

use super::{setup::sysctl_path, *};

fn spec() -> Value {
    json!({
        "ociVersion": "1.2.0",
        "root": { "path": "", "readonly": true },
        "hostname": "h",
        "process": {
            "args": ["sh"], "cwd": "/opt/../srv/./x", "user": { "uid": 5, "gid": 6, "additionalGids": [7] },
            "terminal": true, "consoleSize": { "width": 80, "height": 24 },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 1, "hard": 2 }],
        },
        "mounts": [
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" },
            { "destination": "/data", "type": "bind", "source": "/host", "options": ["rbind", "ro"] },
            { "destination": "/vol", "type": "bind", "source": "x", "options": ["bind"] },
            { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup" },
        ],
        "linux": {
            "namespaces": [
                { "type": "mount" }, { "type": "pid" }, { "type": "ipc", "path": "/proc/9/ns/ipc" }, { "type": "uts" },
                { "type": "cgroup" }, { "type": "network" },
            ],
            "devices": [{ "path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 384 }],
            "sysctl": { "net.ipv4.ip_forward": "1" },
        },
    })
}

/// With the descriptor of a network namespace, as every container but one of `--network host` has it.
fn with_network() -> Extras {
    Extras { namespace_fds: vec![(Namespace::Network, fd::NETNS.to_owned())], ..Extras::default() }
}

fn planned(spec: &Value, extras: &Extras) -> Result<Plan> {
    plan(&serde_json::from_value(spec.clone()).expect("a spec"), extras)
}

#[test]
fn namespaces_are_split_by_who_makes_them() {
    let p = planned(&spec(), &with_network()).expect("a plan");
    assert_eq!(p.clone_flags, libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWUTS);
    assert_eq!(p.unshare_flags, libc::CLONE_NEWCGROUP);
    let ipc = Join { flags: libc::CLONE_NEWIPC, source: JoinSource::Path("/proc/9/ns/ipc".into()) };
    let net = Join { flags: libc::CLONE_NEWNET, source: JoinSource::Fd(fd::NETNS.to_owned()) };
    assert_eq!((p.join, p.join_before), (vec![ipc, net], vec![]));
    // A network namespace is never made by clone, even if nobody gave one.
    let mut bare = spec();
    bare["linux"]["sysctl"] = json!({});
    assert_eq!(planned(&bare, &Extras::default()).expect("a plan").clone_flags & libc::CLONE_NEWNET, 0);
    let target = Extras { namespace_fds: vec![(Namespace::Pid, "other".to_owned())], ..Extras::default() };
    let p = planned(&bare, &target).expect("a plan");
    assert_eq!(p.join_before, [Join { flags: libc::CLONE_NEWPID, source: JoinSource::Fd("other".to_owned()) }]);
    assert_eq!(p.clone_flags & libc::CLONE_NEWPID, 0);
}

#[test]
fn surroundings() {
    let extras = Extras { mount_fds: [("/vol".into(), "vol0".to_owned())].into(), ..with_network() };
    let p = planned(&spec(), &extras).expect("a plan");
    let setup = p.setup.as_ref().expect("of a container");
    let what: Vec<&MountSource> = setup.mounts.iter().map(|m| &m.what).collect();
    assert_eq!(what[1], &MountSource::Bind { path: "/host".into(), recursive: true });
    assert_eq!(what[2], &MountSource::Detached { fd: "vol0".to_owned() });
    assert_eq!(what[3], &MountSource::New { fstype: "cgroup2".to_owned(), source: "cgroup".to_owned() });
    let null: Vec<&DeviceNode> = setup.devices.iter().filter(|d| d.path == Path::new("/dev/null")).collect();
    assert_eq!((setup.devices.len(), null.len(), null[0].mode & 0o777), (6, 1, 0o600));
    assert_eq!(setup.cwd, Path::new("/srv/x"));
    assert_eq!(setup.sysctls, [("net/ipv4/ip_forward".to_owned(), "1".to_owned())]);
    assert!(setup.readonly_rootfs && setup.rootfs.is_none());
    assert_eq!((p.process.uid, p.process.gid, &p.process.groups[..]), (5, 6, &[7][..]));
    assert_eq!(p.process.terminal, Some(TerminalSize { columns: 80, rows: 24 }));
    assert_eq!(p.process.rlimits, [(libc::RLIMIT_NOFILE, 1, 2)]);
    assert_eq!(Plan::from_bytes(&p.to_bytes()).expect("readable"), p);
}

#[test]
fn refusals() {
    let mut s = spec();
    s["process"]["args"] = json!([]);
    assert!(matches!(planned(&s, &with_network()), Err(Error::Missing("process.args"))));
    let mut s = spec();
    s["mounts"] = json!([{ "destination": "/x", "options": ["bind"] }]);
    assert!(matches!(planned(&s, &with_network()), Err(Error::Mount { .. })));
    // `--network host`: the settings of the machine's own network are not the container's to change.
    let mut s = spec();
    let namespaces = s["linux"]["namespaces"].as_array_mut().expect("a list");
    namespaces.retain(|namespace| namespace["type"] != "network");
    let error = planned(&s, &Extras::default()).expect_err("the machine's own network namespace");
    assert_eq!(error.to_string(), "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace");
}

#[test]
fn sysctls_of_the_container_only() {
    let all = [Namespace::Ipc, Namespace::Uts, Namespace::Network].iter().map(|n| n.flag()).sum();
    let foreign = "is not in a separate kernel namespace";
    let check = |key: &str, own: i32, expect: std::result::Result<&str, &str>| {
        let expect = expect.map(str::to_owned).map_err(|reason| format!("sysctl {key:?} {reason}"));
        assert_eq!(sysctl_path(key, own).map_err(|error| error.to_string()), expect, "{key}");
    };
    check("net.ipv4.conf.eth0.forwarding", all, Ok("net/ipv4/conf/eth0/forwarding"));
    check("net/ipv4/conf/eth0.100/forwarding", all, Ok("net/ipv4/conf/eth0.100/forwarding"));
    check("kernel.shmmax", all, Ok("kernel/shmmax"));
    check("fs.mqueue.msg_max", all, Ok("fs/mqueue/msg_max"));
    check("kernel.domainname", all, Ok("kernel/domainname"));
    for key in ["kernel.panic", "vm.swappiness", "net/../kernel/panic", "user.max_user_namespaces"] {
        check(key, all, Err(foreign));
    }
    check("kernel.hostname", all, Err("is not allowed as it conflicts with the OCI \"hostname\" field"));
    // What is the machine's stays as it is.
    check("kernel.shmmax", 0, Err("is not allowed in the hosts ipc namespace"));
    check("net.ipv4.ip_forward", 0, Err("not allowed in host network namespace"));
    check("kernel.domainname", 0, Err(foreign));
}
