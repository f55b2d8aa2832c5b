//! Standard output and what stands behind it. It must not know what is printed.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static LOST: AtomicBool = AtomicBool::new(false);

/// Prints to standard output. A reader that went away is nobody's trouble; anything else, such as a full disk, is said once.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        complain(&format!("what is said cannot be written: {error}\n"));
    }
}

/// Whether something that was printed could not be written.
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Prints a line to standard error.
pub fn complain(text: &str) {
    let _reader_gone = io::stderr().lock().write_all(text.as_bytes());
}

/// Prints one JSON value as a line.
pub fn print_json(value: &impl serde::Serialize) {
    if let Ok(mut line) = serde_json::to_string(value) {
        line.push('\n');
        print(&line);
    }
}

/// Whether standard output is a terminal that can be drawn on.
pub fn draws() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Whether standard output may be coloured.
pub fn colours() -> bool {
    draws() && plain_wish()
}

/// Whether standard error may be coloured.
pub fn error_colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb") && plain_wish()
}

fn plain_wish() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the terminal's character set has more than ASCII.
pub fn has_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    set.is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

/// Rows and columns of the terminal behind standard output.
pub fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row.into(), size.ws_col.into()),
        _ => (24, 80),
    }
}
