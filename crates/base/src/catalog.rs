//! Rows of the tables of what an experiment file may name: transforms, mixing, editors, sampling methods, data sources.
//!
//! A row says what every other layer asks: the name, what it does, its parameters with defaults, units and bounds, and
//! where its method comes from. Help and parameters are read from the JSON schema of the enum that is parsed, so that the
//! doc comments beside the fields are the only place where they are written.

use std::borrow::Cow;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::diagnostic::Diagnostic;
pub use crate::work::Work;

/// What a parameter's value must keep to, and what is wrong with the value at hand.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Key below the row's name, such as `p` or `checks.min_change_levels`.
    pub parameter: Cow<'static, str>,
    /// Unit of the value; empty if it has none.
    pub unit: &'static str,
    /// The bounds, for people.
    pub bounds: String,
    /// One for each way in which the value breaks the bounds, without a place.
    pub faults: Vec<Diagnostic>,
}

impl Limit {
    /// A number in `[low, high]`; NaN is outside.
    pub fn number(parameter: &'static str, value: impl Into<f64>, low: f64, high: f64) -> Self {
        let limit = Self::described(parameter, format!("{low} to {high}"));
        limit.within(value.into(), low, high)
    }

    /// An interval whose ends lie in `[least, most]`, and in order.
    #[must_use]
    pub fn interval(parameter: &'static str, [low, high]: [f64; 2], least: f64, most: f64) -> Self {
        let limit = Self::described(parameter, format!("{least} to {most}, in order"));
        let limit = limit.within(low, least, most).within(high, least, most);
        limit.require(low <= high, || format!("the interval [{low}, {high}] ends before it begins"))
    }

    /// A finite number above zero.
    pub fn positive(parameter: &'static str, value: impl Into<f64>) -> Self {
        let value = value.into();
        Self::described(parameter, "above 0".to_owned()).require(value.is_finite() && value > 0.0, || {
            format!("`{}` must be a number above 0, not {value}", last_key(parameter))
        })
    }

    /// Any other rule: `message` if it does not hold.
    #[must_use]
    pub fn rule(parameter: &'static str, bounds: &str, holds: bool, message: impl FnOnce() -> String) -> Self {
        Self::described(parameter, bounds.to_owned()).require(holds, message)
    }

    /// Another rule for the same parameter.
    #[must_use]
    pub fn and(self, holds: bool, message: impl FnOnce() -> String) -> Self {
        self.require(holds, message)
    }

    /// The unit of the value.
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// The limit of what stands further down, at `place`.
    #[must_use]
    pub fn below(mut self, place: &str) -> Self {
        self.parameter = format!("{place}.{}", self.parameter).into();
        self
    }

    /// Adds to every fault what to do instead.
    #[must_use]
    pub fn help(mut self, help: &str) -> Self {
        self.faults = self.faults.into_iter().map(|fault| fault.help(help)).collect();
        self
    }

    fn into_parameter(self) -> Parameter {
        Parameter {
            name: self.parameter.into_owned(),
            help: String::new(),
            kind: "integer".to_owned(),
            default: None,
            required: false,
            unit: self.unit.to_owned(),
            bounds: self.bounds,
        }
    }

    fn described(parameter: &'static str, bounds: String) -> Self {
        Self { parameter: parameter.into(), unit: "", bounds, faults: Vec::new() }
    }

    fn within(self, value: f64, low: f64, high: f64) -> Self {
        let key = last_key(&self.parameter).to_owned();
        self.require((low..=high).contains(&value), || {
            format!("`{key}` must lie between {low} and {high}, not {value}")
        })
    }

    fn require(mut self, holds: bool, message: impl FnOnce() -> String) -> Self {
        if !holds {
            self.faults.push(Diagnostic::new(message(), None));
        }
        self
    }
}

fn last_key(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// One parameter of a row, as a reference page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Key below the row's name; keys of a table in a table are joined by points.
    pub name: String,
    /// The doc comment, in one line; empty if there is none.
    pub help: String,
    /// Of the value in TOML, such as `number`, `[number, number]` or `"edge"`.
    pub kind: String,
    /// In TOML; absent if the key is required or may be left out without a value.
    pub default: Option<String>,
    pub required: bool,
    /// Empty if the value has none.
    pub unit: String,
    /// Empty if the type is the only bound.
    pub bounds: String,
}

/// One row: something that an experiment file may name.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As in experiment files.
    pub name: &'static str,
    /// Where the method is defined, for people; empty if it is this program's own.
    pub source: &'static str,
    /// The works to cite where it is used.
    pub works: &'static [Work],
    /// JSON schema of the enum that has the name as a variant.
    pub schema: fn() -> Value,
    /// The limits of the parameters, at their defaults.
    pub limits: fn() -> Vec<Limit>,
}

impl Row {
    /// What it does: the first paragraph of the doc comment, in one line.
    #[must_use]
    pub fn help(&self) -> String {
        let root = (self.schema)();
        let (variant, parameters) = self.find(&root);
        first_paragraph(if variant["description"].is_string() { variant } else { parameters })
    }

    /// The rest of the doc comment, in one line; empty if there is none.
    #[must_use]
    pub fn details(&self) -> String {
        let root = (self.schema)();
        let text = self.find(&root).1["description"].as_str().unwrap_or_default();
        text.split_once("\n\n").map_or_else(String::new, |(_, rest)| one_line(rest))
    }

    /// Its parameters, in the order of their declaration. A name without parameters has those of its limits, which are
    /// keys that stand beside it.
    ///
    /// # Panics
    /// If a limit names a parameter that does not exist: a slip in the row.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let root = (self.schema)();
        let (_, schema) = self.find(&root);
        let mut found = Vec::new();
        collect(&root, schema, "", &mut found);
        for limit in (self.limits)() {
            match found.iter_mut().find(|parameter| parameter.name == limit.parameter) {
                Some(parameter) => (parameter.unit, parameter.bounds) = (limit.unit.to_owned(), limit.bounds),
                // Of a name without parameters of its own: the key is the one beside it.
                None if schema["properties"].is_null() => found.push(limit.into_parameter()),
                None => panic!("`{}` limits `{}`, which is not a parameter of it", self.name, limit.parameter),
            }
        }
        found
    }

    /// The variant of this name, and the schema of its parameters (the variant itself if it has none).
    fn find<'a>(&self, root: &'a Value) -> (&'a Value, &'a Value) {
        let variants = root["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |variant: &&Value| variant["const"] == self.name || !variant["properties"][self.name].is_null();
        let variant = variants.iter().find(named).unwrap_or(&Value::Null);
        let parameters = resolve(root, &variant["properties"][self.name]);
        (variant, if parameters.is_null() { variant } else { parameters })
    }
}

/// JSON schema of `T`, as [`Row::schema`] wants it.
#[must_use]
pub fn schema<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// The works of several rows, each once, by key.
#[must_use]
pub fn works<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<&'static Work> {
    let mut works: Vec<_> = rows.into_iter().flat_map(|row| row.works).collect();
    works.sort_by_key(|work| work.key);
    works.dedup_by_key(|work| work.key);
    works
}

fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    loop {
        let reference = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        let optional = schema["anyOf"].as_array().and_then(|options| options.iter().find(|o| o["type"] != "null"));
        schema = match (reference, optional) {
            (Some(name), _) => &root["$defs"][name],
            (None, Some(inner)) => inner,
            (None, None) => return schema,
        };
    }
}

fn collect(root: &Value, schema: &Value, prefix: &str, found: &mut Vec<Parameter>) {
    let required = |key: &str| schema["required"].as_array().is_some_and(|keys| keys.iter().any(|k| k == key));
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{prefix}{key}");
        let resolved = resolve(root, property);
        if resolved["properties"].is_object() {
            collect(root, resolved, &format!("{name}."), found);
            continue;
        }
        let described = if property["description"].is_string() { property } else { resolved };
        found.push(Parameter {
            help: one_line(described["description"].as_str().unwrap_or_default()),
            kind: kind(root, resolved),
            default: Some(&property["default"]).filter(|default| !default.is_null()).map(toml),
            required: prefix.is_empty() && required(key),
            unit: String::new(),
            bounds: String::new(),
            name,
        });
    }
}

/// The kind of value in TOML, or all values if they can be listed.
fn kind(root: &Value, schema: &Value) -> String {
    if schema["$ref"] == "#" {
        // An entry of the table itself, by its name: a transform of transforms.
        return root["title"].as_str().unwrap_or("entry").to_lowercase();
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        let variants = variants.iter().map(|variant| kind(root, variant));
        return variants.collect::<Vec<_>>().join(" or ");
    }
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().map(toml).collect::<Vec<_>>().join(" or ");
    }
    if !schema["const"].is_null() {
        return toml(&schema["const"]);
    }
    let name = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        name => name.as_str(),
    };
    match name {
        Some("array") => {
            let item = kind(root, resolve(root, &schema["items"]));
            match (schema["minItems"].as_u64(), schema["maxItems"].as_u64()) {
                (Some(least), Some(most)) if least == most => format!("[{}]", vec![item; least as usize].join(", ")),
                _ => format!("[{item}, ...]"),
            }
        }
        Some("object") => match schema["properties"].as_object() {
            Some(properties) => {
                let entries =
                    properties.iter().map(|(key, value)| format!("{key} = {}", kind(root, resolve(root, value))));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
            None => "table".to_owned(),
        },
        Some(name) => name.to_owned(),
        None => "value".to_owned(),
    }
}

/// A value as TOML would have it in a line.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn first_paragraph(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    one_line(text.split_once("\n\n").map_or(text, |(first, _)| first))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use serde::Deserialize;

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Thing {
        /// Does nothing.
        Nothing,
        Spin(Spin),
    }

    /// Turns the
    /// image.
    ///
    /// Around its center.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    struct Spin {
        /// Largest angle.
        degrees: f64,
        range: [f64; 2],
        fill: Option<Fill>,
        inner: Inner,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Fill {
        Color([u8; 3]),
        Edge,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Inner {
        steps: u32,
    }

    impl Default for Spin {
        fn default() -> Self {
            Self { degrees: 15.0, range: [0.5, 2.0], fill: None, inner: Inner { steps: 3 } }
        }
    }

    fn row(name: &'static str, limits: fn() -> Vec<Limit>) -> Row {
        Row { name, source: "", works: &[], schema: schema::<Thing>, limits }
    }

    #[test]
    fn a_row_is_described_by_its_doc_comments() {
        let spin = row("spin", || vec![Limit::number("degrees", 15.0, 0.0, 180.0).unit("degrees")]);
        assert_eq!((spin.help().as_str(), spin.details().as_str()), ("Turns the image.", "Around its center."));
        let parameters = spin.parameters();
        let of = |index: usize| {
            let Parameter { name, kind, default, unit, bounds, .. } = &parameters[index];
            format!("{name}: {kind} = {} [{unit}] {bounds}", default.as_deref().unwrap_or("-"))
        };
        assert_eq!(of(0), "degrees: number = 15.0 [degrees] 0 to 180");
        assert_eq!(of(1), "range: [number, number] = [0.5, 2.0] [] ");
        assert_eq!(of(2), "fill: \"edge\" or { color = [integer, integer, integer] } = - [] ");
        assert_eq!(of(3), "inner.steps: integer = - [] ");
        assert_eq!(parameters[0].help, "Largest angle.");
        assert_eq!(row("nothing", Vec::new).help(), "Does nothing.");
        assert!(row("nothing", Vec::new).parameters().is_empty());
    }

    #[test]
    #[should_panic(expected = "limits `angle`, which is not a parameter")]
    fn a_limit_of_a_key_that_does_not_exist_is_found() {
        let _ = row("spin", || vec![Limit::positive("angle", 1.0)]).parameters();
    }

    #[test]
    fn limits_say_what_is_wrong() {
        let messages = |limit: Limit| limit.faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>();
        assert!(messages(Limit::number("p", 1.0, 0.0, 1.0)).is_empty());
        assert_eq!(messages(Limit::number("a.p", f64::NAN, 0.0, 1.0)), ["`p` must lie between 0 and 1, not NaN"]);
        assert_eq!(
            messages(Limit::interval("s", [2.0, 0.5], 0.0, 1.0)),
            ["`s` must lie between 0 and 1, not 2", "the interval [2, 0.5] ends before it begins"]
        );
        assert_eq!(messages(Limit::positive("alpha", f64::INFINITY)), ["`alpha` must be a number above 0, not inf"]);
    }
}
