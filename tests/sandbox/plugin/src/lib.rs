//! A plugin that does whatever its input tells it to: the sandbox's own adversary. It must not know what it will get.

use cutwater_sdk::host::{BlockFacts, CopyRequest, Host as _};
use cutwater_sdk::*;

plugin! {
    name: "hostile",
    summary: "Tries what it is told to try.",
    checks: [Look],
    actions: [Try],
    holds: [Pause],
}

/// What `with:` holds.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The effects that the preview shows: [{kind, detail}].
    #[serde(default)]
    pub shows: Vec<Value>,
    /// What is tried in the preview: [[verb, argument...]].
    #[serde(default)]
    pub early: Vec<Vec<String>>,
    /// What is tried later.
    #[serde(default)]
    pub tries: Vec<Vec<String>>,
}

/// What came of each try: the fault's code, or `ok TEXT`.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// In the order of the tries.
    pub told: Vec<String>,
    /// For trying out large and deep answers.
    #[serde(default)]
    pub extra: Value,
    /// A number where the schema says text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub lie: Option<u32>,
}

fn all(ctx: &Context<'_>, tries: &[Vec<String>]) -> Output {
    let mut extra = Value::Null;
    let told = tries
        .iter()
        .map(|words| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            one(ctx, &words, &mut extra).map_or_else(|fault| fault.code, |text| format!("ok {text}"))
        })
        .collect();
    let lie = (extra == "lie").then_some(7);
    Output { told, extra, lie }
}

#[expect(clippy::panic, reason = "it is what the sandbox must survive")]
fn one(ctx: &Context<'_>, words: &[&str], extra: &mut Value) -> Result<String, Fault> {
    let host = ctx.host();
    Ok(match words {
        ["run", program, args @ ..] => host.run(&Command::new(*program).args(args))?.text(),
        ["tell", secret, program, args @ ..] => {
            let stdin = format!("{}\n", host.secret(secret)?);
            host.run(&Command::new(*program).args(args).stdin(stdin))?.text()
        }
        ["betray", secret, program] => host.run(&Command::new(*program).arg(host.secret(secret)?))?.text(),
        ["read", path] => String::from_utf8_lossy(&host.read(path)?).into_owned(),
        ["stat", path] => format!("{:?}", host.stat(path)?),
        ["write", path, content] => host.replace(path, content.as_bytes()).map(|()| String::new())?,
        ["remove", path] => host.remove(path).map(|()| String::new())?,
        ["folder", path] => host.make_folder(path).map(|()| String::new())?,
        ["facts", device] => host.facts(device).map(|BlockFacts { bytes, .. }| bytes.to_string())?,
        ["read-block", device] => host.read_block(device, 0, 4096).map(|bytes| bytes.len().to_string())?,
        ["copy", from, to] => {
            let known = |text: &&str| Maybe::Known((*text).to_owned());
            let request = CopyRequest { from: known(from), to: known(to), ..CopyRequest::default() };
            host.copy(&request).map(|copied| copied.bytes.to_string())?
        }
        ["erase", to] => host.erase(to).map(|()| String::new())?,
        ["freeze", at] => host.freeze(at).map(|()| String::new())?,
        ["thaw", at] => host.thaw(at).map(|()| String::new())?,
        ["connect", path, protocol] => {
            let mut stream = host.connect(&json!({ "unix": path }), protocol)?;
            stream.write(b"Q\0\0\0\x0fdrop all;\0")?;
            "connected".to_owned()
        }
        ["secret", name] => host.secret(name)?,
        ["declared", name] => format!("{:?}", host.declared("service", name)?),
        ["random", count] => host.random(count.parse().unwrap_or(0)).len().to_string(),
        ["mounts"] => host.mounts()?.len().to_string(),
        ["save", text] => host.save(&json!(text)).map(|()| String::new())?,
        ["sleep", ms] => host.sleep(ms.parse().unwrap_or(0)).map(|()| String::new())?,
        ["say", text] => {
            ctx.say(text);
            String::new()
        }
        ["flood", lines] => {
            let line = "x".repeat(1000);
            for _ in 0..lines.parse().unwrap_or(0) {
                ctx.say(&line);
            }
            String::new()
        }
        ["large", bytes] => {
            *extra = json!("y".repeat(bytes.parse().unwrap_or(0)));
            String::new()
        }
        ["lie"] => {
            *extra = json!("lie");
            String::new()
        }
        ["deep", levels] => {
            *extra = (0..levels.parse().unwrap_or(0)).fold(Value::Null, |inner, _| json!([inner]));
            String::new()
        }
        ["bomb"] => {
            let mut kept: Vec<Vec<u8>> = Vec::new();
            loop {
                kept.push(vec![1; 1 << 20]);
                std::hint::black_box(&kept);
            }
        }
        ["loop"] => {
            let mut count = 0_u64;
            loop {
                count = std::hint::black_box(count.wrapping_add(1));
            }
        }
        ["deaf"] => loop {
            // Does not care that it is told to stop.
            let _ = std::hint::black_box(host.sleep(1));
        },
        ["panic", words] => panic!("{words}"),
        other => format!("not understood: {other:?}"),
    })
}

fn shown(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
    let output = all(ctx, &input.early);
    let effects = input
        .shows
        .iter()
        .map(|shown| Effect::new(shown["kind"].as_str().unwrap_or_default(), shown["detail"].clone()));
    Ok(Shown::new(effects).output(output))
}

/// Reads only, they say.
pub struct Look;

impl Check for Look {
    const NAME: &'static str = "look";
    const SUMMARY: &'static str = "Tries things in a check.";
    type Input = Input;
    type Output = Output;

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        Ok(all(ctx, &input.tries))
    }
}

/// Changes something, if it can.
pub struct Try;

impl Action for Try {
    const NAME: &'static str = "try";
    const SUMMARY: &'static str = "Tries things.";
    const UNDO: Undo = Undo::Restores;
    type Input = Input;
    type Output = Output;

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        shown(ctx, input)
    }

    fn apply(ctx: &Context<'_>, input: &Input, _: Option<Value>) -> Answer<Output> {
        Ok(Done::Changed(all(ctx, &input.tries)))
    }

    fn probe(ctx: &Context<'_>, input: &Input, _: &Story) -> Result<Probed<Output>, Stop> {
        Ok(Probed::Applied(all(ctx, &input.tries)))
    }

    fn undo(ctx: &Context<'_>, input: &Input, _: &Story) -> Answer<()> {
        all(ctx, &input.tries);
        Ok(Done::Changed(()))
    }
}

/// Holds something, and tries things when it is asked whether it still does.
pub struct Pause;

/// What it keeps.
pub struct Kept {
    asked: u32,
    tries: Vec<Vec<String>>,
}

impl Hold for Pause {
    const NAME: &'static str = "pause";
    const SUMMARY: &'static str = "Tries things while it holds.";
    type Input = Input;
    type Taken = Output;
    type Released = Output;
    type Held = Kept;

    fn preview(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        shown(ctx, input)
    }

    fn preview_release(ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        shown(ctx, input)
    }

    fn take(ctx: &Context<'_>, input: &Input) -> Result<Take<Kept, Output>, Refusal> {
        let output = all(ctx, &input.early);
        Ok(Take { held: Kept { asked: 0, tries: input.tries.clone() }, output, give_backs: Vec::new() })
    }

    /// Unbroken when first asked; after that it does what it was told to.
    fn intact(ctx: &Context<'_>, held: &mut Kept) -> Result<(), String> {
        held.asked += 1;
        if held.asked > 1 {
            return Err(all(ctx, &held.tries).told.join(", "));
        }
        Ok(())
    }

    fn release(_: &Context<'_>, held: &mut Kept, how: Ending) -> Answer<Output> {
        Ok(Done::Changed(Output {
            told: vec![format!("{} {how:?}", held.asked)],
            extra: Value::Null,
            lie: None,
        }))
    }

    fn release_orphan(_: &Context<'_>, _: &Input) -> Answer<()> {
        Ok(Done::Unchanged(()))
    }
}
