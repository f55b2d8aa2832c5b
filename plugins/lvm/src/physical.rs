//! A physical volume, as `pvs` tells of it. It must not know which volumes lie on it.

use crate::report;
use cutwater_sdk::serde::Deserialize;
use cutwater_sdk::{Bytes, Context, Device, Refusal, json};

/// A physical volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pv {
    /// As LVM calls it, whatever it was asked for.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Its group; empty where it has none.
    pub group: String,
    /// Extents that nobody uses.
    pub free: u64,
    /// New extents may be taken from it.
    pub allocatable: bool,
}

impl Pv {
    /// Whether so many extents of that size can be taken from it.
    ///
    /// # Errors
    /// `not-allocatable`, `not-enough-extents` with how many are missing.
    pub fn room(&self, device: &Device, needed: u64, extent: u64) -> Result<(), Refusal> {
        if needed > 0 && !self.allocatable {
            let message = format!("`{device}` gives no extents (`pvchange -x y {device}` lets it)");
            return Err(Refusal::new("not-allocatable", message));
        }
        if needed <= self.free {
            return Ok(());
        }
        let deficit = needed - self.free;
        Err(Refusal::new(
            "not-enough-extents",
            format!(
                "`{device}` has {} free extents of {}, the move needs {needed}: {deficit} extents ({} bytes) too few",
                self.free,
                Bytes(extent),
                deficit * extent
            ),
        )
        .details(json!({ "needed": needed, "free": self.free, "deficit": deficit })))
    }
}

/// Asks for a physical volume of that group.
///
/// # Errors
/// `no-such-physical-volume` with LVM's own words, `not-in-group`.
pub fn of_group(ctx: &Context<'_>, group: &str, device: &Device) -> Result<Pv, Refusal> {
    let pv = read(ctx, &device.0)?;
    match pv.group == group {
        true => Ok(pv),
        false => {
            let message = format!("`{device}` is no physical volume of `{group}`");
            Err(Refusal::new("not-in-group", message))
        }
    }
}

fn read(ctx: &Context<'_>, device: &str) -> Result<Pv, Refusal> {
    let rows: Vec<Row> = report::rows(ctx, report::command("pvs", &[], FIELDS, device), "pv")
        .map_err(|refusal| Refusal { code: "no-such-physical-volume".to_owned(), ..refusal })?;
    rows.into_iter()
        .next()
        .map(Pv::from)
        .ok_or_else(|| Refusal::new("no-such-physical-volume", format!("LVM tells nothing of `{device}`")))
}

const FIELDS: &str = "pv_name,pv_uuid,vg_name,pv_pe_count,pv_pe_alloc_count,pv_allocatable";

#[derive(Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct Row {
    pv_name: String,
    pv_uuid: String,
    vg_name: String,
    pv_pe_count: String,
    pv_pe_alloc_count: String,
    pv_allocatable: String,
}

impl From<Row> for Pv {
    fn from(row: Row) -> Self {
        let (all, used) = (report::figure(&row.pv_pe_count), report::figure(&row.pv_pe_alloc_count));
        Self {
            name: row.pv_name,
            uuid: row.pv_uuid,
            group: row.vg_name,
            free: all.saturating_sub(used),
            allocatable: row.pv_allocatable.trim() == "1",
        }
    }
}
