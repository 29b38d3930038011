//! Output as the user's template says it: the part of Go's templates that docker's users write most.
//!
//! `{{.Name}}`, `{{.A.B}}`, `{{json .A}}`, `{{.}}`, `{{index .Map "key"}}` and text between them; `\t` and `\n` stand for what
//! they say. Everything else is refused by name, so that nothing is printed that the template does not mean.
//! Pure.

use serde_json::Value;

use super::format;

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// `table …`: one row per value below a heading.
    table: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Show { path: Vec<String>, json: bool },
}

impl Template {
    /// Reads what the user gave: a template, `table TEMPLATE`, or `json`.
    ///
    /// # Errors
    /// Names the first action that is not known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "json" {
            return Ok(Self { pieces: vec![Piece::Show { path: Vec::new(), json: true }], table: false });
        }
        let (table, text) = match text.strip_prefix("table ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, after) = after
                .split_once("}}")
                .ok_or_else(|| rust_i18n::t!("template.open", action = format!("{{{{{after}")).into_owned())?;
            literal(&mut pieces, before);
            pieces.push(read(action)?);
            rest = after;
        }
        literal(&mut pieces, rest);
        Ok(Self { pieces, table })
    }

    /// The rows of `values`, each with its end of line; below a heading when the template says `table`.
    ///
    /// # Errors
    /// Names a field that the values do not have.
    pub(super) fn lines(&self, values: &[Value], heading: &[(&str, &str)]) -> Result<String, String> {
        let rows = values.iter().map(|value| self.render(value)).collect::<Result<Vec<_>, _>>()?;
        if !self.table {
            return Ok(rows.into_iter().map(|row| row + "\n").collect());
        }
        let words = heading.iter().map(|(field, word)| ((*field).to_owned(), Value::from(*word))).collect();
        let heading = self.render(&Value::Object(words))?;
        let cells = |row: &String| row.split('\t').map(str::to_owned).collect();
        Ok(format::table(&std::iter::once(&heading).chain(&rows).map(cells).collect::<Vec<_>>()))
    }

    /// One value as the template says it.
    ///
    /// # Errors
    /// Names a field that the value does not have.
    pub(super) fn render(&self, value: &Value) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Show { path, json } => {
                    let found = find(value, path)?;
                    text.push_str(&if *json { found.to_string() } else { shown(found) });
                }
            }
        }
        Ok(text)
    }
}

fn literal(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.replace("\\t", "\t").replace("\\n", "\n")));
    }
}

fn read(action: &str) -> Result<Piece, String> {
    let unknown = || rust_i18n::t!("template.unknown", action = format!("{{{{{action}}}}}")).into_owned();
    let words: Vec<&str> = action.split_whitespace().collect();
    match words[..] {
        [field] => Ok(Piece::Show { path: path(field).ok_or_else(unknown)?, json: false }),
        ["json", field] => Ok(Piece::Show { path: path(field).ok_or_else(unknown)?, json: true }),
        ["index", field, key] => {
            let mut path = path(field).ok_or_else(unknown)?;
            path.push(key.trim_matches(['"', '`']).to_owned());
            Ok(Piece::Show { path, json: false })
        }
        _ => Err(unknown()),
    }
}

/// `.` is the empty path, `.A.B` has two names.
fn path(field: &str) -> Option<Vec<String>> {
    let names = field.strip_prefix('.')?;
    if names.is_empty() {
        return Some(Vec::new());
    }
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    names.split('.').map(|name| plain(name).then(|| name.to_owned())).collect()
}

fn find<'a>(value: &'a Value, path: &[String]) -> Result<&'a Value, String> {
    let mut here = value;
    for (nth, name) in path.iter().enumerate() {
        let next = match here {
            Value::Object(fields) => fields.get(name),
            Value::Array(items) => name.parse().ok().and_then(|nth: usize| items.get(nth)),
            _ => None,
        };
        here = next.ok_or_else(|| {
            let known = match here {
                Value::Object(fields) => fields.keys().cloned().collect::<Vec<_>>().join(", "),
                other => shown(other),
            };
            rust_i18n::t!("template.no_field", field = format!(".{}", path[..=nth].join(".")), known = known)
                .into_owned()
        })?;
    }
    Ok(here)
}

/// A value as Go prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| format!("{name}:{}", shown(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(template: &str, value: &Value) -> Result<String, String> {
        Template::parse(template)?.render(value)
    }

    #[test]
    fn what_is_known_is_printed() {
        let value = json!({
            "Id": "ab", "Ok": true, "N": 3, "State": { "Status": "up", "Error": null },
            "L": ["x", "y"], "M": { "a.b": "c" },
        });
        let check = |template: &str, expect: &str| assert_eq!(render(template, &value).as_deref(), Ok(expect));
        check("{{.Id}}", "ab");
        check("{{ .State.Status }} {{.Ok}} {{.N}}", "up true 3");
        check("{{.State.Error}} {{.L}} {{.M}}", "<nil> [x y] map[a.b:c]");
        check("{{json .State}}", r#"{"Error":null,"Status":"up"}"#);
        check("{{json .L}}\\t{{index .M \"a.b\"}} {{index .L 1}}", "[\"x\",\"y\"]\tc y");
        assert!(render("json", &value).unwrap().contains("\"Id\":\"ab\""));
    }

    #[test]
    fn the_rest_is_refused_by_name() {
        let value = json!({ "A": 1 });
        for (template, named) in [
            ("{{range .A}}x{{end}}", "{{range .A}}"),
            ("{{.A | upper}}", "{{.A | upper}}"),
            ("{{if .A}}", "{{if .A}}"),
            ("{{.A", "{{.A"),
            ("{{A}}", "{{A}}"),
            ("{{.B}}", ".B"),
            ("{{.A.C}}", ".A.C"),
        ] {
            let error = render(template, &value).unwrap_err();
            assert!(error.contains(named), "{template}: {error}");
        }
    }

    #[test]
    fn a_table_has_a_heading() {
        let rows = [json!({ "ID": "1", "Name": "one" })];
        let template = Template::parse("table {{.ID}}\\t{{.Name}}").unwrap();
        let text = template.lines(&rows, &[("ID", "CONTAINER ID"), ("Name", "NAMES")]).unwrap();
        assert_eq!(text, "CONTAINER ID   NAMES\n1              one\n");
    }
}
