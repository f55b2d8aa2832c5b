//! Reading a text file that somebody named: never a device, a FIFO or a folder, never without a bound, never for ever. It
//! must not know what is in it.

use crate::exit::{Failure, Kind};
use anyhow::Context;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The longest workflow file, in bytes.
pub const LONGEST: u64 = 8 << 20;

/// The text of a regular file of at most [`LONGEST`] bytes in UTF-8; anything else is invalid (exit 3) and named.
pub fn read(path: &Path) -> Result<String, Failure> {
    read_or_say(path).map_err(|error| Failure::new(Kind::Invalid, error))
}

fn read_or_say(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    // Neither waits for the other end of a FIFO nor takes a terminal.
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .with_context(|| format!("cannot read {name}"))?;
    let kind = file.metadata().with_context(|| format!("cannot read {name}"))?.file_type();
    if !kind.is_file() {
        let what = match () {
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_block_device() || kind.is_char_device() => "a device",
            () => "no regular file",
        };
        anyhow::bail!("{name} is {what}; name a workflow file");
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > LONGEST {
        anyhow::bail!("{name} is larger than 8 MiB; is it a workflow file?");
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        anyhow::anyhow!("{name}:{line}: byte {at} is not UTF-8; save the file as UTF-8")
    })
}
