//! Quotes and variables in a word, as a shell has them: `"a b"`, `$x`, `${x:-default}`, `${x%.txt}`, `${x//a/b}`.

use super::budget::Budget;
use super::pattern;
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

/// Substitutions within one another; each takes some of the stack.
const NESTED: usize = 64;

/// Why a word cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidWord {
    #[error("unexpected end of statement while looking for matching {0}")]
    Unclosed(&'static str),
    #[error("unexpected end of statement while looking for matching {0}")]
    Unended(char),
    #[error("syntax error: missing '{0}'")]
    Missing(&'static str),
    #[error("syntax error: bad substitution")]
    Substitution,
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    #[error("{name}: {message}")]
    Demanded { name: String, message: String },
    #[error("invalid pattern ({pattern}) in substitution: invalid escape '\\{escaped}'")]
    Pattern { pattern: String, escaped: char },
    #[error("substitutions are nested more than {NESTED} deep")]
    Nested,
    #[error("{0} of the substitutions is too large")]
    Large(&'static str),
}

/// A word being read.
#[derive(Debug)]
pub struct Words<'a> {
    rest: Peekable<Chars<'a>>,
    env: &'a [String],
    /// For what `env` has not.
    outer: &'a [String],
    escape: char,
    budget: &'a Budget,
    /// How many substitutions are open.
    depth: usize,
    /// Quotes are characters like others.
    literal: bool,
    used: Used,
}

/// Which variables a word has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    pub known: BTreeSet<String>,
    pub unknown: BTreeSet<String>,
}

/// What was read: the text as a whole, and the words in it.
#[derive(Debug, Default)]
struct Read {
    text: String,
    words: Vec<String>,
    word: String,
}

impl Read {
    /// What was quoted or escaped parts no words.
    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
    }

    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        for c in text.chars() {
            if !c.is_whitespace() {
                self.word.push(c);
            } else if !self.word.is_empty() {
                self.words.push(std::mem::take(&mut self.word));
            }
        }
    }
}

impl<'a> Words<'a> {
    pub fn new(word: &'a str, [env, outer]: [&'a [String]; 2], escape: char, budget: &'a Budget) -> Words<'a> {
        Words {
            rest: word.chars().peekable(),
            env,
            outer,
            escape,
            budget,
            depth: 0,
            literal: false,
            used: Used::default(),
        }
    }

    /// The text with its quotes gone and its variables substituted.
    ///
    /// # Errors
    ///
    /// [`InvalidWord`]
    pub fn one(mut self) -> Result<String, InvalidWord> {
        Ok(self.read(None, false)?.text)
    }

    /// [`one`](Words::one) or, for `is_text`, [`text`](Words::text), with the variables that were met, be they set or not.
    pub fn traced(mut self, is_text: bool) -> (Result<String, InvalidWord>, Used) {
        self.literal = is_text;
        let read = self.read(None, false).map(|read| read.text);
        (read, self.used)
    }

    /// The same for text in which quotes stay: that of a here-document.
    ///
    /// # Errors
    ///
    /// [`InvalidWord`]
    pub fn text(mut self) -> Result<String, InvalidWord> {
        self.literal = true;
        Ok(self.read(None, false)?.text)
    }

    /// The same, parted by the white space that is not quoted.
    ///
    /// # Errors
    ///
    /// [`InvalidWord`]
    pub fn several(mut self) -> Result<Vec<String>, InvalidWord> {
        let mut read = self.read(None, false)?;
        if !read.word.is_empty() {
            read.words.push(read.word);
        }
        Ok(read.words)
    }

    /// Up to `stop`, which is taken too, or to the end. `keep`: escape characters stay, since a pattern is read.
    fn read(&mut self, stop: Option<char>, keep: bool) -> Result<Read, InvalidWord> {
        let mut read = Read::default();
        while let Some(&c) = self.rest.peek() {
            if Some(c) == stop {
                self.rest.next();
                return Ok(read);
            }
            match c {
                '\'' if !self.literal => read.raw(&self.single_quoted()?),
                '"' if !self.literal => read.raw(&self.double_quoted(keep)?),
                '$' => {
                    let value = self.dollar()?;
                    read.plain(&value);
                }
                _ => {
                    self.rest.next();
                    if c != self.escape {
                        read.plain(c.encode_utf8(&mut [0; 4]));
                        continue;
                    }
                    if keep {
                        read.raw(c.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(escaped) = self.rest.next() {
                        read.raw(escaped.encode_utf8(&mut [0; 4]));
                    }
                }
            }
        }
        match stop {
            Some(stop) => Err(InvalidWord::Unended(stop)),
            None => Ok(read),
        }
    }

    fn single_quoted(&mut self) -> Result<String, InvalidWord> {
        self.rest.next();
        let mut text = String::new();
        for c in self.rest.by_ref() {
            if c == '\'' {
                return Ok(text);
            }
            text.push(c);
        }
        Err(InvalidWord::Unclosed("single-quote"))
    }

    fn double_quoted(&mut self, keep: bool) -> Result<String, InvalidWord> {
        self.rest.next();
        let mut text = String::new();
        while let Some(&c) = self.rest.peek() {
            if c == '$' {
                text.push_str(&self.dollar()?);
                continue;
            }
            self.rest.next();
            if c == '"' {
                return Ok(text);
            }
            if c != self.escape {
                text.push(c);
                continue;
            }
            if keep {
                text.push(c);
            }
            match self.rest.peek().copied() {
                // At the end of the word it means nothing.
                None => {}
                Some(escaped) if escaped == '"' || escaped == '$' || escaped == self.escape => {
                    self.rest.next();
                    text.push(escaped);
                }
                Some(_) => text.push(c),
            }
        }
        Err(InvalidWord::Unclosed("double-quote"))
    }

    fn dollar(&mut self) -> Result<String, InvalidWord> {
        self.rest.next();
        if self.rest.peek() != Some(&'{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.variable(&name)?.unwrap_or_default() });
        }
        self.rest.next();
        if self.depth == NESTED {
            return Err(InvalidWord::Nested);
        }
        self.depth += 1;
        let value = self.braced();
        self.depth -= 1;
        value
    }

    /// From behind `${`.
    fn braced(&mut self) -> Result<String, InvalidWord> {
        match self.rest.peek() {
            None => return Err(InvalidWord::Missing("}")),
            Some('{' | '}' | ':') => return Err(InvalidWord::Substitution),
            Some(_) => {}
        }
        let name = self.name();
        let value = self.variable(&name)?;
        match self.next() {
            '}' => Ok(value.unwrap_or_default()),
            ':' => match self.next() {
                modifier @ ('+' | '-' | '?') => self.choose(&name, value, modifier, true),
                '#' => Err(InvalidWord::Modifier(":#".to_owned())),
                '%' => Err(InvalidWord::Modifier(":%".to_owned())),
                other => {
                    self.argument('}', false)?;
                    Err(InvalidWord::Modifier(format!(":{other}")))
                }
            },
            modifier @ ('+' | '-' | '?') => self.choose(&name, value, modifier, false),
            modifier @ ('#' | '%') => {
                let pattern = self.argument('}', true)?;
                pattern::trim(&value.unwrap_or_default(), &pattern, modifier, self.budget)
            }
            '/' => self.replace(&value.unwrap_or_default()),
            other => Err(InvalidWord::Modifier(other.to_string())),
        }
    }

    /// `-` a default, `+` something instead, `?` a demand. `empty`: an empty variable counts as none.
    fn choose(
        &mut self,
        name: &str,
        value: Option<String>,
        modifier: char,
        empty: bool,
    ) -> Result<String, InvalidWord> {
        let word = self.argument('}', false)?;
        let is_set = value.is_some();
        let value = value.filter(|value| !empty || !value.is_empty());
        match (modifier, value) {
            ('-', None) => Ok(word),
            ('+', None) => Ok(String::new()),
            ('+', Some(_)) => Ok(word),
            ('?', None) => {
                let standard = if is_set { "is not allowed to be empty" } else { "is not allowed to be unset" };
                let message = if word.is_empty() { standard.to_owned() } else { word };
                Err(InvalidWord::Demanded { name: name.to_owned(), message })
            }
            (_, Some(value)) => Ok(value),
            (other, None) => Err(InvalidWord::Modifier(other.to_string())),
        }
    }

    /// `/pattern/replacement`, with another slash in front for all of them.
    fn replace(&mut self, value: &str) -> Result<String, InvalidWord> {
        let all = self.rest.next_if_eq(&'/').is_some();
        let pattern = self.argument('/', true)?;
        let replacement = self.argument('}', true)?;
        pattern::replace(value, &pattern, &replacement, all, self.budget)
    }

    fn argument(&mut self, stop: char, keep: bool) -> Result<String, InvalidWord> {
        match self.read(Some(stop), keep) {
            Ok(read) => Ok(read.text),
            Err(error @ (InvalidWord::Nested | InvalidWord::Large(_))) => Err(error),
            Err(_) if self.rest.peek().is_none() => {
                Err(InvalidWord::Missing(if stop == '/' { "/' in ${}" } else { "}" }))
            }
            Err(error) => Err(error),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.rest.peek().copied() {
            Some(c) if c.is_numeric() => {
                while let Some(digit) = self.rest.next_if(|c| c.is_numeric()) {
                    name.push(digit);
                }
            }
            Some(c @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                self.rest.next();
                name.push(c);
            }
            _ => {
                while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(c);
                }
            }
        }
        name
    }

    fn next(&mut self) -> char {
        self.rest.next().unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn variable(&mut self, name: &str) -> Result<Option<String>, InvalidWord> {
        let of = |variable: &&String| variable.split('=').next() == Some(name);
        let Some(found) = self.env.iter().rfind(of).or_else(|| self.outer.iter().rfind(of)) else {
            self.used.unknown.insert(name.to_owned());
            return Ok(None);
        };
        self.used.known.insert(name.to_owned());
        let value = found.split_once('=').map_or("", |(_, value)| value);
        self.budget.grow(value.len())?;
        Ok(Some(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_substituted_as_in_a_shell() {
        let env = ["x=a.tar.gz".to_owned(), "e=".to_owned(), "n=1 2".to_owned()];
        let budget = Budget::default();
        let check = |word: &str, expect: &str| {
            let read = Words::new(word, [&env, &[]], '\\', &budget).one().map_err(|error| error.to_string());
            assert_eq!(read.as_deref(), Ok(expect), "{word}");
        };
        check("$x", "a.tar.gz");
        check("${x}y$", "a.tar.gzy$");
        check("'$x' \"$x\" \\$x", "$x a.tar.gz $x");
        check(r#""a\"b\n""#, r#"a"b\n"#);
        check("${none:-d}${e:-d}${e-d}${x:-d}", "dda.tar.gz");
        check("${none:+d}${e:+d}${e+d}${x:+d}", "dd");
        check("${x#*.}|${x##*.}|${x%.*}|${x%%.*}", "tar.gz|gz|a.tar|a");
        check("${x/a/b}|${x//a/b}|${x/.*r/}", "b.tar.gz|b.tbr.gz|a.gz");
        check("${none:-${x}}", "a.tar.gz");
        check("${x%?*z}|${x%%t?r*}|${x%none}|${x//a/<'$0'>}", "a.tar.|a.|a.tar.gz|<a>.t<a>r.gz");
        let text = Words::new("'$x' \"${e:-a \"b\"}\" \\$x\n", [&env, &[]], '\\', &budget).text().expect("text");
        assert_eq!(text, "'a.tar.gz' \"a \"b\"\" $x\n");
        let (_, used) = Words::new("$x${none:-$y}\\$z", [&env, &[]], '\\', &budget).traced(false);
        assert_eq!(used.known.into_iter().collect::<Vec<_>>(), ["x"]);
        assert_eq!(used.unknown.into_iter().collect::<Vec<_>>(), ["none", "y"]);
        let outer = ["x=o".to_owned(), "y=p".to_owned()];
        assert_eq!(Words::new("$x$y", [&env, &outer], '\\', &budget).one().expect("a word"), "a.tar.gzp");
        let words = Words::new("$n \"$n\" z", [&env, &[]], '\\', &budget).several().expect("words");
        assert_eq!(words, ["1", "2", "1 2", "z"]);
    }
}
