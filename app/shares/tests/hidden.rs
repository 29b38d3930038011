//! What nobody in the mount is to find.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::RenameFlags;
use support::Mounted;

#[test]
fn what_is_hidden_is_neither_found_nor_made_nor_moved_away() {
    let m = Mounted::without(|dir| {
        fs::create_dir_all(dir.join("host/config/own")).unwrap();
        fs::write(dir.join("host/config/own/settings"), "secret").unwrap();
        fs::write(dir.join("host/config/other"), "").unwrap();
        // Named by a path that is not below what is shared: it is known by what it is.
        fs::create_dir(dir.join("host/other-name")).unwrap();
        symlink("host", dir.join("to-host")).unwrap();
        let missing = ["host/not-yet", "host/missing/deep"].map(|path| dir.join(path));
        [dir.join("host/config/own"), dir.join("to-host/other-name")].into_iter().chain(missing).collect()
    });
    let at = |name: &str| m.guest.join(name);
    let names = |name: &str| fs::read_dir(at(name)).unwrap().map(|name| name.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!((names(""), names("config")), (vec!["config".into()], vec!["other".into()]));
    for name in ["other-name", "config/own", "config/own/settings"] {
        assert_eq!(fs::metadata(at(name)).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    }
    let refused = |result: std::io::Result<()>, number| assert_eq!(result.unwrap_err().raw_os_error(), Some(number));
    refused(fs::create_dir(at("config/own")), 13);
    refused(fs::write(at("not-yet"), ""), 13);
    refused(fs::rename(at("config/other"), at("not-yet")), 13);
    refused(fs::hard_link(at("config/other"), at("not-yet")), 13);
    refused(symlink("other", at("config/own")), 13);
    refused(symlink("config", at("missing")), 13);
    refused(fs::write(at("missing"), ""), 13);
    fs::create_dir(at("missing")).unwrap();
    refused(fs::create_dir(at("missing/deep")), 13);
    refused(fs::rename(at("config"), at("elsewhere")), 16);
    fs::create_dir(at("new")).unwrap();
    let error =
        rustix::fs::renameat_with(rustix::fs::CWD, at("new"), rustix::fs::CWD, at("config"), RenameFlags::EXCHANGE);
    assert_eq!(error.unwrap_err(), rustix::io::Errno::BUSY);
    fs::remove_file(at("config/other")).unwrap();
    refused(fs::remove_dir(at("config")), 16);
    assert_eq!(fs::read(m.host.join("config/own/settings")).unwrap(), b"secret");
}
