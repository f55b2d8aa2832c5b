//! All physical volumes that LVM sees, and those that it misses. It must not know what is done with one.

use crate::report;
use cutwater_sdk::serde::Deserialize;
use cutwater_sdk::{Context, Refusal};

/// A physical volume among all that LVM sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its device, as LVM calls it; `[unknown]` where it is missing.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// Its group; empty where it has none.
    pub group: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// All of its extents.
    pub extents: u64,
    /// Its device's number.
    pub number: String,
    /// Its device is not there.
    pub missing: bool,
}

/// All of them.
///
/// # Errors
/// `lvm`, with its own words.
pub fn read(ctx: &Context<'_>) -> Result<Vec<Member>, Refusal> {
    let rows: Vec<Row> = report::rows(ctx, report::all("pvs", FIELDS), "pv")?;
    Ok(rows.into_iter().map(Member::from).collect())
}

const FIELDS: &str = "pv_name,pv_uuid,vg_name,pv_tags,pv_pe_count,pv_major,pv_minor,pv_missing";

#[derive(Deserialize)]
#[serde(crate = "cutwater_sdk::serde")]
struct Row {
    pv_name: String,
    pv_uuid: String,
    vg_name: String,
    pv_tags: String,
    pv_pe_count: String,
    pv_major: String,
    pv_minor: String,
    pv_missing: String,
}

impl From<Row> for Member {
    fn from(row: Row) -> Self {
        Self {
            name: row.pv_name,
            uuid: row.pv_uuid,
            group: row.vg_name,
            tags: row.pv_tags.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            extents: report::figure(&row.pv_pe_count),
            number: format!("{}:{}", row.pv_major, row.pv_minor),
            missing: row.pv_missing.trim() == "1",
        }
    }
}
