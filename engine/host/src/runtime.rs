//! The one WebAssembly engine of the process: its constant settings, its clock tick, the linker with every capability. It
//! must not know plugins or runs.

use crate::capability;
use crate::limits;
use crate::state::CallState;
use std::time::Duration;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often running guests are looked at.
pub const TICK: Duration = Duration::from_millis(10);

/// Instances that may live at once where there is a pool: calls under way and open holds.
const SLOTS: u32 = 64;

/// Every artifact is compiled for the baseline of the architecture, so that it does not depend on the machine that made it.
#[cfg(target_arch = "x86_64")]
const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// The engine. One for the process.
pub struct Runtime {
    engine: Engine,
    linker: Linker<CallState>,
    pooled: bool,
}

/// The engine cannot be made: a defect, or a kernel that gives no memory.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be set up: {0}")]
pub struct RuntimeError(String);

impl Runtime {
    /// Makes it. Where the kernel does not give the address space for a pool, instances are made one by one.
    ///
    /// # Errors
    /// Neither can be had.
    pub fn new() -> Result<Self, RuntimeError> {
        Self::with(Allocation::Pool).or_else(|_| Self::with(Allocation::OneByOne))
    }

    pub(crate) fn with(allocation: Allocation) -> Result<Self, RuntimeError> {
        Self::set_up(allocation).map_err(|error| RuntimeError(format!("{error:#}")))
    }

    fn set_up(allocation: Allocation) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config(allocation)?)?;
        let mut linker = Linker::new(&engine);
        capability::link(&mut linker)?;
        let weak = engine.weak();
        std::thread::Builder::new().name("tick".into()).spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
        Ok(Self { engine, linker, pooled: allocation == Allocation::Pool })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The linker, with every capability.
    pub fn linker(&self) -> &Linker<CallState> {
        &self.linker
    }

    /// Whether instances come from a pool.
    pub fn is_pooled(&self) -> bool {
        self.pooled
    }
}

/// Where instances come from: the only thing that may differ from one engine to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocation {
    Pool,
    OneByOne,
}

/// The settings. All but the allocation is constant: an artifact compiled under other ones is refused when it is loaded.
fn config(allocation: Allocation) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        .target(TARGET)?
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_component_model(true)
        .memory_reservation(limits::MEMORY as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(64 << 10)
        .memory_may_move(false)
        .guard_before_linear_memory(false)
        .max_wasm_stack(512 << 10);
    if allocation == Allocation::Pool {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(SLOTS)
            .total_core_instances(SLOTS * 4)
            .total_memories(SLOTS)
            .total_tables(SLOTS * 4)
            .max_memory_size(limits::MEMORY)
            .max_memories_per_component(4)
            .max_unused_warm_slots(4);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    Ok(config)
}
