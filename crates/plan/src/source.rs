//! A TOML text as a tree whose every key and value knows its place, so that any check can point at what it is about.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike, Value};

use augtrial_base::diagnostic::Diagnostic;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: NodeKind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeKind {
    Table(Vec<Entry>),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
}

/// A key of a table, with its place, and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
}

impl Node {
    /// Parses a text; a syntax error comes with its place.
    pub(super) fn parse(text: &str) -> Result<Self, Diagnostic> {
        let document =
            Document::parse(text).map_err(|error| Diagnostic::new(error.message().to_owned(), error.span()))?;
        Ok(Self { span: 0..0, kind: table(document.as_table()) })
    }

    /// The value of `key`, if this is a table that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Table(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The place of the value at `path`, such as `arm[1].name`, or of the nearest table above it that is there.
    pub(super) fn locate(&self, path: &str) -> Option<Range<usize>> {
        let mut node = self;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let below = match (&node.kind, part.strip_suffix(']').map(str::parse::<usize>)) {
                (NodeKind::Array(items), Some(Ok(index))) => items.get(index),
                _ => node.get(part),
            };
            match below {
                Some(below) => node = below,
                None => break,
            }
        }
        (!node.span.is_empty()).then(|| node.span.clone())
    }

    /// What the value is, for messages.
    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Table(_) => "a table",
            NodeKind::Array(_) => "an array",
            NodeKind::String(_) => "a string",
            NodeKind::Integer(_) => "an integer",
            NodeKind::Float(_) => "a float",
            NodeKind::Boolean(_) => "a boolean",
            NodeKind::Datetime => "a date-time",
        }
    }
}

fn table(table: &dyn TableLike) -> NodeKind {
    let entry = |(key, item): (&str, &Item)| {
        let key_span = table.get_key_value(key).and_then(|(key, _)| key.span()).unwrap_or_default();
        let mut value = item_node(item);
        if value.span.is_empty() {
            // A table that exists only through dotted headers below it has no place of its own.
            value.span = key_span.clone();
        }
        Entry { key: key.to_owned(), key_span, value }
    };
    NodeKind::Table(table.iter().map(entry).collect())
}

fn item_node(item: &Item) -> Node {
    let span = item.span().unwrap_or_default();
    match item {
        Item::None => Node { span, kind: NodeKind::Table(Vec::new()) },
        Item::Value(value) => value_node(value),
        Item::Table(inner) => Node { span, kind: table(inner) },
        Item::ArrayOfTables(tables) => {
            let items = tables.iter().map(|t| Node { span: t.span().unwrap_or_default(), kind: table(t) }).collect();
            Node { span, kind: NodeKind::Array(items) }
        }
    }
}

fn value_node(value: &Value) -> Node {
    let kind = match value {
        Value::String(text) => NodeKind::String(text.value().clone()),
        Value::Integer(number) => NodeKind::Integer(*number.value()),
        Value::Float(number) => NodeKind::Float(*number.value()),
        Value::Boolean(flag) => NodeKind::Boolean(*flag.value()),
        Value::Datetime(_) => NodeKind::Datetime,
        Value::Array(items) => NodeKind::Array(items.iter().map(value_node).collect()),
        Value::InlineTable(inner) => table(inner),
    };
    Node { span: value.span().unwrap_or_default(), kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "[study]\nname = \"a\"\n[[arm]]\nname = \"x\"\n[[arm]]\nname = \"y\"\nonline = [{ cutout = {} }]\n";

    fn at(path: &str) -> &'static str {
        &TEXT[Node::parse(TEXT).unwrap().locate(path).unwrap()]
    }

    #[test]
    fn every_value_knows_its_place() {
        assert_eq!(at("study.name"), "\"a\"");
        assert_eq!(at("arm[1].name"), "\"y\"");
        assert_eq!(at("arm[1].online[0].cutout"), "{}");
    }

    #[test]
    fn what_is_absent_is_located_at_the_table_that_should_have_it() {
        assert_eq!(at("study.seed"), "[study]");
        assert_eq!(at("arm[0].mix"), "[[arm]]");
        assert_eq!(Node::parse(TEXT).unwrap().locate("dataset"), None);
    }

    #[test]
    fn a_syntax_error_has_a_place() {
        assert!(Node::parse("[study\n").unwrap_err().span.is_some());
    }
}
