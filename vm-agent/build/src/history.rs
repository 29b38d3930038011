//! How the history of an image tells of its steps. Pure.

use containers::changes::Change;
use engine_api::{ContainerConfig, StrSlice};

/// A change as it came out, its variables substituted: what an image says by it is what it says of it. `after`: the configuration
/// that it led to; `text`: the instruction as written.
pub(crate) fn words(change: &Change, after: &ContainerConfig, text: &str) -> String {
    match change {
        Change::Cmd(_) => format!("CMD {}", quoted(after.cmd.as_ref())),
        Change::Entrypoint(_) => format!("ENTRYPOINT {}", quoted(after.entrypoint.as_ref())),
        Change::Env(pairs) => format!("ENV {}", joined(pairs)),
        Change::Label(pairs) => format!("LABEL {}", joined(pairs)),
        Change::Expose(ports) => format!("EXPOSE {}", ports.join(" ")),
        Change::Healthcheck(_) => {
            // Nothing in it is substituted.
            let (_, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            format!("HEALTHCHECK {}", rest.trim_start())
        }
        Change::Onbuild(trigger) => format!("ONBUILD {trigger}"),
        Change::StopSignal(signal) => format!("STOPSIGNAL {signal}"),
        Change::User(user) => format!("USER {user}"),
        Change::Volume(volumes) => format!("VOLUME [{}]", volumes.join(" ")),
        Change::Workdir(_) => format!("WORKDIR {}", after.working_dir),
    }
}

fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn quoted(words: Option<&StrSlice>) -> String {
    let words = words.map_or(&[][..], |words| &words[..]);
    format!("[{}]", words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use containers::changes::{Budget, apply, parse, substitute};

    #[test]
    fn what_came_out_is_told() {
        let env = ["V=1 2/udp".to_owned(), "W=w".to_owned(), "S=INT".to_owned()];
        for (text, expect) in [
            ("CMD a  b", "CMD [\"/bin/sh\" \"-c\" \"a  b\"]"),
            ("entrypoint []", "ENTRYPOINT []"),
            ("ENV a=$W b='c d'", "ENV a=w b=c d"),
            ("LABEL \"x y\"=$W", "LABEL x y=w"),
            ("EXPOSE $V", "EXPOSE 1 2/udp"),
            ("HEALTHCHECK  --retries=2 CMD  x $W", "HEALTHCHECK --retries=2 CMD  x $W"),
            ("ONBUILD RUN  $W", "ONBUILD RUN  $W"),
            ("STOPSIGNAL SIG$S", "STOPSIGNAL SIGINT"),
            ("USER ${W}x", "USER wx"),
            ("VOLUME /a $W", "VOLUME [/a w]"),
            ("WORKDIR $W", "WORKDIR /srv/w"),
        ] {
            let line = &parse(text).expect(text).instructions[0];
            let change = Change::new(line).expect(text);
            let budget = Budget::default();
            let change = substitute(change, [&[], &env], '\\', &budget).expect(text);
            let mut after = ContainerConfig { working_dir: "/srv".to_owned(), ..ContainerConfig::default() };
            apply(&mut after, change.clone(), &mut false, &budget).expect(text);
            assert_eq!(words(&change, &after, text), expect, "{text}");
        }
    }
}
