//! What Hyper-V refuses and why, in sentences: what happened, why, and what to do.

use std::fmt;

/// A call of Windows' that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was wanted, as in "cannot …".
    pub what: &'static str,
    /// An HRESULT.
    pub code: u32,
    /// What the service wrote; often nothing.
    pub detail: String,
}

/// HRESULTs (winerror.h; those of the service are listed at
/// <https://learn.microsoft.com/virtualization/api/hcs/reference/hcshresult>).
pub mod code {
    pub const ACCESS_DENIED: u32 = 0x8007_0005;
    pub const SHARING_VIOLATION: u32 = 0x8007_0020;
    pub const FILE_NOT_FOUND: u32 = 0x8007_0002;
    pub const PATH_NOT_FOUND: u32 = 0x8007_0003;
    pub const NOT_ENOUGH_MEMORY: u32 = 0x8007_000e;
    pub const NO_SYSTEM_RESOURCES: u32 = 0x8007_05aa;
    pub const COMMITMENT_LIMIT: u32 = 0x8007_05af;
    pub const MODULE_NOT_FOUND: u32 = 0x8007_007e;
    pub const PROCEDURE_NOT_FOUND: u32 = 0x8007_007f;
    pub const SERVICE_DISABLED: u32 = 0x8007_0422;
    pub const NO_SUCH_SERVICE: u32 = 0x8007_0424;
    pub const FILE_ENCRYPTED: u32 = 0x8007_177c;
    pub const FILE_CORRUPT: u32 = 0xc03a_0005;
    pub const HCS_TERMINATED_DURING_START: u32 = 0x8037_0100;
    pub const HCS_HYPERV_NOT_INSTALLED: u32 = 0x8037_0102;
    pub const HCS_INVALID_STATE: u32 = 0x8037_0105;
    pub const HCS_CONNECTION_TIMEOUT: u32 = 0x8037_0109;
    pub const HCS_INVALID_JSON: u32 = 0x8037_010d;
    pub const HCS_SYSTEM_NOT_FOUND: u32 = 0x8037_010e;
    pub const HCS_SYSTEM_ALREADY_EXISTS: u32 = 0x8037_010f;
    pub const HCS_SYSTEM_ALREADY_STOPPED: u32 = 0x8037_0110;
    pub const HCS_SERVICE_NOT_AVAILABLE: u32 = 0x8037_0114;
    pub const HCS_OPERATION_TIMEOUT: u32 = 0x8037_0118;
    pub const HCS_ACCESS_DENIED: u32 = 0x8037_011b;
    pub const HCS_SERVICE_DISCONNECT: u32 = 0x8037_011e;
}

impl Failure {
    /// `what` is not done, and nobody says why.
    pub fn timed_out(what: &'static str) -> Failure {
        Failure { what, code: code::HCS_OPERATION_TIMEOUT, detail: String::new() }
    }

    /// This user may not.
    pub fn is_denied(&self) -> bool {
        matches!(self.code, code::ACCESS_DENIED | code::HCS_ACCESS_DENIED)
    }

    /// The service or its library is not on this computer.
    pub fn is_not_installed(&self) -> bool {
        matches!(
            self.code,
            code::HCS_SERVICE_NOT_AVAILABLE
                | code::MODULE_NOT_FOUND
                | code::PROCEDURE_NOT_FOUND
                | code::NO_SUCH_SERVICE
                | code::SERVICE_DISABLED
        )
    }

    /// There is no such system, or not any more.
    pub fn is_gone(&self) -> bool {
        matches!(self.code, code::HCS_SYSTEM_NOT_FOUND | code::HCS_SYSTEM_ALREADY_STOPPED)
    }

    /// Why, and what to do.
    fn meaning(&self) -> &'static str {
        match self.code {
            code::HCS_HYPERV_NOT_INSTALLED => {
                "the hypervisor does not run, because virtualization is off in the firmware or a feature of Windows is: `berth diagnose` says which"
            }
            code::HCS_TERMINATED_DURING_START => {
                "it ended while it started: `berth machine logs` shows how far it came, then run `berth up` again"
            }
            code::NOT_ENOUGH_MEMORY | code::NO_SYSTEM_RESOURCES | code::COMMITMENT_LIMIT => {
                "Windows has not enough memory free: end other programs, or give the machine less with `berth config set memory_mib`"
            }
            code::SHARING_VIOLATION => {
                "another program has one of its files open, perhaps a scanner for viruses or a backup: end it, then run `berth up` again"
            }
            code::FILE_NOT_FOUND | code::PATH_NOT_FOUND => {
                "one of its files is not there: install berth again, which leaves your data alone"
            }
            code::FILE_ENCRYPTED => {
                "one of its files is encrypted by Windows: take that away from berth's folder in its properties, then run `berth up` again"
            }
            code::FILE_CORRUPT => "one of its disks is damaged: keep a copy of it, then `berth reset` makes a new one",
            code::HCS_INVALID_STATE | code::HCS_SYSTEM_ALREADY_STOPPED => {
                "it is not in a state for that: try again in a moment"
            }
            code::HCS_CONNECTION_TIMEOUT | code::HCS_OPERATION_TIMEOUT => {
                "it did not answer in time: try again, and restart Windows if it goes on"
            }
            code::HCS_INVALID_JSON => {
                "this Windows does not know what berth asks for: Windows 10 version 2004 or later is needed"
            }
            code::HCS_SYSTEM_NOT_FOUND => "it is not there any more: run `berth up`",
            code::HCS_SYSTEM_ALREADY_EXISTS => {
                "an earlier one is still there: try again in a moment, and restart Windows if it goes on"
            }
            code::HCS_SERVICE_DISCONNECT => {
                "Windows' compute service ended: run `berth up` again, and restart Windows if it goes on"
            }
            _ if self.is_denied() => "this user may not: `berth diagnose` says what to do",
            _ if self.is_not_installed() => "a feature of Windows is not on: `berth diagnose` says which",
            _ => "restart Windows if it goes on, and report it if that does not help",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hyper-V cannot {}: {} (0x{:08x}", self.what, self.meaning(), self.code)?;
        match self.detail.is_empty() {
            true => f.write_str(")"),
            false => write!(f, ", {})", self.detail),
        }
    }
}

impl std::error::Error for Failure {}

/// What the service says of a failure in its result document; empty where it says nothing that is for people.
pub fn detail(document: &str) -> String {
    #[derive(serde::Deserialize, Default)]
    #[serde(rename_all = "PascalCase", default)]
    struct ResultError {
        error_message: String,
    }
    let error: ResultError = serde_json::from_str(document).unwrap_or_default();
    error.error_message.trim().to_owned()
}

/// Why Hyper-V cannot run a machine here, or could not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HyperVError {
    #[error(
        "Windows' feature Virtual Machine Platform is off, which every edition has, Home too: in a terminal that was opened as administrator run `dism /online /enable-feature /featurename:VirtualMachinePlatform /all`, then restart Windows"
    )]
    FeatureOff,
    #[error(
        "virtualization is off in this computer's firmware: switch it on there (it is called Intel VT-x, AMD-V or SVM), then start Windows again"
    )]
    FirmwareOff,
    #[error(
        "Windows was started without its hypervisor: in a terminal that was opened as administrator run `bcdedit /set hypervisorlaunchtype auto`, then restart Windows"
    )]
    HypervisorOff,
    /// The group by its number, for its name is another one in each language; and the user, who need not be the one that is raised.
    #[error(
        "this user may not use Hyper-V: in a terminal that was opened as administrator run `powershell Add-LocalGroupMember -SID S-1-5-32-578 -Member {sid}`, which adds them to the group Hyper-V Administrators, then log out of Windows and in again; berth itself needs no administrator"
    )]
    NotPermitted { sid: String },
    #[error("a machine of Hyper-V has no network card, all goes over the link: run `berth config set network link`")]
    NetworkCard,
    #[error("what is known of this user cannot be read from Windows: {reason}; log in again")]
    Host { reason: String },
    #[error(
        "the console of the machine cannot be listened to: {reason}; end the other berth that uses it, then try again"
    )]
    Console { reason: String },
    #[error(transparent)]
    Failed(#[from] Failure),
    /// What had been made is still there, too.
    #[error("{cause}; and what was made of it could not be ended: {undo}")]
    NotUndone { cause: Failure, undo: Failure },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_says_what_why_and_what_to_do() {
        let say =
            |code, detail: &str| Failure { what: "start the machine", code, detail: detail.to_owned() }.to_string();
        assert_eq!(
            say(code::HCS_HYPERV_NOT_INSTALLED, ""),
            "Hyper-V cannot start the machine: the hypervisor does not run, because virtualization is off in the firmware or a feature of Windows is: `berth diagnose` says which (0x80370102)"
        );
        assert!(say(0x8000_4005, "so").ends_with("does not help (0x80004005, so)"));
        for code in [
            code::ACCESS_DENIED,
            code::SHARING_VIOLATION,
            code::FILE_NOT_FOUND,
            code::NOT_ENOUGH_MEMORY,
            code::NO_SUCH_SERVICE,
            code::FILE_ENCRYPTED,
            code::FILE_CORRUPT,
            code::HCS_TERMINATED_DURING_START,
            code::HCS_INVALID_STATE,
            code::HCS_CONNECTION_TIMEOUT,
            code::HCS_INVALID_JSON,
            code::HCS_SYSTEM_NOT_FOUND,
            code::HCS_SYSTEM_ALREADY_EXISTS,
            code::HCS_SERVICE_NOT_AVAILABLE,
            code::HCS_ACCESS_DENIED,
            code::HCS_SERVICE_DISCONNECT,
        ] {
            let text = say(code, "");
            assert!(!text.contains("report it"), "{text}");
            let does = ["berth ", "try again", "Windows 10 version", "end other programs"];
            assert!(does.iter().any(|does| text.contains(does)), "{text}");
        }
    }

    #[test]
    fn the_service_s_own_words_are_found() {
        assert_eq!(detail(r#"{"Error":-2147024891,"ErrorMessage":"Access is denied. "}"#), "Access is denied.");
        assert_eq!(detail(""), "");
        assert_eq!(detail("{}"), "");
    }
}
