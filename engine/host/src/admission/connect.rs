//! Streams and what is said on them. It must not know sockets.

use super::{Admitted, Denied, Phase, Rules};
use cutwater_core::effect::Effect;
use cutwater_core::grant::{Address, matches};
use serde_json::{Value, json};

impl Rules {
    /// Whether a stream may be opened; gives the grant, whose TLS settings bind. In a preview only where the role behind it
    /// cannot write. A stream that is not `postgres` must be in the plan, since nobody can see what is said on it.
    ///
    /// # Errors
    /// No grant, not in the plan, or the call only reads.
    pub fn admit_connect(&self, address: &Value, protocol: &str) -> Result<&Address, Denied> {
        let what = format!("a connection to `{address}`");
        let grant = self.address(address).ok_or_else(|| Denied::NotGranted {
            what: what.clone(),
            key: "connect",
            entry: address.to_string(),
        })?;
        let only_reads = || Err(Denied::OnlyReads { what: what.clone(), phase: self.phase });
        match (protocol, self.phase) {
            ("postgres", Phase::Preview) if !read_only(grant) => only_reads(),
            ("postgres", _) => Ok(grant),
            (_, Phase::Preview | Phase::Probe) => only_reads(),
            _ if self.shown(&Effect { kind: "opaque".into(), detail: json!({ "address": address }) }) => {
                Ok(grant)
            }
            _ => Err(Denied::NotInPlan { what }),
        }
    }

    /// Whether the statement may be sent: it only reads by the shipped table or the policy's, or the role behind the
    /// address cannot write, or it is in the plan: one that `reads` also for a check or a probe, and all that a check showed.
    ///
    /// # Errors
    /// Not in the plan, or the call only reads.
    pub fn admit_sql(&self, address: &Value, text: &str) -> Result<Admitted, Denied> {
        if self.policy.reads_sql(text) || self.address(address).is_some_and(read_only) {
            return Ok(Admitted::Reads);
        }
        let what = format!("the statement `{}`", text.chars().take(500).collect::<String>());
        let detail = json!({ "address": address, "text": text });
        let mut reading = detail.clone();
        reading["reads"] = json!(true);
        let effect = Effect { kind: "sql".into(), detail };
        let only_reads =
            self.phase != Phase::Preview && self.shown(&Effect { detail: reading, ..effect.clone() });
        if only_reads || (self.phase == Phase::Check && self.shown(&effect)) {
            return Ok(Admitted::Reads);
        }
        self.planned(&effect, &what)
    }

    fn address(&self, address: &Value) -> Option<&Address> {
        let text = |key: &str| address.get(key).and_then(Value::as_str);
        self.grants.connect.iter().find(|grant| match grant {
            Address::Unix { unix, user, .. } => {
                text("unix").is_some_and(|path| matches(unix, path)) && text("as") == user.as_deref()
            }
            Address::Tcp { host, port, tls, .. } => {
                text("host").is_some_and(|name| matches(host, name))
                    && address.get("port").and_then(Value::as_u64) == Some(u64::from(*port))
                    && (tls.is_none() || address.get("tls").is_some_and(Value::is_object))
            }
        })
    }
}

fn read_only(address: &Address) -> bool {
    match address {
        Address::Unix { read_only, .. } | Address::Tcp { read_only, .. } => *read_only,
    }
}
