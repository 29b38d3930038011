//! Who may do what with a machine's sockets and its console, as SDDL. Text alone.

/// Windows itself, and nobody else.
pub(super) const SYSTEM_ALONE: &str = "D:P(A;;FA;;;SY)";

/// The user `sid` and Windows itself; protected, so that nothing is inherited.
pub(super) fn user_and_system(sid: &str) -> String {
    format!("D:P(A;;FA;;;SY)(A;;FA;;;{sid})")
}

/// Who may open the pipe of a console: besides the user and Windows the processes that run machines, which have an account each; what
/// they have in common is `S-1-5-83-0`, "NT VIRTUAL MACHINE\Virtual Machines".
pub fn console(sid: &str) -> String {
    format!("D:P(A;;GA;;;SY)(A;;GA;;;S-1-5-83-0)(A;;GA;;;{sid})")
}
