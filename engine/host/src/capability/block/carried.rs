//! Whether a target carries given files: a device by standing below them, an image file by being one of them or by
//! backing a loop device below them. It must not know what the files are.

use super::device::Number;
use super::error::BlockError;
use crate::capability::freeze::carriers;
use std::fs;
use std::path::{Path, PathBuf};

/// The first of `files` that the target at `path` carries; none for a target that is not there.
pub fn by<'a>(path: &Path, files: &'a [PathBuf]) -> Result<Option<&'a PathBuf>, BlockError> {
    let Ok(meta) = fs::metadata(path) else { return Ok(None) };
    let target = Number::of(&meta);
    for file in files {
        let below = carriers::carriers(file).map_err(|source| BlockError::Io {
            doing: "look below",
            path: file.clone(),
            at: 0,
            source,
        })?;
        let carries = match target {
            Number::Block(major, minor) => below.contains(&(major, minor)),
            Number::File(..) => {
                is(file, target)
                    || below.iter().any(|device| backing(*device).is_some_and(|path| is(&path, target)))
            }
        };
        if carries {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn is(path: &Path, target: Number) -> bool {
    fs::metadata(path).is_ok_and(|meta| Number::of(&meta) == target)
}

fn backing((major, minor): carriers::Device) -> Option<PathBuf> {
    let path = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/loop/backing_file")).ok()?;
    Some(PathBuf::from(path.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_carried_by_itself_and_by_the_device_below() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, other) = (folder.path().join("journal.db"), folder.path().join("other.img"));
        fs::write(&journal, "x").unwrap();
        fs::write(&other, "x").unwrap();
        let carried = [journal.clone(), folder.path().join("not-yet")];
        assert_eq!(by(&journal, &carried).unwrap(), Some(&journal));
        assert_eq!(by(&other, &carried).unwrap(), None);
        assert_eq!(by(Path::new("/nonexistent"), &carried).unwrap(), None);
    }
}
