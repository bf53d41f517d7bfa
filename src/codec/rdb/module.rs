//! Names of modules' types. Their values are not read; who wrote them is told.

use super::primitives::{Cursor, Stop};

/// Values of modules before general availability, and since.
pub const KINDS: [u8; 2] = [6, 7];

const NAME_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NAME_LEN: u32 = 9;
const VERSION_BITS: u32 = 10;

/// The name in the id of a module's type: nine characters of 6 bits, the first one highest, above
/// ten bits of version (module.c `moduleTypeEncodeId`).
pub fn type_name(id: u64) -> String {
    let char_at = |at: u32| {
        let bits = id >> (VERSION_BITS + 6 * (NAME_LEN - 1 - at));
        char::from(NAME_CHARS[bits as usize & (NAME_CHARS.len() - 1)])
    };
    (0..NAME_LEN).map(char_at).collect()
}

/// Refuses what a module put beside the keys, by its name.
pub fn refuse_aux(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    let name = type_name(cursor.length()?);
    Cursor::bad(0, format!("data of the module type '{name}' (MODULE_AUX) are not supported"))
}

/// Refuses a module's value, by its key and its name.
pub fn refuse_value(cursor: &mut Cursor<'_>, kind: u8) -> Result<(), Stop> {
    let key = cursor.string()?;
    let name = type_name(cursor.length()?);
    let key = key.escape_ascii();
    let message = format!(
        "type {kind} (module): key '{key}' is of the module type '{name}', which is not supported"
    );
    Cursor::bad(0, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_ids() {
        let id = b"ReJSON-RL".iter().fold(0_u64, |id, char| {
            let bits = NAME_CHARS.iter().position(|known| known == char).expect("it may be used");
            id << 6 | bits as u64
        });
        assert_eq!(type_name(id << VERSION_BITS | 3), "ReJSON-RL");
    }
}
