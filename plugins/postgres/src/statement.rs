//! Every statement that the plugin sends, word for word: the plan shows them and the host admits no other. Values stand in
//! the text, since the plan could not show them beside it. It must not know when they are sent.

/// The cluster's identity. Known to hosts as a statement that only reads, so that a probe may send it.
pub const IDENTITY: &str = "select system_identifier::text from pg_control_system()";

/// Timeline and redo position of the last checkpoint.
pub const POSITION: &str = "select timeline_id::text, redo_lsn::text from pg_control_checkpoint()";

/// Which cluster the server works on. Known to hosts as a statement that only reads.
pub const DIRECTORY: &str = "show data_directory";

/// Forces a checkpoint.
pub const CHECKPOINT: &str = "checkpoint";

/// When this session last read the configuration.
pub const LOADED: &str = "select pg_conf_load_time()::text";

/// Makes the server read its configuration, pg_hba.conf included.
pub const RELOAD: &str = "select pg_reload_conf()";

/// Whether the session still answers.
pub const ALIVE: &str = "select 1";

/// Opens a transaction that cannot write.
pub const READ_ONLY: &str = "begin read only";

/// Ends it.
pub const END: &str = "rollback";

/// Opens a transaction that sees one moment and cannot write. Known to hosts as a statement that only reads.
pub const ONE_MOMENT: &str = "begin isolation level repeatable read read only";

/// Lets other transactions see what this one sees, as long as it lasts.
pub const EXPORT: &str = "select pg_export_snapshot()";

/// Where tablespaces of the cluster's own lie.
pub const TABLESPACES: &str =
    "select pg_tablespace_location(oid) from pg_tablespace where spcname not in ('pg_default', 'pg_global')";

/// How large a WAL segment is.
pub const SEGMENT: &str = "select setting from pg_settings where name = 'wal_segment_size'";

/// Leaves backup mode and gives what a restored copy needs. It does not wait for the archive: the WAL is taken here.
pub const BACKUP_STOP: &str = "select lsn::text, labelfile, spcmapfile from pg_backup_stop(false)";

/// Enters backup mode at once, by a checkpoint that is not spread out.
pub fn backup_start(label: &str) -> String {
    format!("select pg_backup_start({}, true)::text", literal(label))
}

/// Ends every client's session, this run's own excepted.
pub fn terminate_others(mark: &str) -> String {
    format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where {}", others(mark))
}

/// Counts the sessions that [`terminate_others`] ends.
pub fn count_others(mark: &str) -> String {
    format!("select count(*) from pg_stat_activity where {}", others(mark))
}

/// Ends the sessions of this very step that somebody left behind.
pub fn terminate_own(mark: &str) -> String {
    let mark = kept(mark);
    format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = {mark} and pid <> pg_backend_pid()"
    )
}

fn others(mark: &str) -> String {
    let run = mark.rsplit_once('.').map_or(mark, |(run, _)| run);
    let own = kept(&format!("{run}."));
    format!(
        "backend_type in ('client backend', 'walsender') and pid <> pg_backend_pid() and not starts_with(application_name, {own})"
    )
}

/// How many bytes of a name the server keeps.
const KEPT: usize = 63;

/// A mark as the server keeps it.
pub fn application_name(mark: &str) -> &str {
    let end = (0..=mark.len().min(KEPT)).rev().find(|&at| mark.is_char_boundary(at)).unwrap_or(0);
    &mark[..end]
}

/// The server cuts it: while planning the run has no name yet, and nobody knows where the cut will be.
fn kept(mark: &str) -> String {
    format!("left({}, {KEPT})", literal(mark))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_in_a_statement_is_quoted_and_as_long_as_the_server_keeps_it() {
        assert_eq!(backup_start("o'x"), "select pg_backup_start('o''x', true)::text");
        let long = format!("cutwater.{}.step", "r".repeat(80));
        assert_eq!(application_name(&long).len(), 63);
        let left = "not starts_with(application_name, left('cutwater.r1.', 63))";
        assert!(count_others("cutwater.r1.drain").ends_with(left));
    }
}
