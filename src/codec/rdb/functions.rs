//! Libraries of functions: in a file before all databases, and alone as `FUNCTION DUMP` gives them
//! and `FUNCTION RESTORE` takes them (functions.c, rdb.c `rdbFunctionLoad`).
//!
//! ```text
//! FUNCTION2  text                                              a library
//! FUNCTION_PRE_GA  name  engine  0|1 [description]  text       as 7.0 RC1 and RC2 wrote it
//! (library)*  version (2)  crc64 (8)                           a payload
//! ```

use super::dump::{push_footer, without_footer};
use super::primitives::{Cursor, Stop, push_string};
use super::{RestoreError, opcode};
use crate::function::{Libraries, Refusal, Source};

/// Why a payload of functions was not restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionsError {
    /// Its version is too new, or its checksum is not that of its bytes.
    Footer,
    /// It holds something else, or ends too early.
    Content(&'static str),
    /// A library in it cannot be taken.
    Refused(Refusal),
}

/// Writes all libraries.
pub(super) fn push(out: &mut Vec<u8>, libraries: &Libraries, compress: bool) {
    for library in libraries.iter() {
        out.push(opcode::FUNCTION2);
        push_string(out, library.code(), compress);
    }
}

/// Reads one library behind its opcode.
pub(super) fn load(cursor: &mut Cursor<'_>, code: u8, into: &mut Libraries) -> Result<(), Stop> {
    let text = text(cursor, code)?;
    match into.load(&text, false, Source::Server) {
        Ok(_) => Ok(()),
        Err(refusal) => Cursor::bad(0, format!("a library of functions: {refusal}")),
    }
}

/// The text of a library, in the form that names itself.
fn text(cursor: &mut Cursor<'_>, code: u8) -> Result<Vec<u8>, Stop> {
    if code == opcode::FUNCTION2 {
        return Ok(cursor.string()?.into_owned());
    }
    let name = cursor.string()?;
    let engine = cursor.string()?;
    if cursor.length()? != 0 {
        // A description of the library, which later versions do not have.
        cursor.string()?;
    }
    let body = cursor.string()?;
    Ok([b"#!".as_slice(), &engine, b" name=", &name, b"\n", &body].concat())
}

/// All libraries as a payload.
pub fn dump_functions(libraries: &Libraries, compress: bool) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, libraries, compress);
    push_footer(&mut out);
    out
}

/// The libraries of a payload.
///
/// # Errors
///
/// A payload is taken whole or not at all.
pub fn restore_functions(payload: &[u8], source: Source) -> Result<Libraries, FunctionsError> {
    let body = without_footer(payload).map_err(|_: RestoreError| FunctionsError::Footer)?;
    let mut libraries = Libraries::default();
    let mut rest = body;
    while !rest.is_empty() {
        let mut cursor = Cursor::new(rest);
        let text = match cursor.byte() {
            Ok(code @ (opcode::FUNCTION2 | opcode::FUNCTION_PRE_GA)) => text(&mut cursor, code),
            _ => return Err(FunctionsError::Content("given type is not a function")),
        };
        let Ok(text) = text else {
            return Err(FunctionsError::Content("Failed loading library payload"));
        };
        libraries.load(&text, false, source).map_err(FunctionsError::Refused)?;
        rest = &rest[cursor.position()..];
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `FUNCTION DUMP` of Redis 7.0.15 for `FUNCTION LOAD` of this text.
    const TEXT: &[u8] = b"#!lua name=l\nredis.register_function('f', function() return 1 end)";
    const PAYLOAD: &[u8] = include_bytes!("functions_7_0_15.dump");

    fn libraries(texts: &[&[u8]]) -> Libraries {
        let mut libraries = Libraries::default();
        for text in texts {
            libraries.load(text, false, Source::Client).expect("sound");
        }
        libraries
    }

    fn texts(libraries: &Libraries) -> Vec<&[u8]> {
        libraries.iter().map(crate::function::Library::code).collect()
    }

    #[test]
    fn a_payload_of_redis_is_read_and_comes_back() {
        let restored = restore_functions(PAYLOAD, Source::Client).expect("of Redis");
        assert_eq!(texts(&restored), [TEXT]);
        let again = dump_functions(&restored, true);
        let restored = restore_functions(&again, Source::Client).expect("our own");
        assert_eq!(texts(&restored), [TEXT]);
        let none = dump_functions(&Libraries::default(), true);
        assert!(restore_functions(&none, Source::Client).expect("none").is_empty());
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        for end in 0..PAYLOAD.len() {
            assert!(restore_functions(&PAYLOAD[..end], Source::Server).is_err(), "cut at {end}");
        }
        for bit in 0..PAYLOAD.len() * 8 {
            let mut bad = PAYLOAD.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(restore_functions(&bad, Source::Server).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_form_of_the_release_candidates_gets_its_first_line() {
        let mut out = vec![opcode::FUNCTION_PRE_GA];
        push_string(&mut out, b"old", false);
        push_string(&mut out, b"LUA", false);
        out.push(1);
        push_string(&mut out, b"what it is for", false);
        push_string(&mut out, b"redis.register_function('g', function() end)", false);
        push_footer(&mut out);
        let restored = restore_functions(&out, Source::Server).expect("old but right");
        let text = b"#!LUA name=old\nredis.register_function('g', function() end)".as_slice();
        assert_eq!(texts(&restored), [text]);
    }

    #[test]
    fn what_is_no_library_is_refused_by_name() {
        let mut value = vec![0, 1, b'x'];
        push_footer(&mut value);
        let expected = FunctionsError::Content("given type is not a function");
        assert_eq!(restore_functions(&value, Source::Client).err(), Some(expected));
        let two = libraries(&[TEXT]);
        let mut twice = Vec::new();
        push(&mut twice, &two, false);
        push(&mut twice, &two, false);
        push_footer(&mut twice);
        let expected = FunctionsError::Refused(Refusal::Exists("l".into()));
        assert_eq!(restore_functions(&twice, Source::Client).err(), Some(expected));
    }
}
