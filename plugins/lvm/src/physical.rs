//! A physical volume, as `pvs` tells of it. It must not know which volumes lie on it.

use crate::report;
use cutwater_sdk::serde::Deserialize;
use cutwater_sdk::{Context, Refusal};

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

/// Asks for a physical volume.
///
/// # Errors
/// `no-such-physical-volume` with LVM's own words.
pub fn read(ctx: &Context<'_>, device: &str) -> Result<Pv, Refusal> {
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
