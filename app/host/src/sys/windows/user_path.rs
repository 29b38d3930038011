//! The user's part of `PATH`, in the registry. The list of the system goes before it and is an administrator's.

use std::io;

use windows_registry::{CURRENT_USER, Type};

use crate::{Error, Result};

const KEY: &str = "Environment";
const VALUE: &str = "Path";
/// `ERROR_FILE_NOT_FOUND` as an HRESULT: there is no such value.
const NOT_FOUND: i32 = 0x8007_0002_u32 as i32;

/// Writes what `change` makes of the list, if anything.
pub(in crate::sys) fn change_user_path(change: impl FnOnce(&str) -> Option<String>) -> Result<bool> {
    let open = CURRENT_USER.options().read().write().create().open(KEY);
    let key = open.map_err(|error| failed(error.into()))?;
    // One that cannot be read whole is not written back.
    let (kind, list) = match key.get_type(VALUE) {
        Ok(kind) => (kind, key.get_string(VALUE).map_err(|error| failed(error.into()))?),
        Err(error) if error.code().0 == NOT_FOUND => (Type::ExpandString, String::new()),
        Err(error) => return Err(failed(error.into())),
    };
    let Some(list) = change(&list) else { return Ok(false) };
    // In a list of the other kind `%NAME%` means itself.
    let written = match kind {
        Type::String => key.set_string(VALUE, &list),
        _ => key.set_expand_string(VALUE, &list),
    };
    written.map_err(|error| failed(error.into()))?;
    Ok(true)
}

fn failed(source: io::Error) -> Error {
    Error::UserPath { source }
}
