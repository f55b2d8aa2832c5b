//! The steps of a plugin put together. It must not know what the steps do.

use crate::answer::{Probed, Refusal, Story};
use crate::call::{Preview, Reply, TakenHold};
use crate::context::Context;
use crate::partial::Partial;
use serde_json::Value;

/// All steps of a plugin, called by name; [`crate::plugin!`] writes it. The action is the context's.
pub trait Plugin {
    /// What it says of itself.
    fn describe() -> Value;
    /// Shows what a step, or with `undo` its undo or release, would do.
    fn preview(ctx: &Context<'_>, input: &Partial, undo: bool) -> Result<Preview, Refusal>;
    /// Runs a check or applies an action.
    fn apply(ctx: &Context<'_>, input: Value, checkpoint: Option<Value>) -> Reply;
    /// Probes an action.
    fn probe(ctx: &Context<'_>, input: Value, story: &Story) -> Probed<Value>;
    /// Takes an action back.
    fn undo(ctx: &Context<'_>, input: Value, story: &Story) -> Reply;
    /// Takes a hold.
    fn take<'a>(ctx: Context<'a>, input: Value) -> Result<TakenHold<'a>, Refusal>;
    /// Gives a hold back whose holder is gone.
    fn release_orphan(ctx: &Context<'_>, input: Value) -> Reply;
}

/// The refusal of an action that the plugin does not have.
pub fn no_such_action(ctx: &Context<'_>) -> Refusal {
    Refusal::new("no-such-action", format!("this plugin has no action `{}` of that kind", ctx.action))
}

/// Puts the steps of a plugin together and, on `wasm32`, exports them.
///
/// ```text
/// plugin! {
///     name: "lvm",
///     summary: "Volume groups, logical volumes and their snapshots.",
///     checks: [CheckExtents],
///     actions: [Snapshot, Remove],
///     holds: [],
/// }
/// ```
///
/// It defines `pub struct Plugin`, which implements [`trait@Plugin`]; the component exports the interface `hold` only
/// if there are holds.
#[macro_export]
macro_rules! plugin {
    (
        name: $name:literal,
        summary: $summary:literal,
        $(checks: [$($check:ty),* $(,)?],)?
        $(actions: [$($action:ty),* $(,)?],)?
        $(holds: [$($hold:ty),* $(,)?] $(,)?)?
    ) => {
        $crate::__steps! {
            ($name, $summary)
            [$($($check,)*)?]
            [$($($action,)*)?]
            [$($($hold,)*)?]
        }
        $crate::__export! { [$($($hold,)*)?] }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __steps {
    (($name:literal, $summary:literal) [$($check:ty,)*] [$($action:ty,)*] [$($hold:ty,)*]) => {
        /// All steps of this plugin.
        pub struct Plugin;

        #[allow(unused_variables, reason = "which of them are used depends on the kinds of step there are")]
        impl $crate::Plugin for Plugin {
            fn describe() -> $crate::Value {
                let entries: ::std::vec::Vec<$crate::describe::Entry> = ::std::vec![
                    $($crate::describe::check::<$check>(),)*
                    $($crate::describe::action::<$action>(),)*
                    $($crate::describe::hold::<$hold>(),)*
                ];
                $crate::describe::plugin($name, env!("CARGO_PKG_VERSION"), $summary, entries)
            }

            fn preview(
                ctx: &$crate::Context<'_>,
                input: &$crate::Partial,
                undo: bool,
            ) -> ::std::result::Result<$crate::call::Preview, $crate::Refusal> {
                $(if ctx.action == <$check as $crate::Check>::NAME {
                    return $crate::call::preview_check::<$check>(ctx, input);
                })*
                $(if ctx.action == <$action as $crate::Action>::NAME {
                    return $crate::call::preview::<$action>(ctx, input, undo);
                })*
                $(if ctx.action == <$hold as $crate::Hold>::NAME {
                    return $crate::call::preview_hold::<$hold>(ctx, input, undo);
                })*
                Err($crate::no_such_action(ctx))
            }

            fn apply(
                ctx: &$crate::Context<'_>,
                input: $crate::Value,
                checkpoint: ::std::option::Option<$crate::Value>,
            ) -> $crate::call::Reply {
                $(if ctx.action == <$check as $crate::Check>::NAME {
                    return $crate::call::check::<$check>(ctx, input);
                })*
                $(if ctx.action == <$action as $crate::Action>::NAME {
                    return $crate::call::apply::<$action>(ctx, input, checkpoint);
                })*
                $crate::call::Reply::Refused($crate::no_such_action(ctx))
            }

            fn probe(
                ctx: &$crate::Context<'_>,
                input: $crate::Value,
                story: &$crate::Story,
            ) -> $crate::Probed<$crate::Value> {
                $(if ctx.action == <$action as $crate::Action>::NAME {
                    return $crate::call::probe::<$action>(ctx, input, story);
                })*
                $crate::Probed::CannotTell($crate::no_such_action(ctx).message)
            }

            fn undo(
                ctx: &$crate::Context<'_>,
                input: $crate::Value,
                story: &$crate::Story,
            ) -> $crate::call::Reply {
                $(if ctx.action == <$action as $crate::Action>::NAME {
                    return $crate::call::undo::<$action>(ctx, input, story);
                })*
                $crate::call::Reply::Refused($crate::no_such_action(ctx))
            }

            fn take<'a>(
                ctx: $crate::Context<'a>,
                input: $crate::Value,
            ) -> ::std::result::Result<$crate::call::TakenHold<'a>, $crate::Refusal> {
                $(if ctx.action == <$hold as $crate::Hold>::NAME {
                    return $crate::call::take::<$hold>(ctx, input);
                })*
                Err($crate::no_such_action(&ctx))
            }

            fn release_orphan(ctx: &$crate::Context<'_>, input: $crate::Value) -> $crate::call::Reply {
                $(if ctx.action == <$hold as $crate::Hold>::NAME {
                    return $crate::call::release_orphan::<$hold>(ctx, input);
                })*
                $crate::call::Reply::Refused($crate::no_such_action(ctx))
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ([]) => {
        #[cfg(target_arch = "wasm32")]
        mod __guest {
            type Guest = $crate::guest::Component<super::Plugin>;
            $crate::guest::steps::export!(Guest with_types_in $crate::guest::steps);
        }
    };
    ([$($hold:ty,)+]) => {
        #[cfg(target_arch = "wasm32")]
        mod __guest {
            type Guest = $crate::guest::Component<super::Plugin>;
            $crate::guest::steps::export!(Guest with_types_in $crate::guest::steps);
            $crate::guest::holding::export!(Guest with_types_in $crate::guest::holding);
        }
    };
}
