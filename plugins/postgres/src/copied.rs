//! A copy of a cluster on file systems of its own, and what keeps a server that starts on it away from the cluster that
//! was copied: a copy still names the live server's process, and its `pg_wal` may still be a link into the live one's. It
//! must not know how the copy was made.

use cutwater_sdk::host::Mount;
use cutwater_sdk::{Command, Context, Effect, Failure, Finished, Host, Path, Refusal, Stop};

/// Where a copy is, and whose.
pub struct Copied<'a> {
    /// Its data directory.
    pub data: &'a Path,
    /// Its `pg_wal`, where that is on a volume of its own.
    pub wal: Option<&'a Path>,
    /// The user who owns it.
    pub user: &'a str,
}

impl Copied<'_> {
    /// The file that lets nobody in but the owner. It is written only after [`Copied::must_stand_alone`] agreed, and so it
    /// also says, with its mark, that it did.
    pub fn hba(&self) -> String {
        format!("{}/cutwater_hba.conf", self.data)
    }

    /// What stands in it.
    pub fn rules(&self, mark: &str) -> String {
        format!("# {mark}\nlocal all {} peer\n", self.user)
    }

    /// Whether this run has made it ready to be started on, or has started on it.
    pub fn is_ours(&self, ctx: &Context<'_>) -> Result<bool, Stop> {
        let own = format!("# {}", run_prefix(&ctx.mark));
        Ok(text(ctx, &self.hba())?.is_some_and(|rules| rules.starts_with(&own)))
    }

    /// The file in which the server names its process and, in the second line, its data directory.
    pub fn pid_file(&self) -> String {
        format!("{}/postmaster.pid", self.data)
    }

    /// The process of the server that works on this very directory. What a copy brought along names another one, which is
    /// somebody else's.
    pub fn process(&self, ctx: &Context<'_>) -> Result<Option<String>, Stop> {
        let Some(text) = text(ctx, &self.pid_file())? else { return Ok(None) };
        let mut lines = text.lines();
        let (process, data) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        Ok((data.trim_end_matches('/') == self.data.as_str()).then(|| process.trim().to_owned()))
    }

    /// What the checks and the preparation run.
    pub fn effects(&self, mark: &str) -> Vec<Effect> {
        let mut effects = vec![Effect::run(&self.real()), Effect::run(&self.links())];
        effects.push(Effect::write(self.hba(), self.rules(mark)));
        effects.extend(self.redirect().map(|command| Effect::run(&command)));
        effects.push(Effect::remove(self.pid_file()));
        effects
    }

    /// Paths that mean the same to a shell, to PostgreSQL and to a reader.
    pub fn must_be_plain(&self) -> Result<(), Refusal> {
        let plain = |path: &str| {
            let chars = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b));
            let parts = path.split('/').skip(1).all(|part| !["", ".", ".."].contains(&part));
            path.starts_with('/') && chars && parts
        };
        match [Some(self.data), self.wal].into_iter().flatten().find(|path| !plain(path.as_str())) {
            None => Ok(()),
            Some(path) => {
                let message = format!("`{path}` is no whole path of letters, digits and `/._-+`");
                Err(Refusal::new("invalid-path", message))
            }
        }
    }

    /// Refuses a directory on which a server could write to anything that is not of the copy: a live data directory, a
    /// file system that is mounted twice, a link that leads out, and a `pg_wal` that is the copied server's own.
    pub fn must_stand_alone(&self, ctx: &Context<'_>) -> Result<(), Stop> {
        let not_alone = |message: String| Stop::from(Refusal::new("not-a-copy", message));
        if self.process(ctx)?.is_some() {
            return Err(not_alone(format!("a server works on {}, or did", self.data)));
        }
        let real = self.real_paths(ctx)?;
        for (named, real) in [Some(self.data), self.wal].into_iter().flatten().zip(&real) {
            if named.as_str() != real {
                return Err(not_alone(format!("{named} is reached through a link: it is {real}")));
            }
        }
        let mounts = ctx.host().mounts()?;
        for path in [Some(self.data), self.wal].into_iter().flatten() {
            own_mount(&mounts, path.as_str()).map_err(not_alone)?;
        }
        // No server that runs, or that was stopped, has this file in its directory.
        if text(ctx, &format!("{}/backup_label", self.data))?.is_none() {
            let message = format!(
                "{} has no backup_label: it is no copy made in backup mode, or `postgres.take-wal` was left out",
                self.data
            );
            return Err(not_alone(message));
        }
        let pg_wal = format!("{}/pg_wal", self.data);
        let leads_to = real.last().map(String::as_str).unwrap_or_default();
        for link in well(ctx, &self.links())?.text().lines() {
            if link != pg_wal {
                return Err(not_alone(format!(
                    "{link} is a link: a server there would follow it out of the copy"
                )));
            }
            let Some(wal) = self.wal else {
                let message = format!("{pg_wal} is a link to {leads_to}: give the copy's own as `wal`");
                return Err(not_alone(message));
            };
            if number(&mounts, leads_to) == number(&mounts, wal.as_str()) {
                let message = format!("{wal} lies where the copied server keeps its WAL ({leads_to})");
                return Err(not_alone(message));
            }
        }
        Ok(())
    }

    /// Turns the copy's `pg_wal` to the copy's WAL, and sees for itself where it leads now.
    pub fn stand_alone(&self, ctx: &Context<'_>) -> Result<(), Stop> {
        ctx.host().replace(&self.hba(), self.rules(&ctx.mark).as_bytes())?;
        if let Some(redirect) = self.redirect() {
            well(ctx, &redirect)?;
        }
        let wal = self.wal.map_or_else(|| format!("{}/pg_wal", self.data), Path::to_string);
        let leads_to = self.real_paths(ctx)?.pop().unwrap_or_default();
        if leads_to != wal {
            let message = format!("{}/pg_wal leads to {leads_to}, and not to {wal}", self.data);
            return Err(Refusal::new("not-a-copy", message).into());
        }
        if self.process(ctx)?.is_none() {
            ctx.host().remove(&self.pid_file())?;
        }
        Ok(())
    }

    fn real_paths(&self, ctx: &Context<'_>) -> Result<Vec<String>, Stop> {
        Ok(well(ctx, &self.real())?.text().lines().map(str::to_owned).collect())
    }

    /// Prints where data, WAL and `pg_wal` really are, a line each.
    fn real(&self) -> Command {
        let wal = self.wal.map(Path::to_string);
        let pg_wal = format!("{}/pg_wal", self.data);
        Command::new("readlink").args(["-m", self.data.as_str()]).args(wal).arg(pg_wal)
    }

    /// Prints every link in the copy.
    fn links(&self) -> Command {
        let wal = self.wal.map(Path::to_string);
        Command::new("find").arg(self.data).args(wal).args(["-type", "l", "-print"])
    }

    fn redirect(&self) -> Option<Command> {
        let pg_wal = format!("{}/pg_wal", self.data);
        Some(Command::new("ln").args(["-sfnT", self.wal?.as_str(), &pg_wal]).user(self.user))
    }
}

/// The mark without the step: what all that this run makes begins with.
pub fn run_prefix(mark: &str) -> &str {
    mark.rfind('.').map_or(mark, |dot| &mark[..=dot])
}

/// A file's text; none: there is no such file.
fn text(ctx: &Context<'_>, path: &str) -> Result<Option<String>, Stop> {
    match ctx.host().read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(fault) if fault.is_missing() => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

fn well(ctx: &Context<'_>, command: &Command) -> Result<Finished, Stop> {
    let told = ctx.host().run(command)?;
    match told.success() {
        true => Ok(told),
        false => Err(Failure::new(&*command.program, told.words(), "the copy").again().into()),
    }
}

fn carrier<'m>(mounts: &'m [Mount], path: &str) -> Option<&'m Mount> {
    let holds = |at: &str| {
        path.strip_prefix(at.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Of two at one place the later one covers the other.
    mounts
        .iter()
        .enumerate()
        .filter(|(_, mount)| holds(&mount.at))
        .max_by_key(|(n, mount)| (mount.at.len(), *n))
        .map(|(_, mount)| mount)
}

fn number(mounts: &[Mount], path: &str) -> Option<(u32, u32)> {
    carrier(mounts, path).map(|mount| (mount.major, mount.minor))
}

/// A file system that is mounted at one place only, with nothing mounted below the path.
fn own_mount(mounts: &[Mount], path: &str) -> Result<(), String> {
    let on = carrier(mounts, path).ok_or_else(|| format!("{path} lies on nothing that is mounted"))?;
    let places: Vec<&str> =
        mounts.iter().filter(|m| (m.major, m.minor) == (on.major, on.minor)).map(|m| m.at.as_str()).collect();
    if places.len() > 1 {
        return Err(format!(
            "{path} lies on a file system that is mounted more than once: {}",
            places.join(", ")
        ));
    }
    match mounts.iter().find(|mount| mount.at.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))) {
        Some(below) => Err(format!("{} is mounted inside {path}", below.at)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(at: &str, minor: u32) -> Mount {
        Mount { at: at.into(), major: 254, minor, ..Mount::default() }
    }

    #[test]
    fn a_file_system_that_is_mounted_twice_or_has_another_one_inside_is_not_the_copys_own() {
        let mut mounts = vec![mount("/", 0), mount("/srv/postgresql", 1), mount("/run/copy/data", 2)];
        assert_eq!(own_mount(&mounts, "/run/copy/data/15/main"), Ok(()));
        assert_eq!(number(&mounts, "/run/copy/database"), Some((254, 0)), "a name is no prefix of a name");
        mounts.push(mount("/run/copy/data/15/main/pg_wal", 3));
        assert!(own_mount(&mounts, "/run/copy/data/15/main").unwrap_err().contains("pg_wal"));
        mounts.push(mount("/run/bind", 1));
        assert!(own_mount(&mounts, "/run/bind/15/main").unwrap_err().contains("/srv/postgresql"));
    }

    #[test]
    fn paths_that_a_shell_would_read_otherwise_are_refused() {
        let plain = |path: &str| {
            Copied { data: &Path::from(path), wal: None, user: "postgres" }.must_be_plain().is_ok()
        };
        assert!(plain("/run/copy/15/main") && plain("/srv/pg_a-b+c"));
        for hostile in
            ["/run/a b", "/run/$(x)", "/run/a;b", "/run/../x", "run/x", "/run//x", "/run/x/", "/run/'x"]
        {
            assert!(!plain(hostile), "{hostile}");
        }
    }
}
