//! The command `replisim`: see [`replisim_sim::cli`].

/// Gives back what a run has taken, where the system's allocator kept pages of most runs: over a
/// campaign of many thousand its memory grew, with nothing in it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    replisim_sim::cli::main(replisim_sim::run::run_scenario)
}
