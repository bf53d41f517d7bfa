//! One of several processes that share the seeds of a campaign without speaking to each other.
//!
//! Must never: depend on anything but the number of the process and how many there are.

use std::fmt;
use std::str::FromStr;

/// The `index`-th of `of` processes, from 1 up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    of: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { index: 1, of: 1 };

    fn from_zero(index: u64, of: u64, what: &str) -> Result<Self, String> {
        if index >= of {
            return Err(format!("{what}: number {index}, counted from 0, of {of}"));
        }
        Ok(Self { index: index + 1, of })
    }

    /// Whether there is but one.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }

    /// Its share: every `of`-th, so that each gets some of each stretch.
    pub fn share<T>(self, all: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        let skip = usize::try_from(self.index - 1).unwrap_or(usize::MAX);
        all.skip(skip).step_by(usize::try_from(self.of).unwrap_or(usize::MAX))
    }

    /// What the environment says: `SIM_SHARD_INDEX` (from 0 up) with `SIM_SHARDS`, the index of a
    /// Kubernetes indexed job with `SIM_SHARDS` (Kubernetes does not tell the count), or a Slurm
    /// array. Otherwise the whole.
    ///
    /// # Errors
    /// When a variable has no number, or a number lies outside.
    pub fn of_environment(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| -> Result<Option<u64>, String> {
            let Some(text) = get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| format!("{name} is no number: `{text}`"))
        };
        for name in ["SIM_SHARD_INDEX", "JOB_COMPLETION_INDEX"] {
            if let Some(index) = number(name)? {
                let Some(of) = number("SIM_SHARDS")? else {
                    return Err(format!(
                        "{name} is set, but not SIM_SHARDS: how many share the seeds? (`--shard 1/1` takes all)"
                    ));
                };
                return Self::from_zero(index, of, name);
            }
        }
        let (Some(id), Some(of)) =
            (number("SLURM_ARRAY_TASK_ID")?, number("SLURM_ARRAY_TASK_COUNT")?)
        else {
            return Ok(Self::WHOLE);
        };
        let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let index = id.checked_sub(first).ok_or("SLURM_ARRAY_TASK_ID lies below its minimum")?;
        Self::from_zero(index / step, of, "SLURM_ARRAY_TASK_ID")
    }
}

impl FromStr for Shard {
    type Err = String;

    /// `i/n`, from `1/n` to `n/n`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(format!("`{text}` is not i/n, like 1/4 to 4/4")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(set: &[(&str, &str)]) -> Result<String, String> {
        let get = |name: &str| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Shard::of_environment(get).map(|shard| shard.to_string())
    }

    #[test]
    fn shards_share_everything_and_nothing_twice() {
        for of in 1..=7 {
            let mut all: Vec<u64> = (1..=of)
                .flat_map(|index| Shard { index, of }.share(0..23).collect::<Vec<_>>())
                .collect();
            all.sort_unstable();
            assert_eq!(all, (0..23).collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_is_read_from_what_fleets_set() {
        assert_eq!(environment(&[]), Ok("1/1".into()));
        let kubernetes = [("JOB_COMPLETION_INDEX", "0"), ("SIM_SHARDS", "4")];
        assert_eq!(environment(&kubernetes), Ok("1/4".into()));
        let github = [("SIM_SHARD_INDEX", "3"), ("SIM_SHARDS", "4")];
        assert_eq!(environment(&github), Ok("4/4".into()));
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "14"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
        ];
        assert_eq!(environment(&slurm), Ok("3/3".into()));
        assert!(environment(&kubernetes[..1]).is_err_and(|why| why.contains("SIM_SHARDS")));
        assert!(environment(&[("SIM_SHARD_INDEX", "4"), ("SIM_SHARDS", "4")]).is_err());
        assert!(environment(&[("SIM_SHARD_INDEX", "x"), ("SIM_SHARDS", "4")]).is_err());
    }

    #[test]
    fn nonsense_is_no_shard() {
        for text in ["", "1", "0/4", "5/4", "1/0", "a/b", "1/4/2", "-1/4"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, of: 4 }));
    }
}
