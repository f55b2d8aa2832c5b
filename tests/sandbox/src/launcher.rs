//! Stands in for the real binary's hidden subcommand that starts programs.

fn main() -> std::process::ExitCode {
    cutwater_host::launcher::main()
}
