//! One declaration: from a JSON schema, as `schemars` makes it of our types, to TypeScript.

use std::collections::BTreeSet;

use serde_json::{Map as Object, Value};

/// A type as TypeScript declares it.
#[derive(Debug)]
pub struct Declaration {
    pub name: String,
    /// What it is made of.
    pub rust_name: String,
    pub text: String,
    /// The other types it names.
    pub uses: BTreeSet<String>,
}

impl Declaration {
    /// What is skipped when empty is never `null`: see the conventions of `engine-api`.
    pub fn answer(name: &str, schema: &Value) -> Self {
        Printer { inputs: &BTreeSet::new(), absent_is_null: false, uses: BTreeSet::new() }.declare(name, schema)
    }

    /// `inputs` are the types that look different in requests.
    pub fn request(name: &str, schema: &Value, inputs: &BTreeSet<String>) -> Self {
        Printer { inputs, absent_is_null: true, uses: BTreeSet::new() }.declare(name, schema)
    }
}

struct Printer<'a> {
    inputs: &'a BTreeSet<String>,
    absent_is_null: bool,
    uses: BTreeSet<String>,
}

impl Printer<'_> {
    fn declare(mut self, rust_name: &str, schema: &Value) -> Declaration {
        let name = self.named(rust_name);
        let object = schema.as_object().unwrap_or_else(|| panic!("{rust_name} is no object: {schema}"));
        let mut text = comment(object, "");
        match object.get("properties").and_then(Value::as_object) {
            Some(members) => {
                text.push_str(&format!("export interface {name} {{\n"));
                text.push_str(&self.members(members, object));
                text.push_str("}\n");
            }
            None => text.push_str(&format!("export type {name} = {};\n", self.type_of(schema))),
        }
        self.uses.remove(&name);
        Declaration { name, rust_name: rust_name.to_owned(), text, uses: self.uses }
    }

    fn members(&mut self, members: &Object<String, Value>, object: &Object<String, Value>) -> String {
        let required: BTreeSet<&str> =
            object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        // Sorted here, since the order within a JSON object hangs on features that others ask of `serde_json`.
        let mut names: Vec<&String> = members.keys().collect();
        names.sort();
        let mut text = String::new();
        for name in names {
            let schema = &members[name];
            let optional = !required.contains(name.as_str());
            let mut kind = self.type_of(schema);
            if optional && !self.absent_is_null {
                kind = kind.strip_suffix(" | null").map(str::to_owned).unwrap_or(kind);
            }
            text.push_str(&schema.as_object().map(|schema| comment(schema, "  ")).unwrap_or_default());
            text.push_str(&format!("  {}{}: {kind};\n", key(name), if optional { "?" } else { "" }));
        }
        text
    }

    /// The type as an expression. `null` comes last, as [`Self::members`] expects.
    fn type_of(&mut self, schema: &Value) -> String {
        let object = match schema {
            Value::Bool(true) => return "unknown".to_owned(),
            Value::Object(object) => object,
            _ => panic!("no schema: {schema}"),
        };
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let rust_name = reference.rsplit('/').next().expect("a path has a last part");
            let name = self.named(rust_name);
            self.uses.insert(name.clone());
            return name;
        }
        // `oneOf`: an enumeration some of whose variants have words about them.
        if let Some(choices) = object.get("anyOf").or_else(|| object.get("oneOf")).and_then(Value::as_array) {
            let choices: Vec<String> = choices.iter().map(|choice| self.type_of(choice)).collect();
            return choices.join(" | ");
        }
        if let Some(value) = object.get("const") {
            return value.to_string();
        }
        if let Some(values) = object.get("enum").and_then(Value::as_array) {
            return values.iter().map(Value::to_string).collect::<Vec<String>>().join(" | ");
        }
        match object.get("type") {
            Some(Value::String(kind)) => self.of_kind(kind, object),
            Some(Value::Array(kinds)) => {
                let kinds = kinds.iter().map(|kind| self.of_kind(kind.as_str().expect("a name"), object));
                kinds.collect::<Vec<String>>().join(" | ")
            }
            // Nothing but words about it: any JSON.
            None if object.keys().all(|key| key == "description" || key == "default") => "unknown".to_owned(),
            _ => panic!("a schema of a kind that no type here had so far: {schema}"),
        }
    }

    fn of_kind(&mut self, kind: &str, object: &Object<String, Value>) -> String {
        match kind {
            "null" | "string" | "boolean" => kind.to_owned(),
            "integer" | "number" => "number".to_owned(),
            "array" if object.contains_key("prefixItems") => {
                let items = object["prefixItems"].as_array().expect("a list");
                format!("[{}]", items.iter().map(|item| self.type_of(item)).collect::<Vec<String>>().join(", "))
            }
            "array" => {
                let item = object.get("items").map_or_else(|| "unknown".to_owned(), |item| self.type_of(item));
                match (object.get("minItems"), object.get("maxItems")) {
                    (Some(least), Some(most)) if least == most => {
                        let length = usize::try_from(most.as_u64().expect("a number")).expect("short");
                        format!("[{}]", vec![item; length].join(", "))
                    }
                    _ if item.contains(' ') => format!("Array<{item}>"),
                    _ => format!("{item}[]"),
                }
            }
            "object" => match object.get("additionalProperties") {
                Some(value) => format!("Record<string, {}>", self.type_of(value)),
                None => "Record<string, never>".to_owned(),
            },
            other => panic!("no kind of JSON value: {other}"),
        }
    }

    fn named(&self, rust_name: &str) -> String {
        if self.inputs.contains(rust_name) { format!("{rust_name}Input") } else { rust_name.to_owned() }
    }
}

/// What Rust says about it.
fn comment(schema: &Object<String, Value>, indent: &str) -> String {
    let Some(words) = schema.get("description").and_then(Value::as_str) else { return String::new() };
    // Rust's links lead nowhere here.
    let words = words.replace("[`", "`").replace("`]", "`").replace("*/", "* /");
    let lines: Vec<&str> = words.lines().collect();
    match lines.as_slice() {
        [one] => format!("{indent}/** {one} */\n"),
        lines => {
            let lines: String =
                lines.iter().map(|line| format!("{indent} * {line}").trim_end().to_owned() + "\n").collect();
            format!("{indent}/**\n{lines}{indent} */\n")
        }
    }
}

/// A member's name, in quotes where TypeScript wants them.
fn key(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    if plain && !name.starts_with(|c: char| c.is_ascii_digit()) { name.to_owned() } else { format!("{name:?}") }
}
