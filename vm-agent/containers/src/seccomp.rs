//! Compiled system call filters, shared by all containers that have the same.
//!
//! Nearly every container runs under the default profile with the default capabilities; compiling it anew would be a good part
//! of a start, and keeping a copy per container a good part of its memory.

use crate::Result;
use crate::record::Record;
use crate::spec::security::{Seccomp, SecurityOptions, capabilities, parse_options, seccomp};
use runtime::seccomp::{Program, compile};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Filters kept at most; beyond it all are forgotten and compiled again when needed.
const KEPT: usize = 32;

/// What a filter depends on: the profile and the capabilities.
type Key = (Option<String>, Vec<String>);

#[derive(Debug, Default)]
pub(crate) struct Filters {
    compiled: Mutex<HashMap<Key, Arc<Program>>>,
}

impl Filters {
    /// The filter of a container's processes; `None`: unconfined.
    pub(crate) fn of(&self, record: &Record) -> Result<Option<Arc<Program>>> {
        let options: SecurityOptions = parse_options(record.host.security_opt.as_deref().unwrap_or_default())?;
        let capabilities = capabilities(&record.host)?;
        let profile = match &options.seccomp {
            Seccomp::Unconfined => return Ok(None),
            Seccomp::Default if record.host.privileged => return Ok(None),
            Seccomp::Default => None,
            Seccomp::Profile(json) => Some(json.clone()),
        };
        let key = (profile, capabilities);
        let known = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(program) = known {
            return Ok(Some(program));
        }
        let Some(filter) = seccomp(&options, record.host.privileged, &key.1)? else { return Ok(None) };
        let program = Arc::new(compile(&filter)?);
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        compiled.insert(key, Arc::clone(&program));
        Ok(Some(program))
    }
}
