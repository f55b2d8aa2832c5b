//! A folder that a step fills, and that nobody else has anything in: it is made, or is there and empty; a file in it carries the
//! step's mark before anything else comes in, and leaves it last. It must not know what comes in.

use cutwater_sdk::host::FileKind;
use cutwater_sdk::{
    Answer, Bytes, Command, Context, Done, Effect, Failure, Finished, Host, Level, Path, Refusal, Stop,
    Value, json,
};

/// Where a step puts what it makes.
pub struct Folder<'a> {
    /// The folder.
    pub path: &'a Path,
    /// The one file or folder in it that the step makes.
    pub name: &'static str,
    /// The user who makes it; the engine's own if none.
    pub user: Option<&'a str>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No folder.
    Missing,
    /// A folder with nothing in it.
    Empty,
    /// This step's.
    Ours,
    /// Somebody else's.
    Foreign(String),
}

/// What lies in the folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Size {
    /// How many files.
    pub files: u64,
    /// How large they are together.
    pub bytes: Bytes,
    /// The first one without a byte in it.
    pub empty: Option<String>,
}

impl Folder<'_> {
    /// What the step makes.
    pub fn content(&self) -> String {
        format!("{}/{}", self.path, self.name)
    }

    fn mark_file(&self) -> String {
        format!("{}/cutwater.mark", self.path)
    }

    fn mark(ctx: &Context<'_>) -> String {
        format!("{}\n", ctx.mark)
    }

    /// What [`Folder::prepare`] may do.
    pub fn effects(&self, ctx: &Context<'_>) -> Vec<Effect> {
        let mut effects = vec![Effect::run(&self.make())];
        effects.extend(self.hand_over().map(|command| Effect::run(&command)));
        effects.push(Effect::write(self.mark_file(), Self::mark(ctx)));
        effects.push(Effect::run(&self.remove_content()));
        effects
    }

    /// What [`Folder::keep`] does.
    pub fn keep_effect(&self) -> Effect {
        Effect::run(&self.sync())
    }

    /// Makes durable that the content is there; what is in it, the programs make durable themselves.
    pub fn keep(&self, ctx: &Context<'_>) -> Result<(), Stop> {
        self.well(ctx, &self.sync()).map(drop)
    }

    /// What [`Folder::remove`] may do.
    pub fn undo_effects(&self) -> Vec<Effect> {
        vec![
            Effect::run(&self.remove_content()),
            Effect::remove(self.mark_file()),
            Effect::run(&self.remove_folder()),
        ]
    }

    /// What is there.
    pub fn look(&self, ctx: &Context<'_>) -> Result<Found, Refusal> {
        match ctx.host().stat(self.path.as_str()) {
            Err(fault) if fault.is_missing() => return Ok(Found::Missing),
            stat if stat.as_ref().is_ok_and(|stat| stat.kind != FileKind::Folder) => {
                return Ok(Found::Foreign("it is no folder".into()));
            }
            stat => drop(stat?),
        }
        match ctx.host().read_text(&self.mark_file())? {
            Some(mark) if mark == Self::mark(ctx) => return Ok(Found::Ours),
            Some(mark) => {
                let first = mark.lines().next().unwrap_or_default().escape_debug().to_string();
                return Ok(Found::Foreign(format!("it carries the mark of {first}")));
            }
            None => {}
        }
        let listed = self.listed(ctx, self.path.as_str(), "%P\\n")?;
        Ok(match listed.lines().find(|name| !name.is_empty()) {
            None => Found::Empty,
            Some(name) => Found::Foreign(format!("it holds `{}`", name.escape_debug())),
        })
    }

    /// Refuses a path that programs read otherwise, and a folder that is somebody else's.
    pub fn must_be_free(&self, ctx: &Context<'_>) -> Result<Found, Refusal> {
        let path = self.path.as_str();
        let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b));
        let parts = path.split('/').skip(1).all(|part| !["", ".", ".."].contains(&part));
        if !(path.starts_with('/') && plain && parts) {
            let message = format!("`{path}` is no whole path of letters, digits and `/._-+`");
            return Err(Refusal::new("invalid-path", message));
        }
        match self.look(ctx)? {
            Found::Foreign(why) => {
                let message =
                    format!("{path} is not this step's: {why}; name a folder that is empty or not there yet");
                Err(Refusal::new("not-empty", message))
            }
            found => Ok(found),
        }
    }

    /// Makes the folder where it is missing, puts the mark in, and removes what an attempt before has left.
    pub fn prepare(&self, ctx: &Context<'_>, checkpoint: Option<&Value>) -> Result<(), Stop> {
        let found = self.must_be_free(ctx)?;
        let made = found == Found::Missing || is_made(checkpoint);
        if found == Found::Ours {
            return self.well(ctx, &self.remove_content()).map(drop);
        }
        ctx.host().save(&json!({ "made": made }))?;
        if found == Found::Missing {
            // mkdir fails where somebody else was faster.
            ctx.host().run(&self.make())?.or_refuse("no-folder")?;
        }
        if let Some(command) = self.hand_over().filter(|_| made) {
            self.well(ctx, &command)?;
        }
        Ok(ctx.host().replace(&self.mark_file(), Self::mark(ctx).as_bytes())?)
    }

    /// Takes back what this step made, and nothing else.
    pub fn remove(&self, ctx: &Context<'_>, checkpoint: Option<&Value>) -> Answer<()> {
        let made = is_made(checkpoint);
        match self.look(ctx)? {
            Found::Missing => return Ok(Done::Unchanged(())),
            Found::Empty if !made => return Ok(Done::Unchanged(())),
            Found::Foreign(why) => {
                ctx.host().log(Level::Warn, &format!("{} is left alone: {why}", self.path));
                return Ok(Done::Unchanged(()));
            }
            Found::Empty => {}
            Found::Ours => {
                self.well(ctx, &self.remove_content())?;
                ctx.host().remove(&self.mark_file())?;
            }
        }
        if made {
            self.well(ctx, &self.remove_folder())?;
        }
        Ok(Done::Changed(()))
    }

    /// What lies in what the step made.
    pub fn size(&self, ctx: &Context<'_>) -> Result<Size, Refusal> {
        let mut size = Size::default();
        for line in self.listed(ctx, &self.content(), "%y %s %f\\n")?.lines() {
            let mut words = line.splitn(3, ' ');
            let (kind, bytes, name) = (words.next(), words.next(), words.next());
            let Some(bytes) = bytes.and_then(|bytes| bytes.parse::<u64>().ok()).filter(|_| kind == Some("f"))
            else {
                continue;
            };
            size.files += 1;
            size.bytes = Bytes(size.bytes.0 + bytes);
            if bytes == 0 && size.empty.is_none() {
                size.empty = name.map(str::to_owned);
            }
        }
        Ok(size)
    }

    fn listed(&self, ctx: &Context<'_>, path: &str, format: &str) -> Result<String, Refusal> {
        let list = Command::reading("find").args([path, "-xdev", "-printf", format]);
        Ok(ctx.host().run(&list)?.or_refuse("not-listed")?.text())
    }

    fn well(&self, ctx: &Context<'_>, command: &Command) -> Result<Finished, Stop> {
        let told = ctx.host().run(command)?;
        match told.success() {
            true => Ok(told),
            false => {
                let left = format!("{}, with this step's mark", self.path);
                Err(Failure::new(&*command.program, told.words(), left).again().into())
            }
        }
    }

    fn make(&self) -> Command {
        Command::new("mkdir").args(["-m", "0700", self.path.as_str()])
    }

    fn hand_over(&self) -> Option<Command> {
        Some(Command::new("chown").args([self.user?, self.path.as_str()]))
    }

    fn remove_content(&self) -> Command {
        let remove = Command::new("rm").args(["-r", "-f", "--one-file-system", &self.content()]);
        match self.user {
            Some(user) => remove.user(user),
            None => remove,
        }
    }

    fn sync(&self) -> Command {
        let above = self.path.as_str().rsplit_once('/').map_or("", |(above, _)| above);
        Command::new("sync").args([self.path.as_str(), if above.is_empty() { "/" } else { above }])
    }

    fn remove_folder(&self) -> Command {
        Command::new("rmdir").args(["--ignore-fail-on-non-empty", self.path.as_str()])
    }
}

/// What is refused once something lies in the folder.
pub fn part_way(refusal: Refusal, left: String) -> Failure {
    let failure = Failure::new(refusal.code, refusal.message, left);
    if refusal.again { failure.again() } else { failure }
}

/// Whether the folder was not there before this step.
pub fn is_made(checkpoint: Option<&Value>) -> bool {
    checkpoint.and_then(|saved| saved.get("made")?.as_bool()).unwrap_or(false)
}
