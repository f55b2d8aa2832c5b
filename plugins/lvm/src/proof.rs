//! What a fencing agent leaves behind: a record that says which host it switched off, and when. It must not know LVM.
//!
//! The record is a file that root alone may write:
//!
//! ```json
//! { "cutwater-fencing": 1, "host": "node-a", "action": "off", "at": 1795804000, "by": "fence_ipmilan" }
//! ```

use cutwater_sdk::host::FileKind;
use cutwater_sdk::{Context, Deserialize, Duration, Host, Path, Refusal, serde_json};

/// How old a proof may be where nobody says.
pub const AGE: Duration = Duration(10 * 60_000);
/// How old anybody may let it be.
pub const AGE_AT_MOST: Duration = Duration(60 * 60_000);
/// By so many seconds the clocks of two hosts may differ.
const SKEW: u64 = 5;

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
pub struct Proof {
    cutwater_fencing: u32,
    /// The host's system ID.
    pub host: String,
    /// What was done to it.
    action: String,
    /// When that had succeeded, in seconds since 1970.
    pub at: u64,
    /// Who did it.
    pub by: String,
}

/// What a proof must hold for.
pub struct Wanted<'a> {
    /// The host.
    pub host: &'a str,
    /// When it left its last trace, in seconds since 1970: whoever wrote that was not off yet.
    pub alive: u64,
    /// How old the proof may be.
    pub age: Duration,
}

/// Reads the record, and takes it for that host alone, while it is fresh.
///
/// # Errors
/// `no-proof`, `proof-not-trusted`, `proof-not-understood`, `proof-of-another-host`, `proof-not-off`, `proof-stale`,
/// `proof-from-the-future`, `proof-outlived`.
pub fn read(ctx: &Context<'_>, path: &Path, wanted: &Wanted<'_>) -> Result<Proof, Refusal> {
    let refused = |code: &str, words: String| {
        let way = format!("fence `{}`, and have its fencing agent leave a new record", wanted.host);
        Err(Refusal::new(code, format!("{words}; {way}")))
    };
    let Some(text) = ctx.host().read_text(path.as_str())? else {
        return refused(
            "no-proof",
            format!("there is no {path}, so nothing tells that `{}` is off", wanted.host),
        );
    };
    let stat = ctx.host().stat(path.as_str())?;
    if stat.kind != FileKind::File || stat.uid != 0 || stat.mode & 0o022 != 0 {
        return refused("proof-not-trusted", format!("others than root may write {path}"));
    }
    let proof: Proof = match serde_json::from_str(&text) {
        Ok(proof) => proof,
        Err(error) => {
            return refused("proof-not-understood", format!("{path} is no fencing record: {error}"));
        }
    };
    let (now, told) = (ctx.host().now() / 1000, format!("{path}, left by `{}`,", proof.by));
    let age = now.saturating_sub(proof.at);
    match &proof {
        Proof { cutwater_fencing: version, .. } if *version != 1 => {
            refused("proof-not-understood", format!("{told} is of version {version}, and 1 is known"))
        }
        Proof { host, .. } if host != wanted.host => {
            refused("proof-of-another-host", format!("{told} tells of `{host}`"))
        }
        // A host that was started again may use the group by now.
        Proof { action, .. } if action != "off" => {
            refused("proof-not-off", format!("{told} says `{action}`, and not that it is `off`"))
        }
        Proof { at, .. } if *at > now + SKEW => {
            refused("proof-from-the-future", format!("{told} is {} s ahead of this clock", at - now))
        }
        _ if age * 1000 > wanted.age.0 => refused(
            "proof-stale",
            format!("{told} is {age} s old, and {} s are allowed", wanted.age.0 / 1000),
        ),
        Proof { at, .. } if wanted.alive > *at => {
            let after = wanted.alive - at;
            let words = format!(
                "the group was changed {after} s after {told} so its writer was not off, or clocks differ"
            );
            refused("proof-outlived", words)
        }
        _ => Ok(proof),
    }
}
