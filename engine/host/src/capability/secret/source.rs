//! Reads a named secret from where the host's policy says it is. It must not know who may read which.

use crate::fault::Fault;
use cutwater_core::policy::SecretSource;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longest secret, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The text of the secret `name`, one line break at the end taken off. The words of a fault never hold any of it.
pub fn read(name: &str, source: &SecretSource) -> Result<String, Fault> {
    let text = match source {
        SecretSource::File(path) => from_file(name, Path::new(path))?,
        SecretSource::Env(variable) => std::env::var(variable).map_err(|_| {
            Fault::missing(format!("secret `{name}`: the environment has no text `{variable}`"))
        })?,
        SecretSource::Credential(credential) => from_file(name, &credential_path(name, credential)?)?,
    };
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

fn credential_path(name: &str, credential: &str) -> Result<PathBuf, Fault> {
    if credential.contains('/') || credential.starts_with('.') {
        return Err(Fault::invalid(format!("secret `{name}`: `{credential}` is no credential's name")));
    }
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
        Fault::missing(format!("secret `{name}`: the engine was not started by systemd with credentials"))
    })?;
    Ok(Path::new(&folder).join(credential))
}

fn from_file(name: &str, path: &Path) -> Result<String, Fault> {
    let what = || format!("secret `{name}` in {}", path.display());
    // A FIFO's other end is not waited for.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = file.map_err(|error| Fault::io(what(), error))?;
    let facts = file.metadata().map_err(|error| Fault::io(what(), error))?;
    if !facts.is_file() {
        return Err(Fault::denied(format!("{}: it is no plain file", what())));
    }
    if facts.mode() & 0o007 != 0 {
        return Err(Fault::denied(format!("{}: everybody may read it; chmod o-rwx it", what())));
    }
    if facts.len() > LONGEST {
        return Err(Fault::denied(format!("{}: it is longer than {LONGEST} bytes", what())));
    }
    std::io::read_to_string(file).map_err(|error| Fault::io(what(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_file_is_read_without_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, "swordfish\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(read("s", &SecretSource::File(path.display().to_string())).unwrap(), "swordfish");
    }

    #[test]
    fn what_is_no_plain_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for place in [path.as_path(), folder.path()] {
            let fault = read("s", &SecretSource::File(place.display().to_string())).unwrap_err();
            assert!(fault.message.contains("no plain file"), "{}", fault.message);
        }
    }

    #[test]
    fn a_secret_file_that_everybody_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, "swordfish").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o604)).unwrap();
        let fault = read("s", &SecretSource::File(path.display().to_string())).unwrap_err();
        assert_eq!(fault.code, "denied");
        assert!(!fault.message.contains("swordfish"));
    }

    #[test]
    fn a_credential_s_name_is_no_path() {
        let fault = read("s", &SecretSource::Credential("../shadow".into())).unwrap_err();
        assert_eq!(fault.code, "invalid");
    }
}
