//! The app: its property lists, programs for both kinds of Mac, what it refuses, and who is asked to sign it.

use std::fs;
use std::process::Command;

use object::read::macho::{FatArch, MachOFatFile32};
use packages::Error;
use packages::macos::{Plan, Sealer, Tree};
use packages::sign::Signer;

use crate::support::{BOTH, Found, expected, inputs, skipped};

#[test]
fn the_app_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = match inputs(folder.path(), &BOTH) {
        Ok(inputs) => inputs,
        Err(why) => return skipped("the_app_is_whole", &why),
    };
    let plan = Plan::of(&inputs).unwrap();
    assert_eq!(plan.macs(), "universal");
    let files = expected(&plan.tree().unwrap());
    let file = |path: &str| match &files[&format!("Berth.app/Contents/{path}")] {
        Found::File(mode, bytes) => (*mode, &**bytes),
        other => panic!("{path}: {other:?}"),
    };
    let info: plist::Dictionary = plist::from_bytes(file("Info.plist").1).unwrap();
    let word = |key: &str| info[key].as_string().unwrap();
    assert_eq!((word("CFBundleIdentifier"), word("CFBundleShortVersionString")), ("app.berth.desktop", "1.2.3"));
    assert_eq!(word("LSMinimumSystemVersion"), "12.3");
    let icon = file(&format!("Resources/{}", word("CFBundleIconFile"))).1;
    assert!(icon.starts_with(b"icns") && icon[4..8] == (icon.len() as u32).to_be_bytes(), "the icon");
    let schemes =
        info["CFBundleURLTypes"].as_array().unwrap()[0].as_dictionary().unwrap()["CFBundleURLSchemes"].clone();
    assert_eq!(schemes.into_array().unwrap(), ["berth".into()]);
    for program in ["berth", word("CFBundleExecutable"), "docker-credential-berth"] {
        let (mode, bytes) = file(&format!("MacOS/{program}"));
        assert_eq!(mode, 0o755, "{program}");
        let fat = MachOFatFile32::parse(bytes).unwrap();
        assert_eq!(fat.arches().len(), 2);
        for (arch, mac) in fat.arches().iter().zip(["x86_64", "aarch64"]) {
            let whole = fs::read(inputs.programs.join(mac).join(program)).unwrap();
            assert!(arch.data(bytes).unwrap() == whole && arch.offset.get(object::BigEndian) % 16384 == 0, "{mac}");
        }
    }
    for mac in BOTH {
        assert_eq!(file(&format!("Resources/image/{mac}/vmlinuz")), (0o644, format!("vmlinuz for {mac}").as_bytes()));
        assert!(file(&format!("Resources/image/{mac}/manifest.json")).1.starts_with(b"{"));
    }
    for path in
        ["completions/_berth", "man/man1/berth-0.1.gz", "LICENSE.txt", "third-party-notices.txt", "sbom.cdx.json"]
    {
        assert_eq!(file(&format!("Resources/{path}")).0, 0o644);
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = match inputs(folder.path(), &BOTH) {
        Ok(inputs) => inputs,
        Err(why) => return skipped("what_does_not_fit_together_is_refused", &why),
    };
    let refused = || Plan::of(&inputs).unwrap_err();
    let other = inputs.image.join("x86_64");
    fs::rename(&other, folder.path().join("elsewhere")).unwrap();
    let error = refused();
    assert!(matches!(&error, Error::OtherMacs { what, .. } if what == "the guest image"), "{error}");
    assert!(error.to_string().contains("aarch64 and x86_64"), "{error}");
    fs::rename(folder.path().join("elsewhere"), other).unwrap();
    let program = inputs.programs.join("aarch64/berth");
    fs::copy(inputs.programs.join("x86_64/berth"), &program).unwrap();
    let error = refused();
    assert!(matches!(&error, Error::NotForMacs { problem, .. } if problem.contains("x86_64")), "{error}");
    fs::copy("/bin/true", &program).unwrap();
    let error = refused();
    assert!(matches!(&error, Error::NotForMacs { path, .. } if *path == program), "{error}");
    fs::remove_file(&program).unwrap();
    let error = refused();
    assert!(matches!(&error, Error::Io { path, .. } if *path == program), "{error}");
}

#[test]
fn an_app_for_one_kind_of_mac_has_its_programs_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = match inputs(folder.path(), &["aarch64"]) {
        Ok(inputs) => inputs,
        Err(why) => return skipped("an_app_for_one_kind_of_mac_has_its_programs_as_they_are", &why),
    };
    // Neither needs a folder with its name.
    let inputs = packages::plan::Inputs {
        programs: inputs.programs.join("aarch64"),
        image: inputs.image.join("aarch64"),
        ..inputs
    };
    let plan = Plan::of(&inputs).unwrap();
    assert_eq!(plan.macs(), "arm64");
    let files = expected(&plan.tree().unwrap());
    let whole = fs::read(inputs.programs.join("berth")).unwrap();
    assert!(files["Berth.app/Contents/MacOS/berth"] == Found::File(0o755, whole));
}

#[test]
fn of_two_images_the_one_that_the_programs_are_for_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = match inputs(folder.path(), &BOTH) {
        Ok(inputs) => inputs,
        Err(why) => return skipped("of_two_images_the_one_that_the_programs_are_for_is_taken", &why),
    };
    let inputs = packages::plan::Inputs { programs: inputs.programs.join("aarch64"), ..inputs };
    let plan = Plan::of(&inputs).unwrap();
    assert_eq!(plan.macs(), "arm64");
    let mut images = plan.files.iter().filter(|file| file.to.contains("/Resources/image/"));
    assert!(images.all(|file| file.to.contains("/image/aarch64/")), "{:?}", plan.files);
    let kernel = |file: &&packages::plan::File| file.to.ends_with("/image/aarch64/vmlinuz");
    assert_eq!(plan.files.iter().filter(kernel).count(), 1);
    // One image that is for other Macs is none to choose from.
    let other = packages::plan::Inputs { image: inputs.image.join("x86_64"), ..inputs.clone() };
    assert!(matches!(Plan::of(&other).unwrap_err(), Error::OtherMacs { .. }));
    // Said before anything is installed or built for it.
    let mut command = Command::new(env!("CARGO_BIN_EXE_package-macos"));
    let out = command.arg("--programs").arg(&other.programs).arg("--image").arg(&other.image).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("all must be for the same Macs") && said.lines().count() == 1, "{said}");
    // Nor are two for the same ones.
    let manifest = inputs.image.join("x86_64/manifest.json");
    fs::write(&manifest, r#"{"architecture": "aarch64"}"#).unwrap();
    let error = Plan::of(&inputs).unwrap_err().to_string();
    assert!(error.contains("x86_64 cannot be read: it is for aarch64, as"), "{error}");
}

#[test]
fn elsewhere_than_on_macos_the_programs_have_to_be_named() {
    let out = Command::new(env!("CARGO_BIN_EXE_package-macos")).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("--programs"), "{said}");
}

#[test]
fn programs_and_then_the_app_are_signed_by_the_publishers_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    for program in ["berth", "berth-desktop", "docker-credential-berth"] {
        tree.file(&format!("Berth.app/Contents/MacOS/{program}"), 0o755, Vec::new());
    }
    tree.write(folder.path()).unwrap();
    let log = folder.path().join("log");
    let command = format!("sign() {{ basename \"$1\"; cat \"$BERTH_ENTITLEMENTS\"; }} >> '{}'; sign", log.display());
    let app = folder.path().join("Berth.app");
    Sealer::Publisher(Signer::by(&command)).seal(&app).unwrap();
    let said = fs::read_to_string(log).unwrap();
    let names: Vec<&str> = said.lines().filter(|line| !line.contains(['<', '\t'])).collect();
    assert_eq!(names, ["berth", "docker-credential-berth", "Berth.app"]);
    assert_eq!(said.matches("com.apple.security.virtualization").count(), 1, "{said}");
    let refused = Sealer::Publisher(Signer::by("false")).seal(&app).unwrap_err();
    assert!(matches!(refused, Error::Tool { .. }), "{refused}");
}
