//! Completions for shells.

use crate::args::Cli;
use crate::exit::Failure;
use crate::screen;
use clap::CommandFactory;

/// Prints the completions for a shell.
pub fn run(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cutwater", &mut script);
    screen::print(&String::from_utf8_lossy(&script));
    Ok(())
}
