//! Finds a program by its name on the host's fixed path. It must not know who may start it.

use crate::fault::Fault;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for, unless the host's policy says more.
pub const USUAL: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The file of the program `name`: the first on `path`, which must be root's and nobody else's to write, it and every
/// folder above it.
pub fn find(name: &str, path: &[PathBuf]) -> Result<PathBuf, Fault> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') || name.contains('\0') {
        let name = name.escape_default();
        return Err(Fault::invalid(format!("`{name}` is no program's name: write it without a folder")));
    }
    for folder in path {
        let file = folder.join(name);
        match std::fs::metadata(&file) {
            Ok(facts) if facts.is_file() && facts.mode() & 0o111 != 0 => {
                return trusted(&file).map(|()| file);
            }
            _ => {}
        }
    }
    let folders: Vec<_> = path.iter().map(|folder| folder.display().to_string()).collect();
    Err(Fault::missing(format!("there is no program `{}` in {}", name.escape_default(), folders.join(":"))))
}

fn trusted(file: &Path) -> Result<(), Fault> {
    let real = file.canonicalize().map_err(|error| Fault::io(file.display(), error))?;
    for place in file.ancestors().skip(1).chain(real.ancestors()) {
        let facts = std::fs::metadata(place).map_err(|error| Fault::io(place.display(), error))?;
        let sticky_folder = facts.is_dir() && facts.mode() & 0o1000 != 0;
        if facts.uid() != 0 || (facts.mode() & 0o022 != 0 && !sticky_folder) {
            return Err(Fault::denied(format!(
                "{} is not started: {} is not root's alone to write",
                file.display(),
                place.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn usual() -> Vec<PathBuf> {
        USUAL.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_program_is_found_by_its_name_alone() {
        assert_eq!(find("sh", &usual()).unwrap(), Path::new("/usr/bin/sh"));
        assert_eq!(find("/bin/sh", &usual()).unwrap_err().code, "invalid");
        assert_eq!(find("../bin/sh", &usual()).unwrap_err().code, "invalid");
        assert_eq!(find("no-such-program", &usual()).unwrap_err().code, "missing");
    }

    #[test]
    fn a_program_that_others_may_write_is_not_started() {
        let folder = tempfile::tempdir_in("/var/lib").unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        let path = [folder.path().to_owned()];
        assert_eq!(find("tool", &path).unwrap(), file);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(find("tool", &path).unwrap_err().code, "denied");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(find("tool", &path).unwrap_err().code, "denied");
    }
}
