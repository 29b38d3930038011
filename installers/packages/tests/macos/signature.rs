//! The app's signature for nobody, read as macOS reads it and not by what wrote it: by the structures of xnu's `osfmk/kern/cs_blobs.h`, whose numbers
//! are big-endian.

use std::fs;
use std::path::Path;

use object::Endianness;
use object::macho::{LC_CODE_SIGNATURE, LinkeditDataCommand, MachHeader64};
use object::read::macho::{FatArch, MachHeader, MachOFatFile32};
use packages::checksums::hex;
use packages::macos::{Plan, info};
use sha2::{Digest, Sha256};

use crate::support::{BOTH, Found, found, inputs, rcodesign, skipped};

/// Kinds of blobs in a signature, and what each begins with.
const DIRECTORY: (u32, u32) = (0, 0xfade_0c02);
const ENTITLEMENTS: (u32, u32) = (5, 0xfade_7171);
const ENTITLEMENTS_IN_DER: (u32, u32) = (7, 0xfade_7172);
const BY_SOMEBODY: (u32, u32) = (0x1_0000, 0xfade_0b01);
/// Flag of a directory: nobody has signed it.
const AD_HOC: u32 = 2;
/// What a directory has digests of, beside the program's pages.
const INFO: u32 = 1;
const RESOURCES: u32 = 3;

#[test]
fn without_a_publisher_the_app_is_signed_ad_hoc() {
    let folder = tempfile::tempdir().unwrap();
    let (inputs, sealer) = match inputs(folder.path(), &BOTH).and_then(|inputs| Ok((inputs, rcodesign()?))) {
        Ok(both) => both,
        Err(why) => return skipped("without_a_publisher_the_app_is_signed_ad_hoc", &why),
    };
    Plan::of(&inputs).unwrap().tree().unwrap().write(folder.path()).unwrap();
    let app = folder.path().join("Berth.app");
    sealer.seal(&app).unwrap();
    let sealed = found(&app);
    let file = |path: &str| match &sealed[path] {
        Found::File(_, bytes) => &**bytes,
        other => panic!("{path}: {other:?}"),
    };
    let named = [
        ("berth", "app.berth.berth"),
        ("berth-desktop", info::IDENTIFIER),
        ("docker-credential-berth", "docker-credential-berth"),
    ];
    for (program, identifier) in named {
        let bytes = file(&format!("Contents/MacOS/{program}"));
        let fat = MachOFatFile32::parse(bytes).unwrap();
        assert_eq!(fat.arches().len(), 2);
        for arch in fat.arches() {
            let program = arch.data(bytes).unwrap();
            let signature = Signature::of(program);
            signature.check_pages(program);
            assert_eq!((signature.flags(), signature.identifier()), (AD_HOC, identifier));
            // Empty where nobody signed.
            assert!(signature.blob(BY_SOMEBODY).is_none_or(|blob| blob.len() == 8), "{identifier}");
            let list = |bytes: &[u8]| plist::from_bytes::<plist::Dictionary>(bytes).unwrap();
            let entitlements = signature.blob(ENTITLEMENTS).map(|blob| list(&blob[8..]));
            let wanted = list(b"<plist><dict><key>com.apple.security.virtualization</key><true/></dict></plist>");
            assert_eq!(entitlements, (identifier == "app.berth.berth").then_some(wanted), "{identifier}");
            assert_eq!(signature.blob(ENTITLEMENTS_IN_DER).is_some(), entitlements.is_some(), "{identifier}");
            for kind in [ENTITLEMENTS, ENTITLEMENTS_IN_DER] {
                if let Some(blob) = signature.blob(kind) {
                    assert_eq!(hex(signature.digest_of(kind.0)), sha256(blob), "{identifier}");
                }
            }
            if identifier == info::IDENTIFIER {
                for (kind, of) in [(INFO, "Info.plist"), (RESOURCES, "_CodeSignature/CodeResources")] {
                    assert_eq!(hex(signature.digest_of(kind)), sha256(file(&format!("Contents/{of}"))), "{of}");
                }
            }
        }
    }
    let resources: plist::Dictionary = plist::from_bytes(file("Contents/_CodeSignature/CodeResources")).unwrap();
    let listed = resources["files2"].as_dictionary().unwrap();
    // All but what the signature of the program itself covers.
    let covered =
        ["Contents/Info.plist", "Contents/PkgInfo", "Contents/MacOS/berth-desktop", "Contents/_CodeSignature"];
    for (path, node) in &sealed {
        if matches!(node, Found::File(..)) && !covered.iter().any(|prefix| path.starts_with(prefix)) {
            let path = path.strip_prefix("Contents/").unwrap();
            assert!(listed.contains_key(path), "{path} is not sealed");
        }
    }
    let kernel = "Resources/image/x86_64/vmlinuz";
    let digest = listed[kernel].as_dictionary().unwrap()["hash2"].as_data().unwrap();
    assert_eq!(hex(digest), sha256(&fs::read(Path::new(&app).join("Contents").join(kernel)).unwrap()));
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What a program has at the place that its load command names: blobs behind a table of their kinds.
struct Signature<'a> {
    bytes: &'a [u8],
}

impl<'a> Signature<'a> {
    fn of(program: &'a [u8]) -> Signature<'a> {
        let header = MachHeader64::<Endianness>::parse(program, 0).unwrap();
        let endian = header.endian().unwrap();
        let mut commands = header.load_commands(endian, program, 0).unwrap();
        while let Some(command) = commands.next().unwrap() {
            if command.cmd() == LC_CODE_SIGNATURE {
                let place: &LinkeditDataCommand<Endianness> = command.data().unwrap();
                let (at, length) = (place.dataoff.get(endian) as usize, place.datasize.get(endian) as usize);
                let bytes = &program[at..at + length];
                assert_eq!(number(bytes, 0), 0xfade_0cc0);
                return Signature { bytes };
            }
        }
        panic!("it is not signed")
    }

    /// The blob of this kind, from what it begins with.
    fn blob(&self, (kind, magic): (u32, u32)) -> Option<&'a [u8]> {
        let entries = (0..number(self.bytes, 8) as usize).map(|index| 12 + 8 * index);
        let at = entries.into_iter().find(|at| number(self.bytes, *at) == kind)?;
        let blob = &self.bytes[number(self.bytes, at + 4) as usize..];
        assert_eq!(number(blob, 0), magic);
        Some(&blob[..number(blob, 4) as usize])
    }

    fn directory(&self) -> &'a [u8] {
        self.blob(DIRECTORY).unwrap()
    }

    fn flags(&self) -> u32 {
        number(self.directory(), 12)
    }

    fn identifier(&self) -> &'a str {
        let name = &self.directory()[number(self.directory(), 20) as usize..];
        str::from_utf8(name.split(|byte| *byte == 0).next().unwrap()).unwrap()
    }

    /// Of what is no page of the program: such digests stand before those of the pages, backwards.
    fn digest_of(&self, kind: u32) -> &'a [u8] {
        assert!(kind <= number(self.directory(), 24), "there is no digest of {kind}");
        let at = number(self.directory(), 16) as usize - 32 * kind as usize;
        &self.directory()[at..at + 32]
    }

    /// Asserts that each page of the program has the digest that is written of it.
    fn check_pages(&self, program: &[u8]) {
        let directory = self.directory();
        // SHA-256, and pages as an exponent of two.
        assert_eq!(directory[36..38], [32, 2]);
        let digests = number(directory, 16) as usize;
        let signed = &program[..number(directory, 32) as usize];
        let pages: Vec<&[u8]> = signed.chunks(1 << directory[39]).collect();
        assert_eq!(pages.len(), number(directory, 28) as usize);
        for (index, page) in pages.into_iter().enumerate() {
            assert_eq!(hex(&directory[digests + 32 * index..][..32]), sha256(page), "page {index}");
        }
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}
