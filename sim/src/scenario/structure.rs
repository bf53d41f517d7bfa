//! The structural check: a file held against the JSON Schema, with every mistake placed.
//!
//! serde stops at the first mistake and knows no alternatives; this walk reports them all, and
//! says which key was meant. It reads the same schema that editors read, so that the two
//! cannot disagree. Must never: accept what serde would refuse.

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, closest};
use super::schema::schema;
use super::step::ACTIONS;
use super::value::{
    Bandwidth, Count, Expected, Jump, Range, Scalar, ScalarValue, Share, Size, Time,
};

/// Other words for keys, which no edit distance would find.
const ALSO_CALLED: &[(&str, &str)] = &[
    ("name", "title"),
    ("description", "about"),
    ("steps", "step"),
    ("workloads", "workload"),
    ("node", "nodes"),
    ("time", "at"),
    ("when", "at"),
    ("slaveof", "replicaof"),
    ("master", "replicaof"),
    ("replica-of", "replicaof"),
    ("crash", "kill"),
    ("stop", "shutdown"),
    ("duration", "for"),
    ("link", "between"),
    ("nodes", "between"),
    ("mode", "kind"),
    ("type", "kind"),
    ("writes", "rate"),
    ("value-size", "value-bytes"),
    ("cmd", "command"),
    ("args", "send"),
    ("reply", "expect"),
    ("run", "command"),
    ("delay", "latency"),
    ("unpause", "resume"),
    ("repair", "heal"),
    ("powercut", "power-cut"),
];

type Check = fn(&Scalar<'_>) -> Result<(), String>;

/// The value types, each of which judges its own text.
fn scalar_type(name: &str) -> Option<(Check, &'static str)> {
    fn entry<T: ScalarValue>() -> (&'static str, Check, &'static str) {
        (T::NAME, |scalar| T::from_scalar(scalar).map(drop), T::EXPECTED)
    }
    let all = [
        entry::<Time>(),
        entry::<Range<Time>>(),
        entry::<Size>(),
        entry::<Range<Size>>(),
        entry::<Bandwidth>(),
        entry::<Range<Bandwidth>>(),
        entry::<Count>(),
        entry::<Range<Count>>(),
        entry::<Share>(),
        entry::<Jump>(),
        entry::<Expected>(),
    ];
    all.into_iter().find(|(known, ..)| *known == name).map(|(_, check, expected)| (check, expected))
}

/// Every structural mistake of a document.
pub fn check(document: &Spanned<DeTable<'_>>) -> Vec<Diagnostic> {
    let mut walk = Walk { problems: Vec::new() };
    walk.table(document.get_ref(), document.span(), schema(), "the file");
    walk.problems
}

struct Walk {
    problems: Vec<Diagnostic>,
}

/// Follows `$ref`; yields the name of the definition too.
fn follow(schema: &Json) -> (Option<&str>, &Json) {
    match schema.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix("#/$defs/")) {
        Some(name) => {
            (Some(name), self::schema().pointer(&format!("/$defs/{name}")).unwrap_or(&Json::Null))
        }
        None => (None, schema),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "datetime",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

/// In the words of TOML.
fn word(kind: &str) -> &str {
    match kind {
        "object" => "a table",
        "array" => "an array",
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a float",
        "boolean" => "a boolean",
        "datetime" => "a date",
        other => other,
    }
}

/// The TOML types a schema accepts; empty when it accepts any.
fn kinds(schema: &Json) -> Vec<&str> {
    let (_, schema) = follow(schema);
    if let Some(options) = schema.get("anyOf").and_then(Json::as_array) {
        return options.iter().flat_map(kinds).collect();
    }
    if names(schema).is_some() {
        return vec!["string"];
    }
    match schema.get("type") {
        Some(Json::String(kind)) => vec![kind],
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The names of an enumeration.
fn names(schema: &Json) -> Option<Vec<&str>> {
    if let Some(all) = schema.get("enum").and_then(Json::as_array) {
        return all.iter().map(Json::as_str).collect();
    }
    let all = schema.get("oneOf")?.as_array()?;
    all.iter().map(|one| one.get("const").and_then(Json::as_str)).collect()
}

fn properties(schema: &Json) -> impl Iterator<Item = &str> {
    schema
        .get("properties")
        .and_then(Json::as_object)
        .into_iter()
        .flat_map(|all| all.keys().map(String::as_str))
}

/// The first line of what the schema says about a key.
fn summary(schema: &Json) -> Option<String> {
    let text =
        schema.get("description").or_else(|| follow(schema).1.get("description"))?.as_str()?;
    let text = text.split("\n\n").next().unwrap_or(text).replace('\n', " ");
    Some(text.trim_end_matches('.').to_owned())
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Walk {
    fn value(&mut self, value: &Spanned<DeValue<'_>>, schema: &Json, key: &str) {
        let about = summary(schema);
        let (name, target) = follow(schema);
        let span = value.span();
        if let Some((check, expected)) = name.and_then(scalar_type) {
            return self.scalar(value, check, expected, key);
        }
        if let Some(options) = target.get("anyOf").and_then(Json::as_array) {
            let found = kind(value.get_ref());
            return match options.iter().find(|option| kinds(option).contains(&found)) {
                Some(option) => self.value(value, option, key),
                None => self.wrong_kind(value, &kinds(target), key, about),
            };
        }
        if let Some(known) = names(target) {
            let Some(text) = value.get_ref().as_str() else {
                return self.wrong_kind(value, &["string"], key, about);
            };
            if !known.contains(&text) {
                self.problems.push(
                    Diagnostic::new(
                        format!("unknown {key} `{text}`"),
                        span,
                        format!("expected one of {}", list(&known)),
                    )
                    .did_you_mean(text, known),
                );
            }
            return;
        }
        let accepted = kinds(target);
        let found = kind(value.get_ref());
        if !accepted.is_empty() && !accepted.contains(&found) {
            return self.wrong_kind(value, &accepted, key, about);
        }
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, span, target, key),
            DeValue::Array(items) => self.array(items, span, target, key),
            DeValue::Integer(number) => {
                self.integer(number.as_str(), number.radix(), span, target, key)
            }
            _ => {}
        }
    }

    fn integer(
        &mut self,
        digits: &str,
        radix: u32,
        span: std::ops::Range<usize>,
        target: &Json,
        key: &str,
    ) {
        let bound =
            |name: &str, or: i128| target.get(name).and_then(Json::as_i64).map_or(or, i128::from);
        let (low, high) =
            (bound("minimum", i128::from(i64::MIN)), bound("maximum", i128::from(i64::MAX)));
        let fits = i128::from_str_radix(digits, radix).is_ok_and(|n| (low..=high).contains(&n));
        if !fits {
            let expected = format!("expected an integer between {low} and {high}");
            self.problems.push(Diagnostic::new(format!("`{key}` is out of range"), span, expected));
        }
    }

    fn scalar(&mut self, value: &Spanned<DeValue<'_>>, check: Check, expected: &str, key: &str) {
        let parsed;
        let scalar = match value.get_ref() {
            DeValue::String(text) => Scalar::Text(text),
            DeValue::Boolean(value) => Scalar::Boolean(*value),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Scalar::Integer(number),
                    Err(_) => {
                        return self.push(value, format!("`{key}` is out of range"), expected);
                    }
                }
            }
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) => Scalar::Float(number),
                Err(_) => return self.push(value, format!("`{key}` is not a number"), expected),
            },
            other => {
                parsed = format!("`{key}` cannot be {}", word(kind(other)));
                return self.push(value, parsed, expected);
            }
        };
        if let Err(what) = check(&scalar) {
            self.push(value, format!("bad value for `{key}`: {what}"), expected);
        }
    }

    fn push(&mut self, value: &Spanned<DeValue<'_>>, message: String, expected: &str) {
        self.problems.push(Diagnostic::new(message, value.span(), format!("expected {expected}")));
    }

    fn wrong_kind(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        accepted: &[&str],
        key: &str,
        about: Option<String>,
    ) {
        let mut words: Vec<_> = accepted.iter().map(|kind| word(kind)).collect();
        words.dedup();
        let found = kind(value.get_ref());
        let mut problem = Diagnostic::new(
            format!("`{key}` cannot be {}", word(found)),
            value.span(),
            format!("expected {}", words.join(" or ")),
        );
        if accepted == ["array"] && found == "object" {
            problem = problem.help(format!("there may be several: write `[[{key}]]`"));
        } else if accepted == ["object"] && found == "array" {
            problem = problem.help(match key {
                "nodes" => "write one `[nodes.NAME]` for each node".to_owned(),
                _ => format!("write `[{key}]`"),
            });
        }
        if let Some(about) = about {
            problem = problem.help(format!("`{key}`: {about}"));
        }
        self.problems.push(problem);
    }

    fn array(
        &mut self,
        items: &[Spanned<DeValue<'_>>],
        span: std::ops::Range<usize>,
        target: &Json,
        key: &str,
    ) {
        let bound = |name: &str| {
            target.get(name).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok())
        };
        let (low, high) = (bound("minItems").unwrap_or(0), bound("maxItems").unwrap_or(usize::MAX));
        if !(low..=high).contains(&items.len()) {
            let expected = if low == high {
                format!("expected {low} items")
            } else {
                format!("expected at least {low} items")
            };
            self.problems.push(Diagnostic::new(
                match items.len() {
                    1 => format!("`{key}` has 1 item"),
                    count => format!("`{key}` has {count} items"),
                },
                span,
                expected,
            ));
        }
        if let Some(item_schema) = target.get("items") {
            for item in items {
                self.value(item, item_schema, key);
            }
        }
    }

    fn table(
        &mut self,
        table: &DeTable<'_>,
        span: std::ops::Range<usize>,
        schema: &Json,
        key: &str,
    ) {
        let (_, schema) = follow(schema);
        let known: Vec<&str> = properties(schema).collect();
        for (name, value) in table {
            let text: &str = name.get_ref();
            match (
                schema.pointer(&format!("/properties/{text}")),
                schema.get("additionalProperties"),
            ) {
                (Some(property), _) if known.contains(&text) => self.value(value, property, text),
                (_, Some(rest @ Json::Object(_))) => self.value(value, rest, text),
                (_, Some(Json::Bool(false))) => self.unknown_key(text, name.span(), &known, key),
                _ => {}
            }
        }
        let required = schema
            .get("required")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(Json::as_str);
        for name in required.filter(|name| !table.contains_key(*name)) {
            self.missing(name, span.clone(), schema, key);
        }
        if properties(schema).any(|name| name == "partition") {
            self.one_action(table, span);
        }
    }

    fn missing(&mut self, name: &str, span: std::ops::Range<usize>, schema: &Json, key: &str) {
        // The span of the whole file would underline all of it.
        let mut problem = if key == "the file" {
            Diagnostic::new(
                format!("the file has no `{name}`"),
                0..0,
                format!("expected a `{name}`"),
            )
        } else {
            Diagnostic::new(
                format!("`{key}` has no `{name}`"),
                span,
                format!("expected a key `{name}`"),
            )
        };
        if let Some(about) = schema.pointer(&format!("/properties/{name}")).and_then(summary) {
            problem = problem.help(format!("`{name}`: {about}"));
        }
        self.problems.push(problem);
    }

    fn unknown_key(
        &mut self,
        written: &str,
        span: std::ops::Range<usize>,
        known: &[&str],
        key: &str,
    ) {
        let place = if key == "the file" {
            "at the top of a file".to_owned()
        } else {
            format!("in `{key}`")
        };
        let label = if known.contains(&"partition") { "not an action" } else { "not known here" };
        let mut problem = Diagnostic::new(format!("unknown key `{written}` {place}"), span, label);
        let plain = written.to_ascii_lowercase().replace('_', "-");
        let also = ALSO_CALLED.iter().find(|(other, name)| *other == plain && known.contains(name));
        let meant = closest(written, known.iter().copied()).or(also.map(|(_, name)| *name));
        if let Some(name) = meant {
            problem = problem.help(format!("did you mean `{name}`?"));
        } else {
            if let Some(home) = home_of(written) {
                problem = problem.help(home);
            }
            problem = problem.help(format!("known keys: {}", list(known)));
        }
        self.problems.push(problem);
    }

    fn one_action(&mut self, table: &DeTable<'_>, span: std::ops::Range<usize>) {
        let mut found = table.keys().filter(|key| ACTIONS.contains(&key.get_ref().as_ref()));
        let unknown = table
            .keys()
            .any(|key| key.get_ref() != "at" && !ACTIONS.contains(&key.get_ref().as_ref()));
        let Some(first) = found.next() else {
            if !unknown {
                let problem = Diagnostic::new("the step does nothing", span, "expected an action");
                self.problems.push(problem.help(format!("actions: {}", list(ACTIONS))));
            }
            return;
        };
        for other in found {
            self.problems.push(
                Diagnostic::new(
                    format!(
                        "a step has one action, but this one has `{}` and `{}`",
                        first.get_ref(),
                        other.get_ref()
                    ),
                    other.span(),
                    "a second action",
                )
                .context(first.span(), "the first one")
                .help("write a second `[[step]]` with the same `at`"),
            );
        }
    }
}

/// Where a key that is unknown here would be known.
fn home_of(written: &str) -> Option<String> {
    const HOMES: [(&str, &str); 6] = [
        ("Network", "[network]"),
        ("Workload", "[workload]"),
        ("Expect", "[expect]"),
        ("Run", "[run]"),
        ("Step", "[[step]]"),
        ("Node", "[nodes.NAME]"),
    ];
    if super::directives::is_known(written) {
        return Some(format!(
            "`{written}` is a directive of redis.conf: it belongs in a `config` table"
        ));
    }
    let homes: Vec<_> = HOMES
        .iter()
        .filter(|(name, _)| {
            schema().pointer(&format!("/$defs/{name}/properties/{written}")).is_some()
        })
        .map(|(_, home)| format!("`{home}`"))
        .collect();
    (!homes.is_empty()).then(|| format!("`{written}` is a key of {}", homes.join(" and ")))
}
