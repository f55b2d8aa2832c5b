//! `cutwater-build FOLDER [OUT]` makes one plugin's component; `cutwater-build --shipped [NAME…]` makes those of this
//! checkout. It must not know how.

use anyhow::{Context, bail};
use cutwater_build::{Built, build, names, shipped};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cutwater-build FOLDER [OUT.wasm]
       cutwater-build --shipped [NAME…]    every plugin under plugins/, into target/guests/shipped";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cutwater-build: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> anyhow::Result<()> {
    match args {
        [flag, chosen @ ..] if flag == "--shipped" => {
            let root = checkout(&std::env::current_dir()?)?;
            let all = names(&root)?;
            if let Some(unknown) = chosen.iter().find(|name| !all.contains(name)) {
                bail!("there is no plugin `{unknown}`; there are {}", all.join(", "));
            }
            Ok(shipped(&root, if chosen.is_empty() { &all } else { chosen }, |_, built| tell(built))?)
        }
        [folder] if !folder.starts_with('-') => {
            let folder = Path::new(folder);
            let name = folder.canonicalize().with_context(|| folder.display().to_string())?;
            let out = folder.join("target").join(name.file_name().unwrap_or_default()).with_extension("wasm");
            tell(&build(folder, &out)?);
            Ok(())
        }
        [folder, out] if !folder.starts_with('-') => {
            tell(&build(Path::new(folder), Path::new(out))?);
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

/// The nearest folder above that holds `plugins/` and a workspace.
fn checkout(from: &Path) -> anyhow::Result<PathBuf> {
    let found = from.ancestors().find(|at| at.join("plugins").is_dir() && at.join("Cargo.toml").is_file());
    found.map(Path::to_owned).context("no folder above has plugins/ and a Cargo.toml; start it in a checkout")
}

#[expect(clippy::print_stdout, reason = "this is the program's answer")]
fn tell(built: &Built) {
    let short =
        |name: &String| name.trim_start_matches("cutwater:plugin/").split('@').next().map(str::to_owned);
    let imports: Vec<String> = built.imports.iter().filter_map(short).collect();
    let state = if built.written { "" } else { " (unchanged)" };
    println!("{}  {} KiB{state}  imports: {}", built.path.display(), built.bytes / 1024, imports.join(" "));
}
