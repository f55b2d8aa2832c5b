//! Command lines: which only read, and which of the changing ones are granted and in the plan. It must not know how a
//! program is found or started.

use super::{Admitted, Denied, Rules, any, dumps, lvm};
use cutwater_core::effect::Effect;
use cutwater_core::mounting;
use cutwater_core::policy::Reader;
use cutwater_core::trees;
use serde_json::{Value, json};

/// A command line that a guest asks for.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Bare name.
    pub name: &'a str,
    /// Arguments after the name.
    pub args: &'a [String],
    /// The user to run as.
    pub user: Option<&'a str>,
    /// The whole input, with `[secret NAME]` in the place of each secret that the call has read: so a plan shows it.
    pub stdin: &'a [u8],
}

impl Program<'_> {
    fn text(&self) -> String {
        let mut text = self.name.to_owned();
        for arg in self.args {
            text.push(' ');
            text.push_str(arg);
        }
        format!("`{}`", text.chars().take(500).collect::<String>())
    }

    fn effect(&self) -> Effect {
        let mut detail = json!({ "program": self.name, "args": self.args });
        if let Some(user) = self.user {
            detail["as"] = json!(user);
        }
        if !self.stdin.is_empty() {
            // What is no text was never shown: no effect can hold it.
            detail["stdin"] = std::str::from_utf8(self.stdin).map_or(json!([self.stdin]), Value::from);
        }
        Effect { kind: "run".into(), detail }
    }
}

impl Rules {
    /// Whether the program may be started like this.
    ///
    /// # Errors
    /// Why not, and what would have to be granted.
    pub fn admit_run(&self, asked: Program<'_>) -> Result<Admitted, Denied> {
        let what = asked.text();
        if asked.name.is_empty() || asked.name.contains('/') {
            let why = "a program is named by its bare name, and found on the host's path".to_owned();
            return Err(Denied::Unclear { what, why });
        }
        if let Some(verdict) = self.declared(&asked, &what) {
            return verdict;
        }
        if let Some(read) = trees::parse(asked.name, asked.args) {
            return self.trees(&asked, read, &what);
        }
        let mut refused = None;
        for reader in self.policy.reads(asked.name, asked.args) {
            match self.may_read(reader, &asked, &what) {
                Ok(()) => return Ok(Admitted::Reads),
                Err(denied) => refused = Some(denied),
            }
        }
        if let Some(denied) = refused {
            return Err(denied);
        }
        if !self.phase.changes() {
            return Err(Denied::OnlyReads { what, phase: self.phase });
        }
        self.granted(&asked, &what)?;
        self.planned(&asked.effect(), &what)
    }

    /// The command lines of the services that the policy declares, for whoever is granted the service.
    fn declared(&self, asked: &Program<'_>, what: &str) -> Option<Result<Admitted, Denied>> {
        let is = |line: &[String]| {
            line.split_first().is_some_and(|(program, args)| program == asked.name && args == asked.args)
        };
        let granted = |name: &str| any(&self.grants.units, name);
        let mut services = self.policy.services.iter().filter(|(name, _)| granted(name));
        let (_, service) = services.find(|(_, s)| is(&s.status) || is(&s.start) || is(&s.stop))?;
        if is(&service.status) && asked.stdin.is_empty() {
            return Some(Ok(Admitted::Reads));
        }
        Some(self.planned(&asked.effect(), what))
    }

    /// A program that reads and changes whole folders. A dry run only reads.
    fn trees(
        &self,
        asked: &Program<'_>,
        read: Result<trees::Trees, String>,
        what: &str,
    ) -> Result<Admitted, Denied> {
        let unclear = |why: String| Denied::Unclear { what: what.to_owned(), why };
        let line = read.map_err(unclear)?;
        if !any(&self.grants.run, asked.name) {
            return Err(not_granted(what, "run", asked.name));
        }
        self.tree_grants(&line, what)?;
        match line.writes {
            None if asked.stdin.is_empty() => Ok(Admitted::Reads),
            _ => self.planned(&asked.effect(), what),
        }
    }

    /// Whether the folders of such a line are granted, and everything below them with them.
    ///
    /// # Errors
    /// What would have to be granted.
    pub fn tree_grants(&self, line: &trees::Trees, what: &str) -> Result<(), Denied> {
        for folder in &line.reads {
            self.admit_read(folder)
                .map_err(|_| not_granted(&format!("`{folder}` in {what}"), "read", folder))?;
        }
        match &line.writes {
            Some(folder) if !any(&self.grants.write, folder) => {
                Err(not_granted(&format!("`{folder}` in {what}"), "write", folder))
            }
            _ => Ok(()),
        }
    }

    fn may_read(&self, reader: &Reader, asked: &Program<'_>, what: &str) -> Result<(), Denied> {
        let password = reader.secret && is_secret(asked.stdin);
        if !asked.stdin.is_empty() && !password {
            return Err(Denied::Unclear {
                what: what.to_owned(),
                why: "a program that only reads has no input".into(),
            });
        }
        let of_key = |key: &str| match key {
            "mount" => !self.grants.mount.is_empty(),
            "units" => !self.grants.units.is_empty(),
            "read" => !self.grants.read.is_empty(),
            "write" => !self.grants.write.is_empty(),
            "connect" => !self.grants.connect.is_empty(),
            program => any(&self.grants.run, program),
        };
        // Being granted `mount` as a key is the same as being granted the programs `mount` and `umount`.
        let goes =
            |key: &String| of_key(key) || (key == "umount" && of_key("mount")) || any(&self.grants.run, key);
        if !any(&self.grants.run, asked.name) && !reader.goes_with.iter().any(goes) {
            return Err(not_granted(what, "run", asked.name));
        }
        if reader.units {
            for unit in reader.operands(asked.args).unwrap_or_default() {
                self.unit(unit, what)?;
            }
        }
        Ok(())
    }

    /// The grants behind a changing command line.
    fn granted(&self, asked: &Program<'_>, what: &str) -> Result<(), Denied> {
        match asked.name {
            "systemctl" => return self.systemctl(asked.args, what),
            "mount" | "umount" => return self.mounting(asked, what),
            _ => {}
        }
        if !any(&self.grants.run, asked.name) {
            return Err(not_granted(what, "run", asked.name));
        }
        let objects = if lvm::is_family(asked.name) {
            lvm::objects(asked.name, asked.args)
                .map_err(|why| Denied::Unclear { what: what.to_owned(), why })?
        } else {
            self.files(asked, what)?;
            asked.args.iter().filter(|arg| arg.starts_with("/dev/")).cloned().collect()
        };
        for object in objects {
            let within = |patterns: &[String]| {
                patterns.iter().any(|p| cutwater_core::grant::matches(lvm::plain(p), lvm::plain(&object)))
            };
            let granted =
                within(&self.grants.on) || (object.starts_with("/dev/") && within(&self.grants.write));
            if !granted {
                return Err(not_granted(&format!("`{object}` in {what}"), "on", &object));
            }
        }
        Ok(())
    }

    /// The files that a program makes, hands over, removes, puts behind a device or closes to others: by `write`.
    fn files(&self, asked: &Program<'_>, what: &str) -> Result<(), Denied> {
        let unclear = |why: String| Denied::Unclear { what: what.to_owned(), why };
        let paths: Vec<&str> = match dumps::target(asked.name, asked.args) {
            Some(target) => vec![target.map_err(unclear)?],
            None if OF_FILES.contains(&asked.name) => {
                let args = asked.args.iter().map(String::as_str);
                args.filter(|arg| arg.starts_with('/') && !arg.starts_with("/dev/")).collect()
            }
            None => return Ok(()),
        };
        for path in paths {
            if path.split('/').any(|part| part == "..") {
                return Err(unclear(format!("`{path}` leads elsewhere")));
            }
            if !any(&self.grants.write, path) {
                return Err(not_granted(&format!("`{path}` in {what}"), "write", path));
            }
        }
        Ok(())
    }

    /// The mount point by `mount`; the device by `write`, or by `read` where it is mounted read-only.
    fn mounting(&self, asked: &Program<'_>, what: &str) -> Result<(), Denied> {
        let line = mounting::parse(asked.name, asked.args)
            .map_err(|why| Denied::Unclear { what: what.to_owned(), why })?;
        line.points.iter().try_for_each(|at| self.mount_point(at, what))?;
        let Some(device) = &line.device else { return Ok(()) };
        if any(&self.grants.write, device) || !line.writes && any(&self.grants.read, device) {
            return Ok(());
        }
        let key = if line.writes { "write" } else { "read" };
        Err(not_granted(&format!("the device in {what}"), key, device))
    }

    fn mount_point(&self, at: &str, what: &str) -> Result<(), Denied> {
        let within = self.in_folder(at) || any(&self.grants.mount, at);
        if within { Ok(()) } else { Err(not_granted(what, "mount", at)) }
    }
}

/// Programs whose every path is one that they change, or let be changed.
const OF_FILES: [&str; 7] = ["fallocate", "chmod", "losetup", "mkdir", "chown", "rm", "rmdir"];

/// Whether it is one secret and a line break.
fn is_secret(stdin: &[u8]) -> bool {
    let name = stdin.strip_prefix(b"[secret ").and_then(|rest| rest.strip_suffix(b"]\n"));
    name.is_some_and(|name| !name.is_empty() && !name.iter().any(|byte| b"[]\n".contains(byte)))
}

pub(super) fn not_granted(what: &str, key: &'static str, entry: &str) -> Denied {
    Denied::NotGranted { what: what.to_owned(), key, entry: entry.to_owned() }
}
