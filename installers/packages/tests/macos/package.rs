//! The installer, unpacked by libarchive's `bsdtar` and by `cpio`; its lists read by the crate `apple-bom`, checksums by `cksum`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use apple_bom::{BomPathType, ParsedBom};
use packages::macos::tree::{Node, Root};
use packages::macos::xar::{self, Member};
use packages::macos::{Plan, Tree, bom, cpio, package};

use crate::support::{BOTH, DATE, Found, VERSION, assert_same, expected, found, inputs, run, skipped};

#[test]
fn others_read_what_the_installer_installs() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = match inputs(folder.path(), &BOTH) {
        Ok(inputs) => inputs,
        Err(why) => return skipped("others_read_what_the_installer_installs", &why),
    };
    let plan = Plan::of(&inputs).unwrap();
    let app = plan.tree().unwrap();
    assert_eq!(package::name(&inputs, &plan), format!("berth-{VERSION}-macos-universal.pkg"));
    let file = folder.path().join("berth.pkg");
    fs::write(&file, package::write(&inputs, &plan, &app).unwrap()).unwrap();
    let unpacked = folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    run(Command::new("bsdtar").arg("-xf").arg(&file).arg("-C").arg(&unpacked));
    let mut members: Vec<String> =
        found(&unpacked).into_iter().filter(|(_, node)| *node != Found::Folder).map(|(name, _)| name).collect();
    members.sort();
    let expected_members = ["Bom", "PackageInfo", "Payload"];
    let of = |component: &str| expected_members.map(|name| format!("{component}/{name}"));
    let mut all = [of("berth.pkg"), of("path.pkg")].concat();
    all.extend(["Distribution".to_owned(), "Resources/LICENSE.txt".to_owned()]);
    all.sort();
    assert_eq!(members, all);

    let installed = payload(&unpacked.join("berth.pkg"));
    assert_same(&installed, &expected(&app));
    check_list(&unpacked.join("berth.pkg"), &installed, (0o775, 80));
    let on_path = payload(&unpacked.join("path.pkg"));
    let read = |path: &str| match &on_path[path] {
        Found::File(0o644, bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(read("paths.d/berth"), "/Applications/Berth.app/Contents/MacOS\n");
    assert_eq!(read("manpaths.d/berth"), "/Applications/Berth.app/Contents/Resources/man\n");
    check_list(&unpacked.join("path.pkg"), &on_path, (0o755, 0));

    let distribution = fs::read_to_string(unpacked.join("Distribution")).unwrap();
    for part in
        ["hostArchitectures=\"arm64,x86_64\"", "<os-version min=\"12.3\"/>", "#berth.pkg", "#path.pkg", "LICENSE.txt"]
    {
        assert!(distribution.contains(part), "{part} in\n{distribution}");
    }
    for (component, location) in [("berth.pkg", "/Applications"), ("path.pkg", "/private/etc")] {
        let info = fs::read_to_string(unpacked.join(component).join("PackageInfo")).unwrap();
        let count = payload(&unpacked.join(component)).len() + 1;
        for part in [
            format!("install-location=\"{location}\""),
            format!("numberOfFiles=\"{count}\""),
            "version=\"1.2.3\"".to_owned(),
            "overwrite-permissions=\"false\"".to_owned(),
        ] {
            assert!(info.contains(&part), "{part} in\n{info}");
        }
        is_xml(&info);
    }
    is_xml(&distribution);
}

#[test]
fn a_link_is_installed_as_one() {
    let mut tree = Tree::default();
    tree.file("folder/file", 0o644, b"in it".to_vec());
    tree.nodes.insert("link".to_owned(), Node::Link("folder/file".to_owned()));
    let root = Root { mode: 0o755, group: 0 };
    let mut archive = Vec::new();
    cpio::write(&tree, root, DATE, &mut archive).unwrap();
    let members = [("Bom", bom::bytes(&tree, root, DATE)), ("Archive", archive)];
    let members = members.map(|(name, bytes)| Member::File(name.to_owned(), bytes));
    let folder = tempfile::tempdir().unwrap();
    let (file, unpacked) = (folder.path().join("one.pkg"), folder.path().join("unpacked"));
    fs::write(&file, xar::bytes(&members, DATE)).unwrap();
    fs::create_dir(&unpacked).unwrap();
    run(Command::new("bsdtar").arg("-xf").arg(&file).arg("-C").arg(folder.path()));
    let script = "cpio --extract --quiet --make-directories --no-preserve-owner < \"$1\"";
    let archive = folder.path().join("Archive");
    run(Command::new("sh").args(["-euc", script, "sh"]).arg(archive).current_dir(&unpacked));
    assert_same(&found(&unpacked), &expected(&tree));
    let list = fs::read(folder.path().join("Bom")).unwrap();
    let listed = ParsedBom::parse(&list).unwrap().paths().unwrap();
    let link = listed.iter().find(|path| path.path() == "./link").unwrap();
    assert!(matches!(link.path_type(), BomPathType::Link), "{:?}", link.path_type());
    assert_eq!((link.link_name(), link.file_mode()), (Some("folder/file"), 0o120_755));
    assert_eq!(link.size(), "folder/file".len());
}

/// What `cpio` unpacks of a component.
fn payload(component: &Path) -> BTreeMap<String, Found> {
    let folder = tempfile::tempdir().unwrap();
    let script = "gzip -dc \"$1\" | cpio --extract --quiet --make-directories --no-preserve-owner";
    run(Command::new("sh").args(["-euc", script, "sh"]).arg(component.join("Payload")).current_dir(folder.path()));
    found(folder.path())
}

/// Asserts that a component's list has just what is in its payload; the folder that it is installed into has this mode and this group.
fn check_list(component: &Path, payload: &BTreeMap<String, Found>, (mode, group): (u16, u32)) {
    let bytes = fs::read(component.join("Bom")).unwrap();
    let bom = ParsedBom::parse(&bytes).unwrap();
    let listed = bom.paths().unwrap();
    assert_eq!(listed[0].path(), ".");
    assert_eq!((listed[0].file_mode(), listed[0].group_id()), (0o040_000 | mode, group));
    let names: Vec<&str> = listed.iter().map(|path| path.path().trim_start_matches("./")).collect();
    let mut sorted = names[1..].to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, payload.keys().map(String::as_str).collect::<Vec<_>>());
    for (path, name) in listed.iter().zip(&names).skip(1) {
        assert_eq!(
            (path.user_id(), path.group_id(), path.modified_time().timestamp()),
            (0, 0, i64::from(DATE)),
            "{name}"
        );
        let (kind, mode, bytes): (u8, u32, &[u8]) = match &payload[*name] {
            Found::Folder => (BomPathType::Directory.into(), 0o040_755, &[]),
            Found::File(mode, bytes) => (BomPathType::File.into(), 0o100_000 | mode, bytes),
            Found::Link(_) => panic!("no link is installed"),
        };
        let listed: u8 = path.path_type().into();
        assert_eq!((listed, u32::from(path.file_mode()), path.size()), (kind, mode, bytes.len()), "{name}");
    }
    // One of each kind is enough for the way it is counted.
    for (path, name) in
        listed.iter().zip(&names).filter(|(_, name)| name.ends_with("Info.plist") || name.ends_with("paths.d/berth"))
    {
        let Found::File(_, bytes) = &payload[*name] else { panic!("{name}") };
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let counted = run(Command::new("cksum").arg(file.path()));
        assert_eq!(path.crc32().unwrap().to_string(), counted.split_whitespace().next().unwrap(), "{name}");
    }
}

fn is_xml(text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let script = "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])";
    run(Command::new("python3").args(["-c", script]).arg(file.path()));
}
