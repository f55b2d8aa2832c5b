//! The binary `cutwater`: the only place that knows every crate. It must not decide anything about a run.

mod args;
mod command;
mod exit;
mod machine;
mod paths;
mod screen;
mod text_file;
mod view;

use clap::Parser;
use exit::{Failure, Kind};
use std::process::ExitCode;

fn main() -> ExitCode {
    // The guard starts in the middle of a cutover and knows nothing of the rest.
    if std::env::args_os().nth(1).is_some_and(|first| first == cutwater_host::guard::process::COMMAND) {
        return cutwater_host::guard::process::main();
    }
    if std::env::args_os().nth(1).is_some_and(|first| first == command::plugin_test::victim::COMMAND) {
        return command::plugin_test::victim::main();
    }
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let (json, only_tells) = (cli.global.json, cli.command.only_tells());
    match on_a_big_stack(move || command::run(cli)) {
        Ok(()) if only_tells && screen::is_lost() => ExitCode::from(Kind::Defect.code()),
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match failure.json().filter(|_| json) {
                Some(value) => screen::print_json(&value),
                None => screen::complain(&failure.text(screen::error_colours())),
            }
            failure.code()
        }
    }
}

/// Help, or what is wrong with the arguments; where they could steer a terminal, without colour and escaped.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let message = text.trim_end().trim_start_matches("error: ");
        screen::print_json(&serde_json::json!({ "error": { "exit": 2, "message": message } }));
        return ExitCode::from(2);
    }
    let safe: Vec<String> = text.lines().map(cutwater_core::fault::escaped).collect();
    if error.use_stderr() && safe.join("\n") != text.trim_end_matches('\n') {
        screen::complain(&format!("{}\n", safe.join("\n")));
        return ExitCode::from(2);
    }
    error.exit()
}

/// Expressions are parsed by recursion: the core is entered on a thread whose stack is large enough for the deepest one
/// that is let through.
fn on_a_big_stack(work: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Result<(), Failure> {
    let thread =
        std::thread::Builder::new().name("cutwater".to_owned()).stack_size(cutwater_core::expr::STACK);
    let defect = |text: &str| Failure::words(Kind::Defect, text);
    let working = thread.spawn(work).map_err(|error| Failure::new(Kind::Defect, error))?;
    working.join().unwrap_or_else(|_| Err(defect("a defect of Cutwater; the lines above say where")))
}
