//! `berth inspect`.

use rust_i18n::t;

use super::Engine;
use super::args::Inspect;
use super::template::Template;
use crate::Failure;
use crate::busy::answered;

/// What a name can name, in the order in which docker looks, and where the engine describes it.
const KINDS: [(&str, &str, &str); 4] = [
    ("container", "/containers/", "/json"),
    ("image", "/images/", "/json"),
    ("network", "/networks/", ""),
    ("volume", "/volumes/", ""),
];

/// The engine's own description, unchanged.
pub(crate) async fn inspect(engine: &Engine, inspect: Inspect) -> Result<i32, Failure> {
    let template = inspect.format.as_deref().map(Template::parse).transpose().map_err(|text| Failure::new(1, text))?;
    let mut found = Vec::new();
    let mut code = 0;
    for name in &inspect.names {
        match answered(describe(engine, name, inspect.kind.as_deref(), inspect.size)).await? {
            Some(value) => found.push(value),
            None => {
                let kind = inspect.kind.as_deref().unwrap_or("object");
                eprintln!("{}", t!("inspect.unknown", kind = t!(format!("kind.{kind}")), name = name));
                code = 1;
            }
        }
    }
    match template {
        None => print!("{}", indented(&format!("[{}]", found.join(",")))),
        Some(template) => {
            for text in &found {
                let value = serde_json::from_str(text).map_err(|error| Failure::new(1, error.to_string()))?;
                println!("{}", template.render(&value).map_err(|text| Failure::new(1, text))?);
            }
        }
    }
    Ok(code)
}

async fn describe(engine: &Engine, name: &str, kind: Option<&str>, size: bool) -> Result<Option<String>, Failure> {
    for (this, before, after) in KINDS.into_iter().filter(|(this, _, _)| kind.is_none_or(|kind| kind == *this)) {
        let size = if size && this == "container" { "?size=1" } else { "" };
        if let Some(value) = engine.get(&[before, &super::engine::encoded(name), after, size].concat()).await? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// JSON with four blanks for each level and a line for each value, in the order in which it came, as docker prints it.
fn indented(json: &str) -> String {
    let mut text = String::new();
    let mut level = 0_usize;
    let (mut in_string, mut escaped) = (false, false);
    let mut characters = json.chars().peekable();
    let line = |text: &mut String, level: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("    ", level));
    };
    while let Some(c) = characters.next() {
        if in_string {
            text.push(c);
            in_string = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                text.push(c);
                // What is empty stays on its line.
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    level += 1;
                    line(&mut text, level);
                }
            }
            '}' | ']' => {
                level = level.saturating_sub(1);
                line(&mut text, level);
                text.push(c);
            }
            ',' => {
                text.push(c);
                line(&mut text, level);
            }
            ':' => text.push_str(": "),
            c if c.is_ascii_whitespace() => (),
            c => {
                in_string = c == '"';
                text.push(c);
            }
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_order_and_gets_lines() {
        let json = r#"[{"b":"x, {\"y\": [\\","a":[ ],"n":{},"l":[1, null]}]"#;
        let expect = r#"[
    {
        "b": "x, {\"y\": [\\",
        "a": [],
        "n": {},
        "l": [
            1,
            null
        ]
    }
]
"#;
        assert_eq!(indented(json), expect);
        assert_eq!(indented("[]"), "[]\n");
    }
}
