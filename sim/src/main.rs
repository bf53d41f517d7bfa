//! The command `replisim`: see [`replisim_sim::cli`].

fn main() -> std::process::ExitCode {
    replisim_sim::cli::main(replisim_sim::run::run_scenario)
}
