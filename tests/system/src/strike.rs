//! The main job struck at an event of its journal: by a killed engine or a power cut; and what was left of it. It must
//! not know how a run recovers.

use crate::MainJob;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a boot with one struck move may take before the machine is killed; each further move adds as much.
const A_STRIKE: Duration = Duration::from_secs(8 * 60);

/// What `start_load` of machine.sh reads: two clients that rest in between, and few transactions, so that many moves fit in.
const LIGHT_LOAD: &str = "export WITNESS_CLIENTS=2 WITNESS_PAUSE=50 PGBENCH_RATE=10\n";
const REBOOT: &str = ". /run/jobs/machine.sh\n. /run/jobs/strike.sh\n";
const BEGIN: &str =
    ". /run/jobs/machine.sh\n. /run/jobs/strike.sh\ninstall_cutwater\nallow_faults\nstart_load || exit 90\n";

/// What a struck run left in its folder of the share.
#[derive(Debug)]
pub struct Struck {
    /// Under which name it was struck.
    pub name: String,
    /// The run's status in the end, as `cutwater watch` tells it.
    pub status: i32,
    folder: PathBuf,
    log: String,
}

impl Struck {
    /// Reads what lies in the share under this name.
    pub fn of(share: &Path, name: &str) -> Result<Self> {
        let folder = share.join(name);
        let log = std::fs::read_to_string(share.join("job.log")).unwrap_or_default();
        let status = text(&folder.join("status")).with_context(|| format!("{name} did not end:\n{log}"))?;
        let status = status.parse().context("read the run's status")?;
        Ok(Self { name: name.to_owned(), status, folder, log })
    }

    /// The text of a file, trimmed.
    pub fn read(&self, name: &str) -> Result<String> {
        text(&self.folder.join(name))
    }

    /// What was said, where a test fails.
    pub fn words(&self) -> String {
        let watched = self.read("watch").unwrap_or_default();
        format!("{}:\n{watched}\nleft:\n{}\n{}", self.name, self.read("left").unwrap_or_default(), self.log)
    }

    /// The run's outcome, as `cutwater show` tells it.
    pub fn outcome(&self) -> Result<String> {
        let summary: Value = serde_json::from_str(&self.read("summary.json")?).context("read the summary")?;
        Ok(summary["outcome"].as_str().unwrap_or_default().to_owned())
    }

    /// What the witness found.
    pub fn witness(&self) -> Result<Value> {
        serde_json::from_str(&self.read("witness.json")?).context("read what the witness says")
    }

    /// See [`durable_but_for`].
    pub fn durable_but_for(&self, known: &[String]) -> Result<Vec<String>> {
        durable_but_for(&self.read("events.jsonl")?, known)
    }

    /// The processes that owned the run, in order.
    pub fn owners(&self) -> Result<Vec<u64>> {
        self.pids("owned")
    }

    /// The first guard.
    pub fn guard(&self) -> Result<u64> {
        self.pids("armed")?.first().copied().context("no guard was armed")
    }

    /// How long the outage lasted, in milliseconds, and how much of it passed since the run turned back or, behind the
    /// mark, since its last owner took it; 0 and 0 where there was none.
    pub fn downtime_ms(&self) -> Result<(u64, u64)> {
        let events = self.events()?;
        let at = |event: &Value| event["at"].as_i64().unwrap_or_default();
        let Some(ended) = events.iter().rfind(|e| e["event"] == "outage-ended") else { return Ok((0, 0)) };
        let gives_back = events.iter().rfind(|e| e["event"] == "turned-back" || e["event"] == "owned");
        let since = gives_back.map_or(0, at);
        let down = ended["downtime_ms"].as_u64().context("the outage has no length")?;
        Ok((down, u64::try_from(at(ended) - since).unwrap_or_default()))
    }

    fn pids(&self, event: &str) -> Result<Vec<u64>> {
        let events = self.events()?;
        Ok(events.iter().filter(|e| e["event"] == event).filter_map(|e| e["pid"].as_u64()).collect())
    }

    fn events(&self) -> Result<Vec<Value>> {
        let events = self.read("events.jsonl")?;
        Ok(events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}

impl MainJob {
    /// Boots once, and for each (name, faults, faults of who resumes) starts a move whose engine a fault kills, and waits
    /// for its end. All but the last must end where they began.
    pub fn killed(&self, strikes: &[(&str, &str, &str)]) -> Result<Vec<Struck>> {
        let lines: String = strikes
            .iter()
            .map(|(name, faults, resumed)| format!("killed {name} '{faults}' '{resumed}'\n"))
            .collect();
        self.finished(&format!("{LIGHT_LOAD}{BEGIN}{lines}stop_load"), strikes.len())?;
        strikes.iter().map(|(name, ..)| self.struck(name)).collect()
    }

    /// Boots once, and for each (name, faults) makes a move that the faults do not kill. All but the last must end where
    /// they began.
    pub fn sabotaged(&self, sabotages: &[(&str, &str)]) -> Result<Vec<Struck>> {
        let lines: String =
            sabotages.iter().map(|(name, faults)| format!("sabotaged {name} '{faults}'\n")).collect();
        self.finished(&format!("{LIGHT_LOAD}{BEGIN}{lines}stop_load"), sabotages.len())?;
        sabotages.iter().map(|(name, _)| self.struck(name)).collect()
    }

    /// Boots once, and makes two moves whose lvcreate is killed while it has the origin suspended, and its engine with it.
    /// The first is taken back as it should be; of the second the undo of the snapshot is said to be done, and is not.
    pub fn lvcreate_killed(&self) -> Result<[Struck; 2]> {
        let mended = "lvcreate_killed mended; aftermath mended \"$instant\"";
        let left = "lvcreate_killed left claimed@undo:snap";
        // The machine could not stop otherwise.
        let by_hand =
            "lvremove -y vg00/dat-cutwater; lvchange --refresh vg00/dat; lvchange --refresh vg00/dat";
        self.finished(&format!("{LIGHT_LOAD}{BEGIN}{mended}\n{left}\n{by_hand}\nstop_load"), 2)?;
        Ok([self.struck("mended")?, self.struck("left")?])
    }

    fn finished(&self, job: &str, moves: usize) -> Result<()> {
        let at_most = A_STRIKE * u32::try_from(moves).unwrap_or(u32::MAX);
        let outcome = self.lab.run(job, at_most)?;
        if outcome.status != 0 {
            bail!("the job ended with {}:\n{}", outcome.status, outcome.log());
        }
        Ok(())
    }

    /// Boots, looks what became of an earlier power cut if one is named, starts a move, and cuts the power at the event.
    pub fn power_cut(&self, name: &str, event: &str, earlier: Option<&str>, at_most: Duration) -> Result<()> {
        let mut job = match earlier {
            None => format!("{LIGHT_LOAD}{BEGIN}"),
            Some(earlier) => format!("{LIGHT_LOAD}{REBOOT}after_boot {earlier}\n"),
        };
        job += &format!("cut_at {name} '{event}'");
        let mut running = self.lab.boot(&job)?;
        running.wait_for_file(&format!("{name}/cut"), at_most)?;
        running.cut_power()
    }

    /// What the share holds of a strike.
    pub fn struck(&self, name: &str) -> Result<Struck> {
        Struck::of(&self.lab.folder().join("share"), name)
    }

    /// Boots and looks what became of a power cut.
    pub fn booted_after(&self, name: &str) -> Result<Struck> {
        self.finished(&format!("{LIGHT_LOAD}{REBOOT}after_boot {name}\nstop_load"), 1)?;
        self.struck(name)
    }
}

/// The events among these (a line of JSON each) that wait for the disk and are the first engine's, as `--fault` names them,
/// but for the known ones.
pub fn durable_but_for(events: &str, known: &[String]) -> Result<Vec<String>> {
    const OTHERS: [&str; 8] =
        ["progressed", "said", "used", "scheduled", "probed", "guard-acted", "commanded", "settled"];
    let (mut unknown, mut owners) = (Vec::new(), 0);
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).context("read an event")?;
        owners += u8::from(event["event"] == "owned");
        if owners > 1 {
            break;
        }
        let word = |key: &str| event[key].as_str().unwrap_or_default();
        if OTHERS.contains(&word("event")) {
            continue;
        }
        let way = match (word("event"), word("way")) {
            ("intended" | "answered", "undo") => "-undo",
            ("answered", "release") => "-release",
            _ => "",
        };
        let step = if word("step").is_empty() { String::new() } else { format!(":{}", word("step")) };
        let name = format!("{}{way}{step}", word("event"));
        if !known.contains(&name) && !unknown.contains(&name) {
            unknown.push(name);
        }
    }
    Ok(unknown)
}

fn text(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(text.trim().to_owned())
}
