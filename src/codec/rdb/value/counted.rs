//! What all long values have in common in a file: a number, and so many elements behind it.

use crate::codec::rdb::primitives::{Cursor, Stop};

/// Elements that a number in front of them announces, read one at a time.
///
/// The number is believed only as far as elements really come: nothing is set aside for them.
#[derive(Debug, Default)]
pub struct Counted {
    /// `None`: the number itself is still to come.
    left: Option<u64>,
}

impl Counted {
    /// Reads the number, or one more element by `read`, which must change nothing unless it
    /// succeeds. True once there are no more; it is not called after that.
    pub fn next(
        &mut self,
        cursor: &mut Cursor<'_>,
        read: impl FnOnce(&mut Cursor<'_>) -> Result<(), Stop>,
    ) -> Result<bool, Stop> {
        let left = match self.left {
            None => cursor.length()?,
            Some(left) => {
                read(cursor)?;
                left - 1
            }
        };
        self.left = Some(left);
        Ok(left == 0)
    }
}
