//! The session that a hold leaves behind when its holder dies: it carries the step's mark. It must not know what it held.

use crate::address::Address;
use crate::session::Session;
use crate::statement::terminate_own;
use cutwater_sdk::{Answer, Context, Done};

/// Ends such a session, if there is one.
pub fn end(ctx: &Context<'_>, address: &Address) -> Answer<()> {
    let mut session = match Session::open(ctx, address) {
        Ok(session) => session,
        // No server, no session.
        Err(trouble) if trouble.is_down() => return Ok(Done::Unchanged(())),
        Err(trouble) => return Err(trouble.into()),
    };
    ctx.host().touch();
    let ended = session.query(&terminate_own(&ctx.mark))?.text(0)?;
    session.close();
    Ok(if ended == "0" { Done::Unchanged(()) } else { Done::Changed(()) })
}
