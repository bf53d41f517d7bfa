//! A value of any type. What depends on the type is told apart here, once for each question.

use super::string::StringValue;

/// A value. Other types get their own variants here, and their own file beside this one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A string of bytes.
    String(StringValue),
}

impl Value {
    /// A string, as `SET` stores it.
    pub fn string(bytes: &[u8]) -> Self {
        Value::String(StringValue::new(bytes))
    }

    /// What `TYPE` answers.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) => "string",
        }
    }

    /// What `OBJECT ENCODING` answers.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Value::String(value) => value.encoding_name(),
        }
    }

    /// Redis's number of the type (`OBJ_STRING` is 0, server.h), as both digests use it.
    pub(super) fn type_number(&self) -> u32 {
        match self {
            Value::String(_) => 0,
        }
    }

    /// Estimated bytes outside of the table entry that holds the value.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::String(value) => value.heap_bytes(),
        }
    }

    /// Hash of the content, mixed with `seed`, for the rolling digest.
    pub(super) fn digest(&self, seed: u64) -> u64 {
        match self {
            Value::String(value) => value.digest(seed),
        }
    }
}
