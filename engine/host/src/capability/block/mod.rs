//! The native data path: bulk bytes never cross into a plugin. Files: `request` (what is asked and answered), `link`
//! (grants and plan), `verbs` (the checks and the doing), `transfer` and `compare` (the threads that move and compare),
//! `store` (what a snapshot says has changed), `lineage` (of which devices that is true), `alias`, `carried`, `facts`, `signature`, `device`, `ranges`, `buffer`, `error`.

pub mod alias;
pub mod buffer;
pub mod carried;
pub mod compare;
pub mod device;
pub mod error;
pub mod facts;
pub mod lineage;
pub mod link;
pub mod ranges;
pub mod request;
pub mod signature;
pub mod store;
pub mod transfer;
pub mod verbs;
pub mod writers;

#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
