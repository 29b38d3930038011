//! Whether Hyper-V can run a machine on this computer, from facts; each refusal has its remedy.
//!
//! Nothing here asks for a raised process, and no edition of Windows is refused for its name: Virtual Machine Platform is on Home, too.

use super::failure::{Failure, HyperVError};

/// What this computer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Windows runs on its own hypervisor.
    pub hypervisor: bool,
    /// Virtualization is on in the firmware; under a running hypervisor Windows may deny it.
    pub firmware: bool,
    /// The number of the user.
    pub sid: String,
}

/// `asked`: what the service answered.
///
/// # Errors
/// Why not, with what to do. Of several reasons the one that must be seen to first.
pub fn verdict(asked: Result<(), Failure>, facts: &Facts) -> Result<(), HyperVError> {
    match asked {
        Err(failure) if failure.is_denied() => Err(HyperVError::NotPermitted { sid: facts.sid.clone() }),
        Err(failure) if failure.is_not_installed() => Err(HyperVError::FeatureOff),
        Err(failure) => Err(HyperVError::Failed(failure)),
        Ok(()) if facts.hypervisor => Ok(()),
        Ok(()) if !facts.firmware => Err(HyperVError::FirmwareOff),
        Ok(()) => Err(HyperVError::HypervisorOff),
    }
}

/// The better answer to a start that failed: what was checked before may have changed, or only shows then.
pub fn explained(failure: Failure, facts: &Facts) -> HyperVError {
    use super::failure::code;
    match failure.code {
        code::HCS_HYPERV_NOT_INSTALLED if !facts.hypervisor && !facts.firmware => HyperVError::FirmwareOff,
        code::HCS_HYPERV_NOT_INSTALLED if !facts.hypervisor => HyperVError::HypervisorOff,
        code::HCS_HYPERV_NOT_INSTALLED | code::HCS_SERVICE_NOT_AVAILABLE => HyperVError::FeatureOff,
        code::HCS_ACCESS_DENIED => HyperVError::NotPermitted { sid: facts.sid.clone() },
        _ => HyperVError::Failed(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::code;
    use super::*;

    fn facts(hypervisor: bool, firmware: bool) -> Facts {
        Facts { hypervisor, firmware, sid: "S-1-5-21-7-1001".to_owned() }
    }

    fn failed(code: u32) -> Failure {
        Failure { what: "ask", code, detail: String::new() }
    }

    #[test]
    fn what_is_missing_is_named_in_the_order_in_which_it_must_be_seen_to() {
        let cases = [
            (Ok(()), facts(true, true), None),
            // Under its own hypervisor Windows denies that there is anything left to virtualize with.
            (Ok(()), facts(true, false), None),
            (Ok(()), facts(false, false), Some(HyperVError::FirmwareOff)),
            (Ok(()), facts(false, true), Some(HyperVError::HypervisorOff)),
            (Err(failed(code::MODULE_NOT_FOUND)), facts(false, false), Some(HyperVError::FeatureOff)),
            (Err(failed(code::NO_SUCH_SERVICE)), facts(false, true), Some(HyperVError::FeatureOff)),
            (Err(failed(code::HCS_SERVICE_NOT_AVAILABLE)), facts(false, true), Some(HyperVError::FeatureOff)),
            (
                Err(failed(code::HCS_ACCESS_DENIED)),
                facts(true, true),
                Some(HyperVError::NotPermitted { sid: "S-1-5-21-7-1001".to_owned() }),
            ),
            (Err(failed(1)), facts(true, true), Some(HyperVError::Failed(failed(1)))),
        ];
        for (asked, facts, expected) in cases {
            assert_eq!(verdict(asked.clone(), &facts).err(), expected, "{asked:?} {facts:?}");
        }
    }

    #[test]
    fn remedies_are_whole_commands() {
        let text = HyperVError::NotPermitted { sid: "S-1-5-21-7-1001".to_owned() }.to_string();
        let command = "`powershell Add-LocalGroupMember -SID S-1-5-32-578 -Member S-1-5-21-7-1001`";
        assert!(text.contains(command), "{text}");
        let text = HyperVError::FeatureOff.to_string();
        assert!(text.contains("`dism /online /enable-feature /featurename:VirtualMachinePlatform /all`"), "{text}");
        assert!(text.contains("Home"), "{text}");
        assert!(HyperVError::HypervisorOff.to_string().contains("`bcdedit /set hypervisorlaunchtype auto`"));
    }

    #[test]
    fn a_start_that_fails_for_a_missing_part_says_which() {
        let failure = failed(code::HCS_HYPERV_NOT_INSTALLED);
        assert_eq!(explained(failure.clone(), &facts(false, false)), HyperVError::FirmwareOff);
        assert_eq!(explained(failure.clone(), &facts(false, true)), HyperVError::HypervisorOff);
        assert_eq!(explained(failure, &facts(true, true)), HyperVError::FeatureOff);
        assert_eq!(explained(failed(2), &facts(true, true)), HyperVError::Failed(failed(2)));
    }
}
