//! `--mount`: pure.

use bollard::models::{
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType, MountVolumeOptions,
};

use super::options::{bytes, wrong};

/// All mounts that were asked for; `None` when there are none.
pub(super) fn of(texts: &[String]) -> Result<Option<Vec<Mount>>, String> {
    let all = texts.iter().map(|text| mount(text)).collect::<Result<Vec<_>, _>>()?;
    Ok((!all.is_empty()).then_some(all))
}

fn mount(text: &str) -> Result<Mount, String> {
    let bad = |what: &str| wrong("--mount", what, "mount");
    let mut mount = Mount { typ: Some(MountType::VOLUME), ..Mount::default() };
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let flag = || match value {
            "" | "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(bad(field)),
        };
        match key.to_ascii_lowercase().as_str() {
            "type" => {
                mount.typ = Some(match value {
                    "volume" => MountType::VOLUME,
                    "bind" => MountType::BIND,
                    "tmpfs" => MountType::TMPFS,
                    _ => return Err(bad(field)),
                });
            }
            "source" | "src" => mount.source = Some(value.to_owned()),
            "target" | "dst" | "destination" => mount.target = Some(value.to_owned()),
            "readonly" | "ro" => mount.read_only = Some(flag()?),
            "volume-nocopy" => volume(&mut mount).no_copy = Some(flag()?),
            "volume-subpath" => volume(&mut mount).subpath = Some(value.to_owned()),
            "volume-label" => {
                let (name, text) = value.split_once('=').unwrap_or((value, ""));
                volume(&mut mount).labels.get_or_insert_default().insert(name.to_owned(), text.to_owned());
            }
            "tmpfs-size" => tmpfs(&mut mount).size_bytes = Some(bytes("--mount tmpfs-size", value)?),
            "tmpfs-mode" => {
                tmpfs(&mut mount).mode = Some(i64::from_str_radix(value, 8).map_err(|_| bad(field))?);
            }
            "bind-propagation" => {
                let propagation: MountBindOptionsPropagationEnum = value.parse().map_err(|_| bad(field))?;
                mount.bind_options.get_or_insert_with(MountBindOptions::default).propagation = Some(propagation);
            }
            _ => return Err(bad(field)),
        }
    }
    match mount.target.as_deref() {
        None | Some("") => Err(wrong("--mount", text, "mount_target")),
        Some(_) => Ok(mount),
    }
}

fn volume(mount: &mut Mount) -> &mut MountVolumeOptions {
    mount.volume_options.get_or_insert_with(MountVolumeOptions::default)
}

fn tmpfs(mount: &mut Mount) -> &mut MountTmpfsOptions {
    mount.tmpfs_options.get_or_insert_with(MountTmpfsOptions::default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_in_docker_s_spelling() {
        let one = mount("type=volume,src=data,dst=/data,readonly,volume-nocopy=true").unwrap();
        assert_eq!((one.source.as_deref(), one.target.as_deref()), (Some("data"), Some("/data")));
        assert_eq!((one.typ, one.read_only), (Some(MountType::VOLUME), Some(true)));
        assert_eq!(one.volume_options.unwrap().no_copy, Some(true));
        let one = mount("type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770").unwrap().tmpfs_options.unwrap();
        assert_eq!((one.size_bytes, one.mode), (Some(64 << 20), Some(0o1770)));
        for wrong in ["src=data", "target=", "type=floppy,target=/f", "target=/f,colour=red", "target=/f,ro=perhaps"] {
            assert!(mount(wrong).unwrap_err().contains("--mount"), "{wrong}");
        }
    }
}
