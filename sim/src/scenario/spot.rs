//! Values that remember where in their file they were written.
//!
//! Must never: let a place take part in a comparison. A scenario built in code, which has no
//! places, equals the same scenario read from a file.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::Spanned;

/// A value and the bytes of the file it was read from; `0..0` when it comes from code.
#[derive(Debug, Clone, Default)]
pub struct Spot<T> {
    value: T,
    span: Range<usize>,
}

impl<T> Spot<T> {
    /// A value with its place.
    pub const fn new(value: T, span: Range<usize>) -> Self {
        Self { value, span }
    }

    /// Where it stands in the file, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl<T> From<T> for Spot<T> {
    fn from(value: T) -> Self {
        Self::new(value, 0..0)
    }
}

impl From<&str> for Spot<String> {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl<T> Deref for Spot<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl Borrow<str> for Spot<String> {
    fn borrow(&self) -> &str {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Spot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<T: Eq> Eq for Spot<T> {}
impl<T: Hash> Hash for Spot<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}
impl<T: fmt::Display> fmt::Display for Spot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let span = spanned.span();
        Ok(Self::new(spanned.into_inner(), span))
    }
}
impl<T: Serialize> Serialize for Spot<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
impl<T: JsonSchema> JsonSchema for Spot<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// One name or a list of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(pub Vec<Spot<String>>);

impl Names {
    /// The names without their places.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

impl<T: AsRef<str>> From<&[T]> for Names {
    fn from(names: &[T]) -> Self {
        Self(names.iter().map(|name| name.as_ref().into()).collect())
    }
}

impl From<&str> for Names {
    fn from(name: &str) -> Self {
        Self(vec![name.into()])
    }
}

impl<const N: usize> From<[&str; N]> for Names {
    fn from(names: [&str; N]) -> Self {
        names.as_slice().into()
    }
}

enum OneOrMany {
    One(String),
    Many(Vec<Spot<String>>),
}

struct OneOrManyVisitor;

impl<'de> de::Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or a list of names")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany::One(text.to_owned()))
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = items.next_element()? {
            names.push(name);
        }
        Ok(OneOrMany::Many(names))
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spot = Spot::<OneOrMany>::deserialize(deserializer)?;
        Ok(spot.value.names(spot.span))
    }
}

impl OneOrMany {
    /// The names; `span` is the place of one that stands alone.
    fn names(self, span: Range<usize>) -> Names {
        Names(match self {
            Self::One(name) => vec![Spot::new(name, span)],
            Self::Many(names) => names,
        })
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

impl JsonSchema for Names {
    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a node or client, like \"r1\", or a list of names, like [\"r1\", \"r2\"]",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" } },
            ]
        })
    }
}

/// A table that may be written as a bare name, or a list of names, when those say it all.
#[derive(Debug, Clone, PartialEq)]
pub struct OrName<T>(pub T);

/// What [`OrName`] needs to know of its table.
pub trait FromName: Sized {
    /// The table that names alone stand for.
    fn from_names(names: Names) -> Self;
    /// The names, when they alone say it all.
    fn only_names(&self) -> Option<&Names>;
}

struct NameOrTable<T>(Result<OneOrMany, T>);

struct NameOrTableVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for NameOrTableVisitor<T> {
    type Value = NameOrTable<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, a list of names, or a table")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<NameOrTable<T>, E> {
        OneOrManyVisitor.visit_str(text).map(|names| NameOrTable(Ok(names)))
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<NameOrTable<T>, A::Error> {
        OneOrManyVisitor.visit_seq(items).map(|names| NameOrTable(Ok(names)))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<NameOrTable<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|table| NameOrTable(Err(table)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NameOrTable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrTableVisitor(std::marker::PhantomData))
    }
}

impl<'de, T: FromName + Deserialize<'de>> Deserialize<'de> for OrName<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spot = Spot::<NameOrTable<T>>::deserialize(deserializer)?;
        let span = spot.span;
        Ok(Self(match spot.value.0 {
            Ok(names) => T::from_names(names.names(span)),
            Err(table) => table,
        }))
    }
}

impl<T: FromName + Serialize> Serialize for OrName<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.only_names() {
            Some(names) => names.serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OrName<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrName", T::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<T>();
        let list = json_schema!({ "type": "array", "items": { "type": "string" } });
        json_schema!({ "anyOf": [{ "type": "string" }, list, table] })
    }
}
