//! Mounts as clients write them.

use super::*;

const NATIVE: Sources<'static> = Sources { mode: Mode::Native, engine_sockets: &[] };
const VM: Sources<'static> = Sources { mode: Mode::Vm, engine_sockets: &[] };

fn volume(name: &str) -> What {
    What::Volume {
        name: name.to_owned(),
        driver: String::new(),
        options: Map::new(),
        labels: Map::new(),
        subpath: String::new(),
        copy: true,
    }
}

#[test]
fn binds() {
    let parse = |raw: &str| parse_bind(raw, "", NATIVE).expect(raw);
    assert_eq!(parse("/data").what, volume(""));
    assert_eq!((parse("vol:/data/").what, parse("vol:/data/").destination.as_str()), (volume("vol"), "/data"));
    assert!(!parse("vol:/data:ro").rw);
    assert!(matches!(parse("vol:/data:nocopy").what, What::Volume { copy: false, .. }));
    let bind = parse("/a/../b:/data:ro,rslave");
    assert_eq!(bind.what, What::Bind { path: "/b".into(), must_exist: false, recursive: true });
    assert_eq!((bind.propagation.as_str(), bind.mode.as_str(), bind.rw), ("rslave", "ro,rslave", false));
}

#[test]
fn the_engine_socket_in_any_spelling() {
    for raw in [
        "/var/run/docker.sock:/var/run/docker.sock",
        "//var/run/docker.sock:/var/run/docker.sock",
        "/run/docker.sock:/s:ro",
        "/var/./run//docker.sock:/x",
    ] {
        assert_eq!(parse_bind(raw, "", VM).expect(raw).what, What::EngineSocket, "{raw}");
    }
}

#[test]
fn the_engine_socket_by_the_hosts_name() {
    let sockets = ["/home/me//berth/engine.sock".to_owned()];
    let sources = Sources { engine_sockets: &sockets, ..VM };
    let bind = parse_bind("/home/me/berth/engine.sock:/var/run/docker.sock", "", sources).expect("a socket");
    assert_eq!((bind.what, bind.destination.as_str()), (What::EngineSocket, "/var/run/docker.sock"));
    let mount = r#"{"Type":"bind","Source":"/home/me/berth/engine.sock","Target":"/s"}"#;
    let mount: Mount = serde_json::from_str(mount).expect("valid JSON");
    assert_eq!(parse_mount(&mount, sources).expect("a socket").what, What::EngineSocket);
    for other in ["/home/me/berth:/b", "/home/me/berth/control.sock:/c", "/home/me/berth/engine.sock.old:/o"] {
        let what = parse_bind(other, "", sources).expect(other).what;
        assert!(matches!(what, What::Share { .. }), "{other}: {what:?}");
    }
    let nobodys = parse_bind("/home/me/berth/engine.sock:/s", "", VM).expect("a path").what;
    assert!(matches!(nobodys, What::Share { .. }), "{nobodys:?}");
}

#[test]
fn folders_of_the_host_are_shared_by_the_hosts_name() {
    for (raw, path) in [
        ("/home/me/../me//src:/data", "/home/me/src"),
        ("C:\\Users\\me:/data", "C:\\Users\\me"),
        ("c:/Users/me:/data:ro", "c:/Users/me"),
        ("//c/Users/me:/data", "/c/Users/me"),
    ] {
        let share = What::Share { path: path.to_owned(), must_exist: false };
        assert_eq!(parse_bind(raw, "", VM).expect(raw).what, share, "{raw}");
    }
    let mount: Mount = serde_json::from_str(r#"{"Type":"bind","Source":"/home/me","Target":"/m"}"#).expect("JSON");
    let share = What::Share { path: "/home/me".to_owned(), must_exist: true };
    assert_eq!(parse_mount(&mount, VM).expect("a share").what, share);
}

#[test]
fn the_kernels_modules_are_the_machines() {
    for (raw, path, rw) in [
        ("/lib/modules:/lib/modules:ro", "/lib/modules", false),
        ("/lib/modules:/m", "/lib/modules", true),
        ("//lib/./modules/6.12:/m", "/lib/modules/6.12", true),
        ("/dev:/dev", "/dev", true),
        ("/proc:/host/proc:ro", "/proc", false),
        ("/sys/fs/cgroup:/sys/fs/cgroup:ro", "/sys/fs/cgroup", false),
    ] {
        let bind = parse_bind(raw, "", VM).expect(raw);
        let what = What::Bind { path: path.to_owned(), must_exist: false, recursive: true };
        assert_eq!((bind.what, bind.rw), (what, rw), "{raw}");
    }
    let mount = r#"{"Type":"bind","Source":"/lib/modules","Target":"/m","ReadOnly":true}"#;
    let mount: Mount = serde_json::from_str(mount).expect("valid JSON");
    let bind = parse_mount(&mount, VM).expect("modules").what;
    assert_eq!(bind, What::Bind { path: "/lib/modules".to_owned(), must_exist: true, recursive: true });
    for other in
        ["/lib:/m", "/lib/modules/..:/m", "/lib/modules/../berth:/m", "/lib/modules2:/m", "/usr/lib/modules:/m"]
    {
        let what = parse_bind(other, "", VM).expect(other).what;
        assert!(matches!(what, What::Share { .. }), "{other}: {what:?}");
    }
}

#[test]
fn bad_specifications() {
    for (raw, text) in [
        (
            "vol:data",
            "invalid mount config for type \"volume\": invalid mount path: 'data' mount path must be absolute",
        ),
        ("vol:/", "invalid mount config for type \"volume\": invalid specification: destination can't be '/'"),
        (":/x", "invalid volume specification: ':/x'"),
        ("a:b:c:d", "invalid volume specification: 'a:b:c:d'"),
        ("/x:ro", "invalid volume specification: '/x:ro'"),
        ("vol:/x:ro,rw", "invalid mode: ro,rw"),
        ("vol:/x:what", "invalid mode: what"),
        ("vol:/x:rslave", "invalid mount config for type \"volume\": field BindOptions must not be specified"),
        ("/tmp:/x:nocopy", "invalid mount config for type \"bind\": field VolumeOptions must not be specified"),
    ] {
        assert_eq!(parse_bind(raw, "", NATIVE).expect_err(raw).to_string(), text, "{raw}");
    }
}

#[test]
fn mounts() {
    let parse = |json: &str| {
        let mount: Mount = serde_json::from_str(json).expect("valid JSON");
        parse_mount(&mount, NATIVE).map_err(|error| error.to_string())
    };
    let tmpfs =
        parse(r#"{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":65536,"Mode":448}}"#).expect("tmpfs");
    assert_eq!(tmpfs.what, What::Tmpfs { options: vec!["mode=700".into(), "size=65536".into()], hidden: false });
    let bind = parse(r#"{"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true}"#).expect("bind");
    assert_eq!(bind.what, What::Bind { path: "/a".into(), must_exist: true, recursive: true });
    assert!(bind.recursive_read_only);
    assert_eq!(
        parse(r#"{"Type":"volume","Source":"v","Target":"x"}"#).expect_err("relative"),
        "invalid mount config for type \"volume\": invalid mount path: 'x' mount path must be absolute"
    );
    let forced = |readonly: &str| {
        parse(&format!(
            r#"{{"Type":"bind","Source":"/a","Target":"/b",{readonly}"BindOptions":{{"ReadOnlyForceRecursive":true}}}}"#
        ))
    };
    assert!(forced(r#""ReadOnly":true,"#).expect("forced").recursive_read_only);
    // What contradicts itself is found out at the start.
    assert!(forced("").expect("writable").rw);
    parse(r#"{"Type":"volume","Source":"v","Target":"/x","Consistency":"maybe"}"#).expect("any consistency");
    assert_eq!(
        parse(r#"{"Type":"volume","Source":"v","Target":"/x","ImageOptions":{}}"#).expect_err("another's options"),
        "invalid mount config for type \"volume\": field ImageOptions must not be specified"
    );
    assert_eq!(
        parse(r#"{"Type":"what","Target":"/x"}"#).expect_err("type"),
        "invalid mount config for type \"what\": mount type unknown"
    );
}

#[test]
fn tmpfs_options() {
    let wanted = parse_tmpfs("/run", "rw,size=64m,mode=1777").expect("valid");
    assert!(wanted.rw);
    assert_eq!(parse_tmpfs("/run", "color=red").expect_err("unknown").to_string(), "invalid tmpfs option \"color\"");
}
