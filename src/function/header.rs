//! The first line of a library, `#!lua name=mylib` (functions.c `functionExtractLibMetaData`).

use super::{ENGINE, Refusal, is_name, text};
use crate::codec::resp::split_args;

/// The name that the first line of `code` gives, if the line is right and the engine is ours.
pub(super) fn read(code: &[u8]) -> Result<Vec<u8>, Refusal> {
    let (engine, name) = words(code)?;
    if !is_name(&name) {
        return Err(Refusal::BadName);
    }
    if !engine.eq_ignore_ascii_case(ENGINE.as_bytes()) {
        return Err(Refusal::NoEngine(text(&engine)));
    }
    Ok(name)
}

fn words(code: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    if !code.starts_with(b"#!") {
        return Err(Refusal::NoHeader);
    }
    // A zero byte ends the text for Redis, which looks for the end of the line as C does.
    let end = code.iter().position(|byte| matches!(byte, b'\n' | 0));
    let line = end.filter(|end| code[*end] == b'\n').map(|end| &code[..end]);
    let words = line.and_then(split_args).ok_or(Refusal::BadHeader)?;
    let (first, rest) = words.split_first().ok_or(Refusal::BadHeader)?;
    let mut name = None;
    for word in rest {
        match word.split_at_checked(b"name=".len()) {
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                if name.replace(value.to_vec()).is_some() {
                    return Err(Refusal::NameTwice);
                }
            }
            _ => return Err(Refusal::UnknownWord(text(word))),
        }
    }
    // Quotes may have made the first word another than the line began with.
    let engine = first.get(2..).unwrap_or_default().to_vec();
    name.map(|name| (engine, name)).ok_or(Refusal::NoName)
}
