//! All plugins of this machine: those inside the binary and those on the search path, each looked at before it is taken. It
//! must not know runs.

mod contract;
mod describe;

use crate::bindings::{hold, plugin, step};
use crate::cache::Cache;
use crate::ground::Ground;
use crate::runtime::Runtime;
use crate::state::CallState;
use cutwater_core::describe::{Catalog, Plugin};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmtime::component::InstancePre;

/// The largest component that is taken.
const LARGEST: u64 = 32 << 20;

/// The stack of a thread that compiles a component and asks it for its description.
const STACK: usize = 8 << 20;

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is inside the binary.
    Shipped,
    /// A file.
    File(PathBuf),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shipped => f.write_str("shipped"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A plugin, ready to be instantiated.
pub struct Loaded {
    /// What it says of itself, its digest filled in.
    pub plugin: Plugin,
    /// Where it comes from.
    pub origin: Origin,
    /// The interfaces that it imports: all that it could ever use.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// Bytes of the component.
    pub bytes: usize,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) describing: plugin::GuestIndices,
    pub(crate) step: step::GuestIndices,
    pub(crate) hold: Option<hold::GuestIndices>,
}

/// Why a plugin is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    /// The file cannot be read.
    #[error("cannot be read")]
    Io(#[from] std::io::Error),
    /// Not a component at all.
    #[error("is no WebAssembly component: {0}")]
    NoComponent(String),
    /// It imports what no plugin can have.
    #[error("imports {}, which no plugin is given; build it with `cutwater plugin build`, for wasm32-unknown-unknown", .0.join(", "))]
    Foreign(Vec<String>),
    /// It was built for another version of the contract.
    #[error("speaks version {theirs} of the contract, this Cutwater speaks {ours}; {way_out}")]
    Version {
        /// Of the plugin.
        theirs: String,
        /// Of this program.
        ours: String,
        /// What to do.
        way_out: &'static str,
    },
    /// It says the right version and does not keep to it.
    #[error("does not keep to version {version} of the contract: {what}")]
    Contract {
        /// The version.
        version: String,
        /// Where it differs.
        what: String,
    },
    /// Its description cannot be used.
    #[error("describes itself wrongly: {0}")]
    Description(String),
    /// Another one of that name was found before.
    #[error("is called `{name}` like the plugin from {first}; remove one of them, or rename it")]
    Taken {
        /// The name.
        name: String,
        /// Where the other one is.
        first: Origin,
    },
}

/// A plugin that was found and not taken.
#[derive(Debug, thiserror::Error)]
#[error("the plugin from {origin} {fault}")]
pub struct Rejected {
    /// Where it is.
    pub origin: Origin,
    /// Why.
    pub fault: LoadFault,
}

/// All plugins that were taken, by name.
#[derive(Default)]
pub struct Registry {
    plugins: BTreeMap<String, Arc<Loaded>>,
}

impl Registry {
    /// Looks at the shipped components (name for messages, bytes), then at `*.wasm` in the folders, in order; a folder that
    /// is not there is passed over. What is not taken is told.
    pub fn load(
        runtime: &Runtime,
        cache: &Cache,
        ground: &Arc<Ground>,
        shipped: &[(&str, &[u8])],
        folders: &[PathBuf],
    ) -> (Self, Vec<Rejected>) {
        let shipped = shipped.iter().map(|(_, bytes)| (Origin::Shipped, Some(*bytes)));
        let files = folders.iter().flat_map(|folder| components(folder));
        let mut found: VecDeque<Found<'_>> =
            shipped.chain(files.map(|path| (Origin::File(path), None))).collect();
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut registry, mut rejected) = (Self::default(), Vec::new());
        while !found.is_empty() {
            let few: Vec<_> = found.drain(..at_once.min(found.len())).collect();
            let look = |origin: &Origin, bytes: Option<&[u8]>| match (bytes, origin) {
                (None, Origin::File(path)) => load(runtime, cache, ground, origin.clone(), &read(path)?),
                (bytes, _) => load(runtime, cache, ground, origin.clone(), bytes.unwrap_or_default()),
            };
            for (origin, loaded) in side_by_side(few, look) {
                if let Err(fault) = loaded.and_then(|loaded| registry.add(loaded)) {
                    rejected.push(Rejected { origin, fault });
                }
            }
        }
        (registry, rejected)
    }

    /// The plugin of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Loaded>> {
        self.plugins.get(name)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        self.plugins.values()
    }

    /// What they say of themselves.
    pub fn catalog(&self) -> Catalog {
        self.plugins.iter().map(|(name, loaded)| (name.clone(), loaded.plugin.clone())).collect()
    }

    fn add(&mut self, loaded: Loaded) -> Result<(), LoadFault> {
        let name = loaded.plugin.name.clone();
        if let Some(first) = self.plugins.get(&name) {
            return Err(LoadFault::Taken { name, first: first.origin.clone() });
        }
        self.plugins.insert(name, Arc::new(loaded));
        Ok(())
    }
}

/// A component inside the binary, with its bytes, or a file.
type Found<'a> = (Origin, Option<&'a [u8]>);

/// Each on a thread of its own: compiling, at the first start, takes a processor a second for each. In order.
fn side_by_side<'a>(
    few: Vec<Found<'a>>,
    look: impl Fn(&Origin, Option<&'a [u8]>) -> Result<Loaded, LoadFault> + Sync,
) -> Vec<(Origin, Result<Loaded, LoadFault>)> {
    let look = &look;
    std::thread::scope(|scope| {
        let start = |(origin, bytes): Found<'a>| {
            let of = origin.clone();
            let thread = std::thread::Builder::new().name("plugin".into()).stack_size(STACK);
            (origin, thread.spawn_scoped(scope, move || look(&of, bytes)))
        };
        let started: Vec<_> = few.into_iter().map(start).collect();
        let panicked = |_| Err(LoadFault::NoComponent("looking at it ended in a panic".into()));
        started
            .into_iter()
            .map(|(origin, thread)| {
                let loaded =
                    thread.map_err(LoadFault::from).and_then(|thread| thread.join().unwrap_or_else(panicked));
                (origin, loaded)
            })
            .collect()
    })
}

/// Looks at one component and takes it. What was compiled and passed the checks is kept in the cache.
///
/// # Errors
/// Why it is not taken.
pub fn load(
    runtime: &Runtime,
    cache: &Cache,
    ground: &Arc<Ground>,
    origin: Origin,
    bytes: &[u8],
) -> Result<Loaded, LoadFault> {
    let engine = runtime.engine();
    let (component, checked) = match cache.load(engine, bytes) {
        Some(component) => (component, true),
        None => {
            let no_component = |error: wasmtime::Error| LoadFault::NoComponent(format!("{error:#}"));
            (cache.compile(engine, bytes).map_err(no_component)?, false)
        }
    };
    let kind = component.component_type();
    let imports: Vec<_> = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports: Vec<_> = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
    contract::names(&imports, &exports)?;
    if !checked {
        contract::types(bytes, &exports)?;
    }
    let unfit = |error: wasmtime::Error| contract::unfit(format!("{error:#}"));
    let pre = runtime.linker().instantiate_pre(&component).map_err(unfit)?;
    let holds = exports.iter().any(|name| contract::interface(name) == Some("hold"));
    let mut loaded = Loaded {
        plugin: describe::nobody(),
        origin,
        imports,
        exports,
        bytes: bytes.len(),
        describing: plugin::GuestIndices::new(&pre).map_err(unfit)?,
        step: step::GuestIndices::new(&pre).map_err(unfit)?,
        hold: if holds { Some(hold::GuestIndices::new(&pre).map_err(unfit)?) } else { None },
        pre,
    };
    let (plugin, back) = describe::ask(runtime, ground, loaded)?;
    loaded = back;
    loaded.plugin = Plugin { digest: blake3::hash(bytes).to_hex().to_string(), ..plugin };
    if !checked {
        // Not being kept costs time at the next start and nothing else.
        let _ = cache.keep(engine, bytes, &component);
    }
    Ok(loaded)
}

fn components(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "wasm"))
        .collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(std::io::Error::other(format!("not a file of at most {} MiB", LARGEST >> 20)));
    }
    std::fs::read(path)
}
