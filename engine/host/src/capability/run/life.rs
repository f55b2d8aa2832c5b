//! Whether a process that somebody else started still lives, or what it started: pid, start time and boot name it for ever.
//! It must not know what the process does.

use cutwater_driver::ports::Remains;
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

/// What of the program of a `run` use (`{pid, start, boot}`) still runs on this machine. It was made the leader of a session
/// of its own; while anything is left of that session, no other process gets its number.
pub fn remains(used: &Value) -> Remains {
    let pid = used.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    let start = used.get("start").and_then(Value::as_u64);
    let same_boot = match (used.get("boot").and_then(Value::as_str), boot()) {
        (Some(then), Ok(now)) => then == now,
        _ => false,
    };
    let (Some(pid), Some(start), true) = (pid, start, same_boot) else { return Remains::Nothing };
    match started(pid) {
        Some(found) if found == start => Remains::Itself,
        Some(_) => Remains::Nothing,
        None => match in_session(pid) {
            others if others.is_empty() => Remains::Nothing,
            others => Remains::Others(others),
        },
    }
}

/// The processes of a session that have not ended.
fn in_session(session: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
        let lives = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
        if lives && fields.nth(2).and_then(|id| id.parse().ok()) == Some(session) {
            found.push(pid);
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_process_is_the_same_only_with_pid_start_and_boot() {
        let (pid, boot) = (std::process::id(), boot().unwrap());
        let start = started(pid).unwrap();
        assert_eq!(remains(&json!({"pid": pid, "start": start, "boot": boot})), Remains::Itself);
        assert_eq!(remains(&json!({"pid": pid, "start": start + 1, "boot": boot})), Remains::Nothing);
        assert_eq!(remains(&json!({"pid": pid, "start": start, "boot": "another"})), Remains::Nothing);
        assert_eq!(remains(&json!({"pid": pid})), Remains::Nothing);
    }

    /// Sabotage: only the leader looked at.
    #[test]
    fn what_a_program_started_still_runs_when_it_has_ended() {
        let mut command = std::process::Command::new("setsid");
        let mut child = command.args(["sh", "-c", "sleep 60 & echo $!; read line"]);
        child = child.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        let sleeps: u32 = line.trim().parse().unwrap();
        let used = json!({"pid": child.id(), "start": started(child.id()).unwrap(), "boot": boot().unwrap()});
        assert_eq!(remains(&used), Remains::Itself);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(remains(&used), Remains::Others(vec![sleeps]));
        let pid = rustix::process::Pid::from_raw(i32::try_from(sleeps).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        while started(sleeps).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(remains(&used), Remains::Nothing);
    }

    #[test]
    fn an_ended_process_that_nobody_collected_does_not_run() {
        let mut child =
            std::process::Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let used = json!({"pid": child.id(), "start": started(child.id()).unwrap(), "boot": boot().unwrap()});
        assert_eq!(remains(&used), Remains::Itself);
        drop(child.stdin.take());
        while started(child.id()).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(remains(&used), Remains::Nothing);
        child.wait().unwrap();
    }
}
