//! What a build may do that others may not (`--allow`). Pure.

use tonic::Status;

/// Into the engine's own network.
pub(crate) const HOST_NETWORK: &str = "network.host";

/// Whatever the engine may, on the machine that it runs on.
pub(crate) const INSECURE: &str = "security.insecure";

const DEVICE: &str = "device";

/// Whether a client may ask for these, in BuildKit's words; `insecure`: the engine's settings say so.
pub(crate) fn check(asked: &[String], insecure: bool) -> Result<(), Status> {
    for name in asked {
        match name.split('=').next().unwrap_or_default() {
            HOST_NETWORK if name == HOST_NETWORK => {}
            INSECURE if name == INSECURE && insecure => {}
            INSECURE if name == INSECURE => {
                let words = format!("granting entitlement {name} is not allowed by build daemon configuration");
                return Err(Status::unknown(words));
            }
            DEVICE => {
                let words = format!("the entitlement {name} (--allow): this builder gives no devices to steps");
                return Err(Status::unimplemented(words));
            }
            _ => return Err(Status::unknown(format!("unknown entitlement {name}"))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked_for_is_said_by_the_settings() {
        let told =
            |name: &str, insecure| check(&[name.to_owned()], insecure).err().map(|status| status.message().to_owned());
        assert_eq!(told("network.host", false), None);
        assert_eq!(told("security.insecure", true), None);
        let words = "granting entitlement security.insecure is not allowed by build daemon configuration";
        assert_eq!(told("security.insecure", false).as_deref(), Some(words));
        assert_eq!(told("network.hos", true).as_deref(), Some("unknown entitlement network.hos"));
        assert!(told("device=vendor.example/x=all", true).is_some_and(|words| words.contains("no devices")));
    }
}
