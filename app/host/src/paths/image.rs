//! Where the guest image is.

use std::env;
use std::path::{Path, PathBuf};

use super::Paths;
use crate::architecture::Architecture;

impl Paths {
    /// Where installed guest images are looked for, in this order.
    pub fn image_candidates(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        if let Some(dir) = env::var_os("BERTH_IMAGE_DIR").filter(|dir| !dir.is_empty()) {
            return vec![PathBuf::from(dir)];
        }
        // Before all that lies about in the user's folders: a program that was installed came with an image of its own version.
        dirs.extend(env::current_exe().ok().and_then(|program| installed_image(&program)));
        dirs.push(self.of_default.data.join("image"));
        dirs.push(self.cache.join("image").join("current"));
        // What `cargo image` builds lies in the user's cache even when `BERTH_HOME` moves everything else.
        let built = super::user_cache().map(|cache| cache.join("image").join("current"));
        dirs.extend(built.filter(|built| !dirs.contains(built)));
        dirs
    }
}

/// Where packages put the image for the program at `program`: `PREFIX/lib/berth/image` for `PREFIX/bin/berth`, be it below `/usr` or
/// wherever somebody unpacked it, and in an app for macOS one for each processor, `Contents/Resources/image/aarch64` for
/// `Contents/MacOS/berth`. `None` where there is none.
fn installed_image(program: &Path) -> Option<PathBuf> {
    // What is on PATH may be a link, and macOS tells its path.
    [program.to_path_buf()].into_iter().chain(program.canonicalize().ok()).find_map(|program| {
        let prefix = program.parent()?.parent()?.to_path_buf();
        let of_app = prefix.join("Resources").join("image").join(Architecture::NATIVE.name());
        [prefix.join("lib").join("berth").join("image"), of_app].into_iter().find(|image| image.is_dir())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_program_has_its_image_beside_it() {
        let prefix = tempfile::tempdir().unwrap();
        let program = prefix.path().join("bin/berth");
        assert_eq!(installed_image(&program), None);
        let image = prefix.path().join("lib/berth/image");
        std::fs::create_dir_all(&image).unwrap();
        assert_eq!(installed_image(&program), Some(image));
        assert_eq!(installed_image(Path::new("berth")), None);
        let contents = prefix.path().join("Berth.app/Contents");
        let image = contents.join("Resources/image").join(Architecture::NATIVE.name());
        std::fs::create_dir_all(&image).unwrap();
        assert_eq!(installed_image(&contents.join("MacOS/berth")), Some(image));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_is_called_by_a_link_has_its_image_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (image, programs) = (folder.join("app/lib/berth/image"), folder.join("app/bin"));
        for path in [&image, &programs, &folder.join("bin")] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::write(programs.join("berth"), "").unwrap();
        let link = folder.join("bin/berth");
        std::os::unix::fs::symlink(programs.join("berth"), &link).unwrap();
        assert_eq!(installed_image(&link), Some(image));
    }
}
