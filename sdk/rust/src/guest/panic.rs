//! A panic's message and place reach the host's log before the trap. It must not know what panicked.

use super::steps::cutwater::plugin::log;
use std::sync::Once;

static HOOK: Once = Once::new();

/// Called at the start of every export.
pub fn install() {
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            log::log(log::Level::Error, &format!("the plugin panicked: {info}"))
        }));
    });
}
