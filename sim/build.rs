//! Tells the testbed which commit and which lockfile it was built from: a seed is valid for
//! exactly these, so every trace names them.

#![allow(clippy::disallowed_macros, reason = "how a build script speaks to cargo")]

use std::path::Path;
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(&root).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let lockfile = std::fs::read(root.join("Cargo.lock")).unwrap_or_default();
    println!("cargo::rustc-env=REPLISIM_COMMIT={commit}");
    println!("cargo::rustc-env=REPLISIM_LOCKFILE={:016x}", fnv1a(&lockfile));
    println!("cargo::rerun-if-changed=../Cargo.lock");
    // HEAD names a branch; the log of HEAD grows with every commit and checkout.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            let path = root.join(path);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
