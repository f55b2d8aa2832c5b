//! Files, devices, file systems and secrets. It must not know how they are read or written.

use super::program::not_granted;
use super::{Admitted, Denied, Rules, any};
use cutwater_core::effect::Effect;
use serde_json::{Value, json};

impl Rules {
    /// Whether the file or device may be read: what may be written may be.
    ///
    /// # Errors
    /// There is no grant.
    pub fn admit_read(&self, path: &str) -> Result<Admitted, Denied> {
        if any(&self.grants.read, path) || any(&self.grants.write, path) || self.fences(path) {
            Ok(Admitted::Reads)
        } else {
            Err(not_granted(&format!("reading `{path}`"), "read", path))
        }
    }

    /// Whether the file may be replaced by this content.
    ///
    /// # Errors
    /// No grant, not in the plan, or the call only reads.
    pub fn admit_write(&self, path: &str, content: &[u8]) -> Result<Admitted, Denied> {
        let what = format!("writing `{path}`");
        self.writable(path, &what)?;
        let content = std::str::from_utf8(content).map_err(|_| Denied::Unclear {
            what: what.clone(),
            why: "what is no text cannot be shown in a plan".into(),
        })?;
        if path.starts_with(UNITS) && !any(&self.grants.write, path) && !only_conditions(content) {
            let why = "a grant of units admits conditions in a drop-in, and nothing that runs".into();
            return Err(Denied::Unclear { what, why });
        }
        self.planned(
            &Effect { kind: "write".into(), detail: json!({ "path": path, "content": content }) },
            &what,
        )
    }

    /// Whether the file may be removed.
    ///
    /// # Errors
    /// No grant, not in the plan, or the call only reads.
    pub fn admit_remove(&self, path: &str) -> Result<Admitted, Denied> {
        let what = format!("removing `{path}`");
        self.writable(path, &what)?;
        self.planned(&Effect { kind: "remove".into(), detail: json!({ "path": path }) }, &what)
    }

    /// Whether one may look at what lies there (kind, size, owner): also at granted mount points, and in the run's folder.
    ///
    /// # Errors
    /// There is no grant.
    pub fn admit_stat(&self, path: &str) -> Result<Admitted, Denied> {
        if any(&self.grants.mount, path) || any(&self.grants.freeze, path) || self.in_folder(path) {
            return Ok(Admitted::Reads);
        }
        self.admit_read(path)
    }

    /// Whether the folder may be made: a mount point that is granted or lies in the run's own folder, and that the plan
    /// shows, by itself or as what something is mounted on.
    ///
    /// # Errors
    /// No grant, not in the plan, or the call only reads.
    pub fn admit_folder(&self, path: &str) -> Result<Admitted, Denied> {
        let what = format!("making the folder `{path}`");
        if !self.in_folder(path) && !any(&self.grants.mount, path) {
            return Err(not_granted(&what, "mount", path));
        }
        let mounted_on =
            self.admitted.iter().filter(|e| e.kind == "run" && e.detail["program"] == "mount").any(|e| {
                let args = e.detail["args"].as_array().and_then(|args| args.last());
                let wanted = Effect { kind: "at".into(), detail: json!(path) };
                args.is_some_and(|at| {
                    Effect { kind: "at".into(), detail: at.clone() }.admits(&wanted, &self.input)
                })
            });
        if self.phase.changes() && mounted_on {
            return Ok(Admitted::Changes);
        }
        self.planned(&Effect { kind: "write".into(), detail: json!({ "path": path, "folder": true }) }, &what)
    }

    /// Whether a bulk verb (`copy`, `resync`, `erase`) may run with this request: what it reads and writes granted, and the
    /// request with its verb in the plan. `reads` and `writes` are the devices as the request names them.
    ///
    /// # Errors
    /// No grant, not in the plan, or the call only reads.
    pub fn admit_block(
        &self,
        verb: &str,
        request: &Value,
        reads: &[&str],
        writes: &[&str],
    ) -> Result<Admitted, Denied> {
        for path in reads {
            self.admit_read(path)?;
        }
        let what = format!("block.{verb} of `{}`", writes.join("`, `"));
        for path in writes {
            self.writable(path, &what)?;
        }
        let mut detail = request.clone();
        if let Some(detail) = detail.as_object_mut() {
            detail.insert("verb".into(), verb.into());
        }
        self.planned(&Effect { kind: "block".into(), detail }, &what)
    }

    /// Whether the file system mounted there may be frozen.
    ///
    /// # Errors
    /// No grant, not in the plan, or the call only reads.
    pub fn admit_freeze(&self, at: &str) -> Result<Admitted, Denied> {
        let what = format!("freezing `{at}`");
        self.freezable(at, &what)?;
        self.planned(&Effect { kind: "freeze".into(), detail: json!({ "at": at }) }, &what)
    }

    /// Whether it may be thawed: wherever it might have been frozen, plan or not.
    ///
    /// # Errors
    /// No grant, or the call only reads.
    pub fn admit_thaw(&self, at: &str) -> Result<Admitted, Denied> {
        let what = format!("thawing `{at}`");
        self.freezable(at, &what)?;
        if self.phase.changes() {
            Ok(Admitted::Changes)
        } else {
            Err(Denied::OnlyReads { what, phase: self.phase })
        }
    }

    /// Whether the secret may be read.
    ///
    /// # Errors
    /// There is no grant.
    pub fn admit_secret(&self, name: &str) -> Result<Admitted, Denied> {
        if any(&self.grants.secrets, name) {
            Ok(Admitted::Reads)
        } else {
            Err(not_granted(&format!("the secret `{name}`"), "secrets", name))
        }
    }

    fn writable(&self, path: &str, what: &str) -> Result<(), Denied> {
        if any(&self.grants.write, path) || self.fences(path) {
            Ok(())
        } else {
            Err(not_granted(what, "write", path))
        }
    }

    fn freezable(&self, at: &str, what: &str) -> Result<(), Denied> {
        if any(&self.grants.freeze, at) { Ok(()) } else { Err(not_granted(what, "freeze", at)) }
    }
}

/// Where systemd looks for drop-ins.
const UNITS: &str = "/etc/systemd/system/";

/// Whether a drop-in holds only what can bar a unit from starting.
fn only_conditions(content: &str) -> bool {
    content.lines().map(str::trim).all(|line| {
        let bars = line.starts_with("Condition") || line.starts_with("Assert");
        line.is_empty()
            || line.starts_with('#')
            || line == "[Unit]"
            || (bars && line.contains('=') && !line.ends_with('\\'))
    })
}
