//! What is said while another program keeps something locked.

use host::locks::Held;
use rust_i18n::t;

/// On standard error, also where that is no terminal: a script that hangs is looked into there.
pub(crate) fn tell(held: &Held) {
    let path = held.path.display();
    eprintln!(
        "{}",
        match held.pid {
            Some(pid) => t!("waiting.process", path = path, pid = pid),
            None => t!("waiting.program", path = path),
        }
    );
}
