//! A runner with one plugin, and calls of it. It must not know what the calls try.

use crate::Heard;
use cutwater_core::effect::{Effect, Shown};
use cutwater_core::grant::Grants;
use cutwater_core::partial::Partial;
use cutwater_core::policy::Policy;
use cutwater_driver::ports::{Call, CallId, PreviewCall, StepRunner, Verb};
use cutwater_host::cache::Cache;
use cutwater_host::capability::connect::streams::Streams;
use cutwater_host::capability::run::child::Rules;
use cutwater_host::ground::{Ground, SystemClock, system_random};
use cutwater_host::registry::Registry;
use cutwater_host::runner::{Runner, Settings};
use cutwater_host::runtime::Runtime;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The runner under test.
pub struct Bench {
    /// Itself.
    pub runner: Runner,
    /// Its engine.
    pub runtime: Arc<Runtime>,
    /// What it stands on.
    pub ground: Arc<Ground>,
    next: AtomicU64,
}

/// The component of the plugin in a folder of the checkout, made once.
///
/// # Panics
/// It cannot be made; the words say why.
#[expect(clippy::panic, reason = "a test without its plugin can only end")]
pub fn component(folder: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let name = folder.replace('/', "-");
    let out = root.join("target/guests/tests").join(name).with_extension("wasm");
    let made = cutwater_build::build(&root.join(folder), &out).map_err(|error| error.to_string());
    match made.and_then(|_| std::fs::read(&out).map_err(|error| error.to_string())) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{folder} cannot be made: {error}"),
    }
}

impl Bench {
    /// With the hostile plugin, and short times.
    ///
    /// # Panics
    /// The sandbox cannot be set up, or the plugin is not taken.
    #[expect(clippy::panic, reason = "a test without its bench can only end")]
    pub fn new(policy: Policy) -> Self {
        static HOSTILE: OnceLock<Vec<u8>> = OnceLock::new();
        let hostile = HOSTILE.get_or_init(|| component("tests/sandbox/plugin"));
        let runtime = Arc::new(Runtime::new().unwrap_or_else(|error| panic!("{error}")));
        let ground = Arc::new(Ground {
            programs: Rules::usual(),
            policy: Arc::new(policy),
            clock: Arc::new(SystemClock),
            random: system_random,
            streams: Streams::default(),
            carried: vec!["/".into(), "/var/lib/cutwater-test/journal.db".into()],
            runs: PathBuf::from("/run/cutwater"),
            keeper: None,
            at_call: None,
        });
        let (registry, rejected) =
            Registry::load(&runtime, &Cache::none(), &ground, &[("hostile", hostile)], &[]);
        if let Some(rejected) = rejected.first() {
            panic!("{rejected}");
        }
        let settings = Settings {
            grace: Duration::from_millis(300),
            preview: Duration::from_millis(700),
            intact: Duration::from_millis(700),
            release: Duration::from_millis(700),
        };
        let runner = Runner::new(runtime.clone(), Arc::new(registry), ground.clone(), settings);
        Self { runner, runtime, ground, next: AtomicU64::new(1) }
    }

    /// A call of `hostile.try` with these tries, granted `grants`, after a preview that showed `shows`.
    pub fn call(&self, tries: Value, grants: &Grants, shows: &[Effect]) -> Call {
        Call {
            id: CallId(self.next.fetch_add(1, Ordering::Relaxed)),
            run: "r1".into(),
            step: "s1".into(),
            plugin: "hostile".into(),
            component: String::new(),
            action: "try".into(),
            attempt: 1,
            input: json!({ "tries": tries }),
            grants: grants.clone(),
            admitted: shows.to_vec(),
            verb: Verb::Apply { checkpoint: None },
            timeout_ms: None,
            at_change: None,
        }
    }

    /// Makes the call and hears it to its end.
    pub fn make(&self, call: Call) -> Heard {
        let (reports, inbox) = std::sync::mpsc::channel();
        self.runner.start(call, reports);
        Heard::until_done(&inbox)
    }

    /// Tries it in `apply`; what came of it, and all that was reported.
    pub fn apply(&self, tries: Value, grants: &Grants, shows: &[Effect]) -> Heard {
        self.make(self.call(tries, grants, shows))
    }

    /// Tries it in a preview.
    ///
    /// # Errors
    /// The refusal's words.
    pub fn preview(&self, tries: Value, grants: &Grants) -> Result<Shown, String> {
        let call = PreviewCall {
            run: "r1".into(),
            step: "s1".into(),
            plugin: "hostile".into(),
            action: "try".into(),
            input: Partial::known(json!({ "early": tries })),
            grants: grants.clone(),
            undo: false,
        };
        self.runner.preview(call).map_err(|refusal| refusal.message)
    }
}
