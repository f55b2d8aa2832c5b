//! The pure part of Cutwater: the workflow document and its checks, the plan, the events of a run and the state that
//! they fold to. It must not know files, sockets, clocks, randomness, threads or async: same input, same output.

pub mod answer;
pub mod check;
pub mod describe;
pub mod document;
pub mod editor;
pub mod effect;
pub mod event;
pub mod expr;
pub mod fault;
pub mod figures;
pub mod grant;
pub mod graph;
mod history;
pub mod mounting;
pub mod names;
pub mod partial;
pub mod plan;
pub mod planning;
pub mod policy;
#[cfg(test)]
mod sample;
pub mod schema;
pub mod show_plan;
pub mod state;
pub mod summary;
pub mod timeline;
pub mod trees;
