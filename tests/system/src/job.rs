//! The main job in the lab: a machine with PostgreSQL under load, Cutwater installed on it, the move, and the questions
//! that are asked afterwards. It must not know how Cutwater does it.

use anyhow::{Context, Result, bail};
use cutwater_lab::{Image, Lab, Outcome, Running, built_program};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one boot with a whole move may take before the machine is killed.
const A_MOVE: Duration = Duration::from_secs(15 * 60);
const A_LOOK: Duration = Duration::from_secs(5 * 60);

/// Where the database is after a boot, and every acknowledged row asked for once more.
const LOOK: &str = ". /run/jobs/machine.sh
findmnt -no SOURCE /srv/postgresql >$OUT/mounted
cutwater-witness verify --acks $OUT/acks --dsn \"$dsn\" >$OUT/again.json
status=$?
left_behind '^(tagged vg00/dat|changed /etc/fstab)$' >$OUT/left
exit $status";

/// A machine on which the main job runs.
pub struct MainJob {
    pub(crate) lab: Lab,
    before: Option<String>,
    exports: String,
}

/// What the job left in its share.
pub struct Moved {
    /// Cutwater's exit status.
    pub exit: i32,
    /// The job's own: 0 if exit was 0 and the witness found every row.
    pub status: i32,
    /// The folder with everything else.
    pub share: PathBuf,
}

impl Moved {
    /// The text of a file in the share, trimmed.
    pub fn read(&self, name: &str) -> Result<String> {
        let path = self.share.join(name);
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    fn of(outcome: &Outcome) -> Result<Self> {
        let exit = outcome
            .read("exit")
            .with_context(|| format!("no exit status; the job said\n{}", outcome.log()))?;
        Ok(Self {
            exit: exit.trim().parse().context("read the exit status")?,
            status: outcome.status,
            share: outcome.share.clone(),
        })
    }
}

impl MainJob {
    /// A fresh machine of the image `postgres`, its working files in this folder. Disks that lie there from an earlier
    /// boot are gone on with.
    pub fn new(folder: &Path) -> Result<Self> {
        let programs = built_program("cutwater")?;
        built_program("cutwater-witness")?;
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let lab = Lab::new(folder)?
            .image(&Image::named("postgres")?)?
            .mount(programs.parent().context("a program lies in a folder")?, "/run/bin")
            .mount(here.join("../../workflows"), "/run/workflows")
            .mount(here.join("job"), "/run/jobs")
            .mount(compiled_plugins()?, "/run/compiled");
        Ok(Self { lab, before: None, exports: String::new() })
    }

    /// Breaks something on the machine once the load runs: text of a bash script.
    #[must_use]
    pub fn but_first(mut self, script: &str) -> Self {
        self.before = Some(script.to_owned());
        self
    }

    /// Rehearses the move, its outage included, in place of making it.
    #[must_use]
    pub fn rehearsed(mut self) -> Self {
        self.exports += "export REHEARSE=1\n";
        self
    }

    /// Shows the run on this terminal.
    #[must_use]
    pub fn on_terminal(mut self) -> Self {
        self.lab = self.lab.on_terminal();
        self
    }

    /// Boots and moves.
    pub fn run(&self) -> Result<Moved> {
        Moved::of(&self.start()?.wait(A_MOVE)?)
    }

    /// Boots and starts to move.
    pub fn start(&self) -> Result<Running> {
        let mut job = String::new();
        if let Some(before) = &self.before {
            job += &format!("cat >/run/before <<'BEFORE'\n{before}\nBEFORE\nexport BEFORE=/run/before\n");
        }
        job += &self.exports;
        job += "exec bash /run/jobs/move.sh";
        self.lab.boot(&job)
    }

    /// Boots, runs some other job on the same disks, and powers off.
    pub fn then(&self, job: &str) -> Result<Outcome> {
        self.lab.run(job, A_LOOK)
    }

    /// Reboots: the device on which the database is then, and whether every acknowledged row is there.
    pub fn reboot_and_look(&self) -> Result<String> {
        let outcome = self.then(LOOK)?;
        if outcome.status != 0 {
            bail!("after a reboot the witness is not content:\n{}", outcome.log());
        }
        Ok(outcome.read("mounted")?.trim().to_owned())
    }

    /// Rows that only the old volume has, after a move: it is activated by hand, mounted read-only, and its rows are
    /// read by a throw-away server on a snapshot of it. Gives (rows of the old, rows of the new, rows only in the old).
    pub fn compare_old_and_new(&self) -> Result<(u64, u64, String)> {
        let outcome = self.then("exec bash /run/jobs/compare.sh")?.success()?;
        let count =
            |name: &str| -> Result<u64> { outcome.read(name)?.trim().parse().context("read a count") };
        Ok((count("old-rows")?, count("new-rows")?, outcome.read("only-old")?))
    }
}

/// The folder with the shipped plugins, compiled outside of the lab, where compiling takes seven times as long.
pub fn compiled_plugins() -> Result<PathBuf> {
    let program = built_program("cutwater")?;
    let root = program.parent().and_then(Path::parent).context("target")?.join("lab/root");
    std::fs::create_dir_all(&root).context("make the folder of the compiled plugins")?;
    let listed = Command::new(&program)
        .args(["plugin", "list", "--root"])
        .arg(&root)
        .output()
        .context("start cutwater")?;
    if !listed.status.success() {
        bail!("cutwater plugin list: {}", String::from_utf8_lossy(&listed.stderr));
    }
    let cache = root.join("var/lib/cutwater/cache");
    std::fs::create_dir_all(&cache).context("make the folder of the compiled plugins")?;
    Ok(cache)
}
