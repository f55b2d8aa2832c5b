//! Whether a process that somebody else started still lives: pid, start time and boot name it for ever. It must not
//! know what the process does.

use serde_json::Value;

/// This boot's id.
pub fn boot() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// When the process started, in clock ticks since boot (field 22 of /proc/PID/stat); none once it has ended, even if
/// nobody has collected its end yet.
pub fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether the program of a `run` use (`{pid, start, boot}`) still runs on this machine.
pub fn still_running(used: &Value) -> bool {
    let pid = used.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    let start = used.get("start").and_then(Value::as_u64);
    let same_boot = match (used.get("boot").and_then(Value::as_str), boot()) {
        (Some(then), Ok(now)) => then == now,
        _ => false,
    };
    match (pid, start) {
        (Some(pid), Some(start)) => same_boot && started(pid) == Some(start),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_process_is_the_same_only_with_pid_start_and_boot() {
        let (pid, boot) = (std::process::id(), boot().unwrap());
        let start = started(pid).unwrap();
        assert!(still_running(&json!({"pid": pid, "start": start, "boot": boot})));
        assert!(!still_running(&json!({"pid": pid, "start": start + 1, "boot": boot})));
        assert!(!still_running(&json!({"pid": pid, "start": start, "boot": "another"})));
        assert!(!still_running(&json!({"pid": pid})));
    }

    #[test]
    fn an_ended_process_that_nobody_collected_does_not_run() {
        let mut child =
            std::process::Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let used = json!({"pid": child.id(), "start": started(child.id()).unwrap(), "boot": boot().unwrap()});
        assert!(still_running(&used));
        drop(child.stdin.take());
        while started(child.id()).is_some() {
            std::thread::yield_now();
        }
        assert!(!still_running(&used));
        child.wait().unwrap();
    }
}
