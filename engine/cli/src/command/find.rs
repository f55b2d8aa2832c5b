//! Finding a run by what was typed. It must not read its events.

use crate::exit::{Failure, Kind};
use crate::paths::Paths;
use cutwater_store::{Store, Summary};

/// The journal, for reading.
pub fn journal(paths: &Paths) -> Result<Store, Failure> {
    match Store::open_to_read(&paths.journal())? {
        Some(store) => Ok(store),
        None => Err(Failure::words(
            Kind::Invalid,
            format!("there is no journal at {}: nothing ever ran here", paths.journal().display()),
        )),
    }
}

/// The run that is called so, or the only one that begins so.
pub fn find(store: &Store, typed: &str) -> Result<Summary, Failure> {
    let mut runs = store.history()?;
    if let Some(exact) = runs.iter().position(|summary| summary.run.as_str() == typed) {
        return Ok(runs.swap_remove(exact));
    }
    let damaged = runs.iter().filter(|summary| summary.damage.is_some()).count();
    runs.retain(|summary| summary.run.as_str().starts_with(typed));
    let newest: Vec<&str> = runs.iter().rev().take(5).map(|summary| summary.run.as_str()).collect();
    match newest.as_slice() {
        [_] => Ok(runs.swap_remove(0)),
        [] if damaged > 0 => {
            let error = format!(
                "no run that can be read is called `{typed}`, and {damaged} are damaged in the list of runs; \
                 `cutwater runs` names them"
            );
            Err(Failure::words(Kind::Stopped, error))
        }
        [] => {
            let error = format!("there is no run `{typed}`; `cutwater runs` lists those there are");
            Err(Failure::words(Kind::Invalid, error))
        }
        several => {
            let error =
                format!("{} runs begin with `{typed}`: {}; type more of it", runs.len(), several.join(", "));
            Err(Failure::words(Kind::Usage, error))
        }
    }
}
