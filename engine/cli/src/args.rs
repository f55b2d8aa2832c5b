//! What can be typed: the tree of commands. It must not do anything.

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};
use cutwater_core::schema::{bytes_of, milliseconds_of};
use cutwater_driver::faults::Fault;
use std::path::PathBuf;

/// Runs storage and database cutovers from one file: plans them, runs them, and finishes them or puts everything back.
#[derive(Debug, Parser)]
#[command(name = "cutwater", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "\
exit status:
  0  done (rehearsed, and undone), and nothing left behind
  1  a defect of Cutwater itself, or an answer that could not be written
  2  wrong usage
  3  the workflow, an input, a grant, a plugin or a drifted plan is not valid; nothing was touched
  4  the run failed or was aborted, and everything is undone
  5  the run stopped part-way and needs a person; the text says what is in which state
  6  lost the run to another owner
  7  waiting (approval, window) with --no-wait
  8  cut over, clean-up incomplete
  9  not started: locked, unfinished run on the same things, window closed")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EVERYWHERE: &str = "With every command";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Look for /etc, /var/lib, /run and /usr/lib below this folder
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR", default_value = "/")]
    #[arg(hide_default_value = true, value_hint = ValueHint::DirPath)]
    pub root: PathBuf,
    /// Print JSON: one value, or one event a line
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// Look for plugins here first; may be given more than once
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub plugins: Vec<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prove what can be proved about workflow files, and touch nothing
    Check(Check),
    /// Show each command, statement and write to come, and change nothing
    Plan(Plan),
    /// Walk every place where a workflow can fail or Cutwater can die, and touch nothing
    Simulate(Simulate),
    /// Run a workflow
    Run(Run),
    /// Run a workflow as far as all of it can be undone, undo it, and report how long things took
    Rehearse(Rehearse),
    /// Go on with a run whose owner is gone, or end a pause
    Resume(Resume),
    /// Say yes to what a run asks
    Approve(Approve),
    /// Undo a run, or end it after it stopped; refused after the point of no return
    Abort(OneRun),
    /// Undo a run that paused or stopped; the same as abort
    Undo(OneRun),
    /// Start nothing new until resumed
    Pause(OneRun),
    /// Decide whether a step happened that Cutwater cannot tell
    Settle(Settle),
    /// List the runs
    Runs(Runs),
    /// Show how a run stands
    Show(Show),
    /// Follow a run
    Watch(OneRun),
    /// Draw a workflow's graph
    Graph(Graph),
    /// Print the JSON Schema of the workflow file, for editors
    Schema,
    /// Run a single step of a plugin
    Step(Step),
    /// Tell whether the volume groups have room for snapshots, without LVM's tools
    Extents(Extents),
    /// Tell what this machine has, and what is missing
    Doctor,
    /// Build, list and look into plugins
    #[command(subcommand)]
    Plugin(Plugin),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether what it prints is all that it does: where that cannot be written, it has not succeeded.
    pub fn only_tells(&self) -> bool {
        !matches!(
            self,
            Self::Run(_)
                | Self::Rehearse(_)
                | Self::Resume(_)
                | Self::Approve(_)
                | Self::Abort(_)
                | Self::Undo(_)
                | Self::Pause(_)
                | Self::Settle(_)
                | Self::Step(_)
        )
    }
}

/// An input of the workflow.
#[derive(Debug, Clone, Args)]
pub struct Inputs {
    /// An input of the workflow; may be given more than once
    #[arg(long = "input", short = 'i', value_name = "NAME=VALUE", value_parser = pair)]
    pub inputs: Vec<(String, String)>,
}

/// Faults, where the host's policy allows them.
#[derive(Debug, Clone, Args)]
pub struct Faults {
    /// Let a fault strike the engine: STRIKE@WHAT[:STEP][#N], like killed-after@intended:stop; may be given more than
    /// once. Only where the host's policy says `faults: allow`
    #[arg(long = "fault", value_name = "FAULT", help_heading = "For tests")]
    pub faults: Vec<Fault>,
}

/// Whether there is room for snapshots.
#[derive(Debug, Args)]
#[command(after_help = "\
The metadata is read from the physical volumes themselves. With --rate or --measure a snapshot's store is sized by how
many of its chunks will be written; with neither, room for 15 % of each volume is asked for. Status 4: there is too little.")]
pub struct Extents {
    /// Devices or images to look at; all block devices of this machine if none
    #[arg(value_name = "DEVICE", value_hint = ValueHint::AnyPath)]
    pub devices: Vec<PathBuf>,
    /// Only this volume group; may be given more than once
    #[arg(long = "vg", value_name = "NAME")]
    pub groups: Vec<String>,
    /// For how long the snapshots must last, like 30m
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = milliseconds)]
    pub lasting: u64,
    /// How much is written to each volume a second, like 512KiB
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "measure")]
    pub rate: Option<u64>,
    /// Measure for this long how much is written to each volume, like 10s
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    pub measure: Option<u64>,
    /// What the model's figure is multiplied by
    #[arg(long, value_name = "NUMBER", default_value_t = 1.3, value_parser = margin)]
    pub margin: f64,
    /// Size of a snapshot's chunk, a power of two from 4KiB to 512KiB
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = chunk)]
    pub chunk: u64,
    /// Print all that was found of this host as JSON, to be looked at elsewhere
    #[arg(long)]
    pub host_report: bool,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    milliseconds_of(text).ok_or_else(|| "a time is a number with ms, s, m, h or d, like 30m".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    bytes_of(text).ok_or_else(|| "a size is a number with B, KiB, MiB, GiB or TiB, like 512KiB".to_owned())
}

fn chunk(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    match bytes.is_power_of_two() && (4 << 10..=512 << 10).contains(&bytes) {
        true => Ok(bytes),
        false => Err("a chunk is a power of two from 4KiB to 512KiB".to_owned()),
    }
}

fn margin(text: &str) -> Result<f64, String> {
    let margin = text.parse().ok().filter(|margin| (1.0..=1000.0).contains(margin));
    margin.ok_or_else(|| "a margin lies between 1 and 1000".to_owned())
}

/// Prove what can be proved.
#[derive(Debug, Args)]
pub struct Check {
    /// Workflow files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub inputs: Inputs,
}

/// Show what is to come.
#[derive(Debug, Args)]
pub struct Plan {
    /// Workflow file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
}

/// Walk every place where it can fail.
#[derive(Debug, Args)]
pub struct Simulate {
    /// Workflow file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Try at most so many pairs of faults, spread over all there are, or `all`; 1000 if absent
    #[arg(long, value_name = "N")]
    pub pairs: Option<String>,
}

/// Run a workflow.
#[derive(Debug, Args)]
pub struct Run {
    /// Workflow file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Run only if the plan's hash is this one (or begins with it, at least 12 characters)
    #[arg(long, value_name = "HASH")]
    pub plan: Option<String>,
    /// Return with status 7 instead of waiting for a person or the window
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub faults: Faults,
}

/// Rehearse a workflow.
#[derive(Debug, Args)]
pub struct Rehearse {
    /// Workflow file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// Include outages, up to the point of no return; people are asked and the window is kept, as in a run
    #[arg(long)]
    pub with_outage: bool,
    /// Rehearse only if the plan's hash is this one (or begins with it, at least 12 characters)
    #[arg(long, value_name = "HASH")]
    pub plan: Option<String>,
    /// Return with status 7 instead of waiting for a person or the window
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub faults: Faults,
}

/// Go on with a run.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["run", "all"])))]
pub struct Resume {
    /// The run; an unambiguous beginning will do
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Every unfinished run whose owner is gone
    #[arg(long, conflicts_with = "faults")]
    pub all: bool,
    /// Take the run from an owner that is alive
    #[arg(long, hide = true)]
    pub take_over: bool,
    /// No person asks for it: a pause stays one
    #[arg(long, hide = true)]
    pub unasked: bool,
    /// Return with status 7 instead of waiting for a person or the window
    #[arg(long)]
    pub no_wait: bool,
    #[command(flatten)]
    pub faults: Faults,
}

/// A run.
#[derive(Debug, Args)]
pub struct OneRun {
    /// The run; an unambiguous beginning will do
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// Say yes.
#[derive(Debug, Args)]
pub struct Approve {
    /// The run; an unambiguous beginning will do
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Which approval; needed only where more than one waits
    #[arg(value_name = "STEP")]
    pub step: Option<String>,
    /// Approve only if the run's plan has this hash (or one that begins with it, at least 12 characters)
    #[arg(long, value_name = "HASH")]
    pub plan: Option<String>,
}

/// Decide an unknown.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("decision").required(true).args(["applied", "not_applied"])))]
pub struct Settle {
    /// The run; an unambiguous beginning will do
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The step
    #[arg(value_name = "STEP")]
    pub step: String,
    /// It happened
    #[arg(long)]
    pub applied: bool,
    /// It did not happen, or was put right by hand
    #[arg(long)]
    pub not_applied: bool,
    /// Why you think so; it is kept in the journal
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub because: String,
}

/// List the runs.
#[derive(Debug, Args)]
pub struct Runs {
    /// Only those that are not over
    #[arg(long)]
    pub unfinished: bool,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub last: usize,
}

/// Show a run.
#[derive(Debug, Args)]
pub struct Show {
    /// The run; an unambiguous beginning will do
    #[arg(value_name = "RUN")]
    pub run: String,
    /// All that is known of this step
    #[arg(value_name = "STEP")]
    pub step: Option<String>,
    /// Every event
    #[arg(long, group = "what")]
    pub events: bool,
    /// The figures: freeze time, downtime, bytes moved, time for each step
    #[arg(long, group = "what", conflicts_with = "step")]
    pub summary: bool,
    /// A picture of the run over time, as SVG
    #[arg(long, group = "what", conflicts_with_all = ["step", "json"])]
    pub timeline: bool,
}

/// Draw a graph.
#[derive(Debug, Args)]
pub struct Graph {
    /// Workflow file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    #[command(flatten)]
    pub inputs: Inputs,
    /// How it is drawn
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    pub format: Format,
}

/// How a graph is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
}

/// Run a single step.
#[derive(Debug, Args)]
pub struct Step {
    /// What to run
    #[arg(value_name = "PLUGIN.STEP")]
    pub uses: String,
    /// Its input: NAME=VALUE (VALUE may be JSON), or the whole as a JSON object; may be given more than once
    #[arg(long, value_name = "INPUT")]
    pub with: Vec<String>,
    /// Its grants, as in a workflow file ('{run: [lvs]}'); what the step says it needs, if absent
    #[arg(long, value_name = "GRANTS")]
    pub grant: Option<String>,
    /// Do it, where the step changes something; without, the plan is shown
    #[arg(long)]
    pub yes: bool,
    /// Leave with the value of this expression over `steps.step`, what the check gave: 0, or 10 to 125
    #[arg(long, value_name = "EXPR")]
    pub exit_code: Option<String>,
}

/// Plugins.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Build a plugin's component from its source
    Build {
        /// The plugin's folder, with Cargo.toml
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Where to put the component
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
    },
    /// List the plugins that workflows may use
    List,
    /// Try a plugin against the real thing: repeat its steps, take them back, kill them at every call
    #[command(after_help = TEST_MORE)]
    Test(PluginTest),
    /// Show a plugin's steps, their inputs, outputs and needs
    Inspect {
        /// A plugin's name, or one of its steps (PLUGIN.STEP)
        #[arg(value_name = "PLUGIN")]
        plugin: String,
    },
}

const TEST_MORE: &str = "\
The cases say what is made, changed and looked at; see docs/writing-plugins.md. Their scripts and the
plugin's steps really run, with your rights: use a machine that you can throw away.";

/// Try a plugin.
#[derive(Debug, Args)]
pub struct PluginTest {
    /// The plugin's folder, with Cargo.toml, or its component
    #[arg(value_name = "FOLDER|COMPONENT", value_hint = ValueHint::AnyPath)]
    pub plugin: PathBuf,
    /// Its cases, if not conformance.yaml beside it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub cases: Option<PathBuf>,
    /// Only this case
    #[arg(long, value_name = "NAME")]
    pub case: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must be NAME=VALUE".to_owned()),
    }
}
