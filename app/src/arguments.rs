//! What the program was started with.

/// Given at login: the tray, and no window until somebody wants it. It stays whatever the preferences say of a window that is closed.
pub(crate) const HIDDEN: &str = "--hidden";

/// Given by the desktop's menu: the quickstart terminal, and no window. Of a program that did not run the tray stays, as at login.
const TERMINAL: &str = "--terminal";

pub(crate) struct Arguments {
    pub(crate) terminal: bool,
    pub(crate) hidden: bool,
    /// The place of the pages that a link names.
    pub(crate) place: Option<String>,
}

impl Arguments {
    pub(crate) fn of_this_process() -> Arguments {
        // One that is no Unicode is none of ours.
        Arguments::of(
            &std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect::<Vec<_>>(),
        )
    }

    pub(crate) fn of(given: &[String]) -> Arguments {
        let is_given = |wanted: &str| given.iter().any(|argument| argument == wanted);
        let place = crate::places::of(given);
        // A link wants to be seen.
        Arguments { hidden: place.is_none() && is_given(HIDDEN), terminal: is_given(TERMINAL), place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_shown_even_by_a_hidden_program() {
        let of = |given: &[&str]| {
            let arguments = Arguments::of(&given.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>());
            (arguments.hidden, arguments.terminal, arguments.place)
        };
        assert_eq!(of(&[]), (false, false, None));
        assert_eq!(of(&["--hidden"]), (true, false, None));
        assert_eq!(of(&["--terminal"]), (false, true, None));
        assert_eq!(of(&["--hidden", "berth://images"]), (false, false, Some("#/images".to_owned())));
    }
}
