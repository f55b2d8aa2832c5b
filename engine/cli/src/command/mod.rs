//! One file for each command. Here is only which is which.

mod check;
mod completions;
mod doctor;
mod extents;
mod find;
mod go;
mod graph;
mod plan;
mod plugin;
pub mod plugin_test;
mod resume;
mod resume_all;
mod run;
mod runs;
mod schema;
mod show;
mod simulate;
mod steer;
mod step;
mod watch;
mod window;
mod workflow;

use crate::args::{Cli, Command};
use crate::exit::Failure;
use crate::paths::Paths;

/// Does what was typed.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let paths = Paths::below(&cli.global.root);
    let global = &cli.global;
    match cli.command {
        Command::Check(args) => check::run(&paths, global, &args),
        Command::Plan(args) => plan::run(&paths, global, &args),
        Command::Run(args) => run::run(&paths, global, &args),
        Command::Rehearse(args) => run::rehearse(&paths, global, &args),
        Command::Resume(args) => resume::run(&paths, global, &args),
        Command::Approve(args) => steer::approve(&paths, &args),
        Command::Abort(args) | Command::Undo(args) => steer::abort(&paths, global, &args),
        Command::Pause(args) => steer::pause(&paths, &args),
        Command::Settle(args) => steer::settle(&paths, &args),
        Command::Simulate(args) => simulate::run(&paths, global, &args),
        Command::Runs(args) => runs::run(&paths, global, &args),
        Command::Show(args) => show::run(&paths, global, &args),
        Command::Watch(args) => watch::run(&paths, global, &args),
        Command::Graph(args) => graph::run(&paths, global, &args),
        Command::Schema => schema::run(&paths, global),
        Command::Step(args) => step::run(&paths, global, &args),
        Command::Extents(args) => extents::run(global, &args),
        Command::Doctor => doctor::run(&paths, global),
        Command::Plugin(what) => plugin::run(&paths, global, &what),
        Command::Completions { shell } => completions::run(shell),
    }
}
