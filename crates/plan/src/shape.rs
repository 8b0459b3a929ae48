//! Compares an experiment file with the JSON schema of [`ExperimentFile`](super::file::ExperimentFile) and finds *every*
//! unknown key, missing key, wrong type and unknown value at once, where deserialization would stop at the first.

use serde_json::Value as Schema;

use super::source::{Entry, Node, NodeKind};
use augtrial_base::diagnostic::Diagnostic;
use augtrial_base::words::nearest;

/// Every place where `root` is not as `schema` wants it.
/// `name` is what messages call it.
pub(super) fn check(root: &Node, schema: &Schema, name: &str) -> Vec<Diagnostic> {
    let mut checker = ShapeChecker { definitions: &schema["$defs"], found: Vec::new() };
    checker.value(root, schema, name);
    checker.found
}

struct ShapeChecker<'a> {
    definitions: &'a Schema,
    found: Vec<Diagnostic>,
}

impl<'a> ShapeChecker<'a> {
    /// `place` names the value in messages.
    fn value(&mut self, node: &Node, schema: &'a Schema, place: &str) {
        let schema = self.resolve(schema);
        if let Some(alternatives) = schema["oneOf"].as_array() {
            return self.alternatives(node, alternatives, place);
        }
        if let Some(names) = schema["enum"].as_array() {
            let names: Vec<_> = names.iter().filter_map(Schema::as_str).collect();
            return self.name(node, &names, place);
        }
        let kind = type_name(schema);
        match (kind, &node.kind) {
            ("object", NodeKind::Table(entries)) => self.table(node, entries, schema, place),
            ("array", NodeKind::Array(items)) => self.array(node, items, schema, place),
            ("integer", NodeKind::Integer(number)) => {
                let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
                let most = schema["maximum"].as_i64().unwrap_or(match schema["format"].as_str() {
                    Some("uint8") => u8::MAX.into(),
                    Some("uint32") => u32::MAX.into(),
                    _ => i64::MAX,
                });
                if *number < least {
                    self.report(node, format!("{place} must be at least {least}, not {number}"));
                } else if *number > most {
                    self.report(node, format!("{place} must be at most {most}, not {number}"));
                }
            }
            ("number", NodeKind::Integer(_) | NodeKind::Float(_))
            | ("string", NodeKind::String(_))
            | ("boolean", NodeKind::Boolean(_)) => {}
            _ => self.report(node, format!("{place} must be {}, not {}", described(kind), node.kind_name())),
        }
    }

    /// Follows references, and drops the `null` that stands for an absent key: TOML has none.
    fn resolve(&self, mut schema: &'a Schema) -> &'a Schema {
        loop {
            let reference = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
            let optional = schema["anyOf"].as_array().and_then(|options| options.iter().find(|o| o["type"] != "null"));
            schema = match (reference, optional) {
                (Some(name), _) => &self.definitions[name],
                (None, Some(inner)) => inner,
                (None, None) => return schema,
            };
        }
    }

    /// One of several: an enum, or values of several types.
    fn alternatives(&mut self, node: &Node, alternatives: &'a [Schema], place: &str) {
        let types: Vec<&str> = alternatives.iter().map(type_name).collect();
        if !types.iter().all(|name| ["integer", "array"].contains(name)) {
            return self.one_of(node, alternatives, place);
        }
        let own = match &node.kind {
            NodeKind::Integer(_) => "integer",
            NodeKind::Array(_) => "array",
            _ => "",
        };
        if let Some(index) = types.iter().position(|name| *name == own) {
            return self.value(node, &alternatives[index], place);
        }
        let wanted = types.iter().map(|name| described(name)).collect::<Vec<_>>().join(" or ");
        self.report(node, format!("{place} must be {wanted}, not {}", node.kind_name()));
    }

    /// An enum: some variants are plain names, others tables with one key.
    fn one_of(&mut self, node: &Node, alternatives: &'a [Schema], place: &str) {
        let mut names = Vec::new();
        let mut tables = Vec::new();
        for alternative in alternatives.iter().map(|alternative| self.resolve(alternative)) {
            names.extend(alternative["const"].as_str());
            names.extend(alternative["enum"].as_array().into_iter().flatten().filter_map(Schema::as_str));
            tables.extend(alternative["properties"].as_object().into_iter().flatten());
        }
        let keys: Vec<_> = tables.iter().map(|(key, _)| key.as_str()).collect();
        match &node.kind {
            NodeKind::Table(entries) if !tables.is_empty() => {
                for entry in entries {
                    match tables.iter().find(|(key, _)| **key == entry.key) {
                        Some((_, schema)) => self.value(&entry.value, schema, &format!("`{}`", entry.key)),
                        None => self.unknown_name(entry, &keys, place, alternatives),
                    }
                }
                if entries.len() != 1 {
                    self.report(node, format!("{place} must have exactly one of {}", listed(&keys)));
                }
            }
            NodeKind::String(_) if !names.is_empty() => self.name(node, &names, place),
            NodeKind::String(text) if keys.contains(&text.as_str()) => {
                let item = Diagnostic::new(format!("{place} must be a table with one key"), Some(node.span.clone()))
                    .help(format!("write `{{ {text} = {{}} }}` to take its defaults"));
                self.found.push(item);
            }
            _ => {
                let all: Vec<_> = names.iter().chain(&keys).copied().collect();
                self.report(node, format!("{place} must be one of {}", listed(&all)));
            }
        }
    }

    /// A name that no variant has. For transforms, mixes and features, help says where they are described.
    fn unknown_name(&mut self, entry: &Entry, known: &[&str], place: &str, alternatives: &[Schema]) {
        self.unknown_key(entry, known, place);
        let variants = |table: &str| self.definitions[table]["oneOf"].as_array();
        let described =
            ["Transform", "Mix", "Features"].iter().filter_map(|table| variants(table)).any(|own| own == alternatives);
        if let Some(help) = self.found.last_mut().and_then(|item| item.help.as_mut())
            && described
        {
            let end = if help.ends_with('?') { " " } else { "; " };
            *help = format!("{help}{end}`augtrial transforms` describes all that exist");
        }
    }

    fn name(&mut self, node: &Node, names: &[&str], place: &str) {
        let NodeKind::String(text) = &node.kind else {
            return self.report(node, format!("{place} must be one of {}", listed(names)));
        };
        if !names.contains(&text.as_str()) {
            let item = Diagnostic::new(format!("{place} cannot be `{text}`"), Some(node.span.clone()));
            self.found.push(item.help(did_you_mean(text, names)));
        }
    }

    fn table(&mut self, node: &Node, entries: &[Entry], schema: &'a Schema, place: &str) {
        let properties = schema["properties"].as_object();
        let keys: Vec<_> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let others = Some(&schema["additionalProperties"]).filter(|schema| schema.is_object());
        for entry in entries {
            let known = properties.and_then(|properties| properties.get(&entry.key)).or(others);
            match known {
                Some(schema) => self.value(&entry.value, schema, &format!("`{}`", entry.key)),
                None if schema["additionalProperties"] == true => {} // any key with any value
                None => self.unknown_key(entry, &keys, place),
            }
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Schema::as_str) {
            if !entries.iter().any(|entry| entry.key == required) {
                let span = (!node.span.is_empty()).then(|| node.span.clone());
                let item = Diagnostic::new(format!("{place} needs `{required}`"), span);
                let what = properties.and_then(|p| p[required]["description"].as_str());
                self.found.push(match what {
                    Some(what) => item.help(what.replace('\n', " ")),
                    None => item,
                });
            }
        }
    }

    fn array(&mut self, node: &Node, items: &[Node], schema: &'a Schema, place: &str) {
        let least = schema["minItems"].as_u64().unwrap_or(0) as usize;
        let most = schema["maxItems"].as_u64().map_or(usize::MAX, |most| most as usize);
        if items.len() < least || items.len() > most {
            self.report(node, format!("{place} must have {least} values, not {}", items.len()));
        }
        for item in items {
            self.value(item, &schema["items"], &format!("an element of {place}"));
        }
    }

    fn unknown_key(&mut self, entry: &Entry, known: &[&str], place: &str) {
        let message = format!("unknown key `{}` in {place}", entry.key);
        let item = Diagnostic::new(message, Some(entry.key_span.clone())).help(did_you_mean(&entry.key, known));
        self.found.push(item);
    }

    fn report(&mut self, node: &Node, message: String) {
        let span = (!node.span.is_empty()).then(|| node.span.clone());
        self.found.push(Diagnostic::new(message, span));
    }
}

/// The first type of a schema that is not `null`.
fn type_name(schema: &Schema) -> &str {
    match &schema["type"] {
        Schema::String(name) => name,
        Schema::Array(names) => names.iter().filter_map(Schema::as_str).find(|name| *name != "null").unwrap_or(""),
        _ => "",
    }
}

fn described(kind: &str) -> &'static str {
    match kind {
        "object" => "a table",
        "array" => "an array",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        _ => "a string",
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", listed(known)),
    }
}
