//! What a killed restic leaves locked, and a backup forgotten. It must not know why.

use crate::repository::{Repository, Snapshot, named, words};
use cutwater_sdk::{Command, Context, Effect, Failure, Host, Level, Stop};

impl Repository<'_> {
    /// Removes stale locks only: of a process of this machine that is gone, or not renewed for half an hour.
    fn unlock(&self) -> Command {
        self.changing("unlock")
    }

    fn forget(&self, id: impl ToString) -> Command {
        self.changing("forget").arg(id)
    }

    /// What [`Repository::forget_all`] may do. Which backup is known once it is there.
    pub fn forget_effects(&self) -> [Effect; 2] {
        let made = cutwater_sdk::Maybe::<String>::later();
        [self.effect(self.unlock()), self.effect(self.forget(made))]
    }

    /// Forgets these backups; their data stays until somebody prunes the repository.
    pub fn forget_all(&self, ctx: &Context<'_>, which: &[Snapshot]) -> Result<(), Stop> {
        if which.is_empty() {
            return Ok(());
        }
        self.remove_stale_locks(ctx)?;
        for snapshot in which {
            let told = self.run(ctx, self.forget(&snapshot.id))?;
            if !told.success() {
                let left = format!("backup {}, which this step made", snapshot.id);
                let (code, again) = named(&told);
                let failure = Failure::new(code, words(&told), left);
                return Err(if again { failure.again() } else { failure }.into());
            }
        }
        Ok(())
    }

    /// Lets restic remove the locks that it takes for stale, where there are any, and says which are gone.
    pub fn remove_stale_locks(&self, ctx: &Context<'_>) -> Result<(), Stop> {
        let before = self.locks(ctx)?;
        if before.is_empty() {
            return Ok(());
        }
        let told = self.run(ctx, self.unlock())?;
        if !told.success() {
            let (code, _) = named(&told);
            return Err(Failure::new(code, words(&told), "the locks in the repository").again().into());
        }
        let after = self.locks(ctx)?;
        let gone: Vec<_> =
            before.iter().filter(|lock| !after.contains(lock)).map(|lock| &lock[..8]).collect();
        if !gone.is_empty() {
            let words = format!("removed stale locks, which a killed restic had left: {}", gone.join(", "));
            ctx.host().log(Level::Warn, &words);
        }
        Ok(())
    }

    fn locks(&self, ctx: &Context<'_>) -> Result<Vec<String>, Stop> {
        let told = self.ask(ctx, self.reading("list").arg("locks"))?;
        let id = |line: &&str| line.len() == 64 && line.chars().all(|c| c.is_ascii_hexdigit());
        Ok(told.text().lines().filter(id).map(str::to_owned).collect())
    }
}
