//! `--chmod`: an octal mode, or changes of one as chmod(1) takes them. Pure.

use crate::error::{Error, Result};

const READ: u32 = 0o444;
const WRITE: u32 = 0o222;
const EXECUTE: u32 = 0o111;
const SET_ID: u32 = 0o6000;
const STICKY: u32 = 0o1000;
/// All that `a` means.
const ALL: u32 = SET_ID | READ | WRITE | EXECUTE;

/// What becomes of a mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is this one, whatever it was.
    Octal(u32),
    Changes(Vec<Change>),
}

/// One operator with what it applies to: `go-w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The bits of those it is for.
    who: u32,
    operator: Operator,
    bits: u32,
    /// `X`: what can be executed by somebody, and directories.
    executes: bool,
    /// `g=u`: where to copy from, by how far its bits are shifted.
    copies: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

impl Mode {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`Error::Mode`]
    pub(crate) fn parse(text: &str) -> Result<Mode> {
        let refused = || Error::Mode(text.to_owned());
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let octal = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
            return octal.map(Mode::Octal).ok_or_else(refused);
        }
        let clauses = text.split(',').map(|clause| changes(clause).ok_or_else(refused));
        Ok(Mode::Changes(clauses.collect::<Result<Vec<_>>>()?.concat()))
    }

    /// The mode that something has afterwards.
    pub(crate) fn of(&self, mode: u32, is_directory: bool) -> u32 {
        let changes = match self {
            Mode::Octal(mode) => return *mode,
            Mode::Changes(changes) => changes,
        };
        let before = mode;
        changes.iter().fold(mode, |mode, change| {
            let mut bits = change.bits;
            if change.executes && (is_directory || before & EXECUTE != 0) {
                bits |= EXECUTE;
            }
            if let Some(shift) = change.copies {
                let copied = mode >> shift & 0o7;
                bits |= copied << 6 | copied << 3 | copied;
            }
            match change.operator {
                Operator::Add => mode | bits & change.who,
                Operator::Remove => mode & !(bits & change.who),
                Operator::Set => mode & !change.who | bits & change.who,
            }
        })
    }
}

/// `[ugoa…]` and then any number of operators, each with what it sets; `None` for what is none.
fn changes(clause: &str) -> Option<Vec<Change>> {
    let named = clause.find(|c| !"ugoa".contains(c))?;
    let who = clause[..named].chars().fold(0, |who, c| {
        who | match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o7,
            _ => ALL,
        }
    });
    // There is no mask in a build: nobody named is everybody.
    let who = if named == 0 { ALL } else { who };
    let mut all = Vec::new();
    let mut rest = clause[named..].chars().peekable();
    while let Some(operator) = rest.next() {
        let operator = match operator {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        let mut change = Change { who, operator, bits: 0, executes: false, copies: None };
        while let Some(c) = rest.next_if(|c| !"+-=".contains(*c)) {
            match c {
                'r' => change.bits |= READ,
                'w' => change.bits |= WRITE,
                'x' => change.bits |= EXECUTE,
                'X' => change.executes = true,
                // Others have neither.
                's' => change.bits |= SET_ID,
                't' if who & !0o7 != 0 => {
                    change.bits |= STICKY;
                    change.who |= STICKY;
                }
                't' => {}
                'u' | 'g' | 'o' if change.copies.is_none() => {
                    change.copies = Some(match c {
                        'u' => 6,
                        'g' => 3,
                        _ => 0,
                    });
                }
                _ => return None,
            }
        }
        all.push(change);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change_as_chmod_does_it() {
        for (text, mode, is_directory, expect) in [
            ("755", 0o600, false, 0o755),
            ("0", 0o600, false, 0),
            ("07777", 0, false, 0o7777),
            ("u+x", 0o644, false, 0o744),
            ("go-w", 0o666, false, 0o644),
            ("+x", 0o644, false, 0o755),
            ("a=r", 0o4755, false, 0o444),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("a+X", 0o644, false, 0o644),
            ("u=rwx,go=u-w", 0, false, 0o755),
            ("g=u", 0o741, false, 0o771),
            ("u+s,g+s,+t", 0o755, false, 0o7755),
            ("o+t,o+s", 0o755, false, 0o755),
            ("go=", 0o777, false, 0o700),
            ("u-x+w", 0o511, false, 0o611),
        ] {
            assert_eq!(Mode::parse(text).expect(text).of(mode, is_directory), expect, "{text} of {mode:o}");
        }
        for text in ["", "8", "10000", "u", "u+q", "x", ",u+x", "u+x,", "+x y", "-1", "u=go"] {
            assert!(Mode::parse(text).is_err(), "{text}");
        }
    }
}
