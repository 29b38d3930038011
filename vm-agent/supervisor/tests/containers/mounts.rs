//! What is mounted where.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::PathBuf};

use runtime::Extras;
use serde_json::{Value, json};

use crate::stage::{Stage, script};

fn add(spec: &mut Value, mount: Value) {
    spec["mounts"].as_array_mut().expect("a list").push(mount);
}

pub(crate) async fn binds_and_volumes(stage: &mut Stage) {
    let dir = stage.directory.join("shared");
    fs::create_dir_all(dir.join("sub")).expect("mkdir");
    fs::write(dir.join("file"), "from outside\n").expect("write");
    let path = dir.display().to_string();
    let mut s = script(
        "cat /rw/file /single /volume/file; echo in > /rw/new; echo x > /ro/new; echo x > /single; echo deep > /volume/sub/v; ls -d /fresh/mount/point",
    );
    add(&mut s, json!({ "destination": "/rw", "type": "bind", "source": path, "options": ["rbind", "rprivate"] }));
    add(&mut s, json!({ "destination": "/ro", "type": "bind", "source": path, "options": ["rbind", "ro", "rro"] }));
    add(
        &mut s,
        json!({ "destination": "/single", "type": "bind", "source": dir.join("file"), "options": ["bind", "ro"] }),
    );
    add(&mut s, json!({ "destination": "/volume", "type": "bind", "source": "", "options": ["rbind", "rprivate"] }));
    add(&mut s, json!({ "destination": "/fresh/mount/point", "type": "bind", "source": path, "options": ["bind"] }));
    let detached = runtime::mounts::detach(&dir, true).expect("a detached mount");
    let extras =
        Extras { mount_fds: BTreeMap::from([(PathBuf::from("/volume"), "volume".to_owned())]), ..Extras::default() };
    let container = stage.start_with(&s, extras, vec![("volume".to_owned(), detached)]).await.expect("starts");
    let (_, output) = stage.finish(container).await;
    assert!(output.starts_with("from outside\nfrom outside\nfrom outside\n"), "{output}");
    assert_eq!(output.matches("Read-only file system").count(), 2, "{output}");
    assert!(output.ends_with("/fresh/mount/point\n"), "{output}");
    assert_eq!(fs::read_to_string(dir.join("new")).expect("written inside"), "in\n");
    assert_eq!(fs::read_to_string(dir.join("sub/v")).expect("written inside"), "deep\n");
    let mut s = script("true");
    add(&mut s, json!({ "destination": "/x", "type": "bind", "source": "/no/such/place", "options": ["bind"] }));
    let failure = stage.start(&s).await.err().expect("refused");
    assert!(failure.message.contains("/no/such/place") && failure.message.contains("no such file"), "{failure}");
}

pub(crate) async fn readonly_root_and_tmpfs(stage: &mut Stage) {
    let mut s = script(
        "echo x > /etc/x; echo t > /tmp/t && cat /tmp/t; echo r > /scratch/r && cat /scratch/r; stat -c %a /scratch /tmp /made; touch /rotmp/x",
    );
    s["root"]["readonly"] = true.into();
    add(
        &mut s,
        json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["noexec", "size=64k"] }),
    );
    add(&mut s, json!({ "destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["mode=700"] }));
    add(&mut s, json!({ "destination": "/made", "type": "tmpfs", "source": "tmpfs", "options": ["nodev"] }));
    add(&mut s, json!({ "destination": "/rotmp", "type": "tmpfs", "source": "tmpfs", "options": ["ro"] }));
    let (_, output) = stage.run(&s).await;
    assert_eq!(output.matches("Read-only file system").count(), 2, "{output}");
    assert!(output.contains("t\nr\n700\n755\n1777\n"), "{output}");
    let mut s = script("true");
    add(&mut s, json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=nonsense"] }));
    let failure = stage.start(&s).await.err().expect("refused");
    assert!(failure.step.contains("/tmp"), "{failure}");
}

/// An image can hold any symbolic link; mounting through it must stay inside.
pub(crate) async fn paths_cannot_leave_the_root(stage: &mut Stage) {
    let outside = stage.directory.join("outside");
    fs::create_dir_all(&outside).expect("mkdir");
    symlink(&outside, stage.directory.join("image/escape")).expect("symlink");
    symlink("../../../../../../..", stage.directory.join("image/up")).expect("symlink");
    for destination in ["/escape/dir", "/up/dir", "/../../dir"] {
        let mut s = script("true");
        add(&mut s, json!({ "destination": destination, "type": "tmpfs", "source": "tmpfs", "options": ["size=64k"] }));
        // The link of an absolute path dangles inside, so that mount fails; the others end up below the root.
        let _ = match stage.start(&s).await {
            Ok(container) => stage.finish(container).await.0,
            Err(failure) => failure.exit_hint,
        };
    }
    assert_eq!(fs::read_dir(&outside).expect("dir").count(), 0);
    assert!(!std::path::Path::new("/dir").exists());
}
