//! Cutting grants down to a bound. It must not know what a grant is good for.

use crate::grant::{Address, Grants, matches};
use serde::Serialize;
use serde_json::{Value, json};

/// One grant that goes further than this machine allows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exceeded {
    /// The grant's key, such as `write`.
    pub key: &'static str,
    /// What was granted.
    pub granted: Value,
}

/// What of `granted` lies within `bound`, and what does not. A granted pattern lies within a bound's pattern when every
/// text that it matches is matched by that one pattern.
pub fn cut(bound: &Grants, granted: &Grants) -> (Grants, Vec<Exceeded>) {
    let mut exceeded = Vec::new();
    let mut texts = |key: &'static str, bound: &[String], granted: &[String]| {
        let (within, beyond): (Vec<_>, Vec<_>) =
            granted.iter().cloned().partition(|text| bound.iter().any(|pattern| matches(pattern, text)));
        exceeded.extend(beyond.into_iter().map(|text| Exceeded { key, granted: json!(text) }));
        within
    };
    let run = texts("run", &bound.run, &granted.run);
    let on = texts("on", &bound.on, &granted.on);
    let mount = texts("mount", &bound.mount, &granted.mount);
    let read = texts("read", &bound.read, &granted.read);
    let write = texts("write", &bound.write, &granted.write);
    let units = texts("units", &bound.units, &granted.units);
    let freeze = texts("freeze", &bound.freeze, &granted.freeze);
    let secrets = texts("secrets", &bound.secrets, &granted.secrets);
    let (connect, beyond): (Vec<_>, Vec<_>) =
        granted.connect.iter().cloned().partition(|address| bound.connect.iter().any(|b| covers(b, address)));
    exceeded.extend(beyond.into_iter().map(|a| Exceeded { key: "connect", granted: json!(a) }));
    (Grants { run, on, mount, read, write, units, freeze, connect, secrets }, exceeded)
}

/// Where a bound asks for TLS the grant must too, with the same settings; the same user; and a bound that is read-only
/// admits a read-only grant only.
fn covers(bound: &Address, granted: &Address) -> bool {
    match (bound, granted) {
        (
            Address::Unix { unix: b, user: bu, read_only: br },
            Address::Unix { unix: g, user: gu, read_only: gr },
        ) => matches(b, g) && bu == gu && (!br || *gr),
        (
            Address::Tcp { host: b, port: bp, tls: bt, read_only: br },
            Address::Tcp { host: g, port: gp, tls: gt, read_only: gr },
        ) => matches(b, g) && bp == gp && (bt.is_none() || bt == gt) && (!br || *gr),
        _ => false,
    }
}
