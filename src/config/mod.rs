//! redis.conf: one typed field a directive.

/// Stub.
#[derive(Debug, Clone)]
pub struct Config {
    _todo: (),
}
