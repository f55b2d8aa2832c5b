//! The text of /etc/fstab: finding the entry of a mount point, putting another device in it, and putting it back byte for
//! byte. It must not know where the file is.

use cutwater_sdk::Refusal;

/// The text with `device` in the entry of `at`. The entry as it was stays above it as a comment that begins with the
/// mark.
///
/// # Errors
/// `no-entry`, `several-entries`.
pub fn replaced(text: &str, at: &str, device: &str, mark: &str) -> Result<String, Refusal> {
    let mut found = text.split_inclusive('\n').enumerate().filter(|(_, line)| is_of(line, at));
    let (index, line) = found.next().ok_or_else(|| {
        let message = format!("/etc/fstab has no entry for {at}: nothing mounts it at boot; add one");
        Refusal::new("no-entry", message)
    })?;
    if found.next().is_some() {
        let message = format!("/etc/fstab has several entries for {at}; leave one");
        return Err(Refusal::new("several-entries", message));
    }
    let lines = text.split_inclusive('\n').enumerate().map(|(number, other)| match number == index {
        true => format!("{}{}\n{}", comment(mark), line.trim_end_matches('\n'), with_device(line, device)),
        false => other.to_owned(),
    });
    Ok(lines.collect())
}

/// The text as it was before [`replaced`]; none if it does not carry the mark.
///
/// # Errors
/// `changed-since`: the entry below the comment is not the one that was put there.
pub fn restored(text: &str, at: &str, device: &str, mark: &str) -> Result<Option<String>, Refusal> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let comment = comment(mark);
    let Some(index) = lines.iter().position(|line| line.starts_with(&comment)) else { return Ok(None) };
    let before = &lines[index][comment.len()..];
    let entry = lines.get(index + 1).copied().unwrap_or_default();
    // A last line without an end left its end-lessness to the entry below the comment.
    let before = if entry.ends_with('\n') { before } else { before.trim_end_matches('\n') };
    if entry != with_device(before, device) {
        let message =
            format!("the entry of {at} in /etc/fstab was changed by somebody else; put it right by hand");
        return Err(Refusal::new("changed-since", message));
    }
    let mut restored: Vec<&str> = lines[..index].to_vec();
    restored.push(before);
    restored.extend(&lines[index + 2..]);
    Ok(Some(restored.concat()))
}

/// Whether the text carries the mark.
pub fn carries(text: &str, mark: &str) -> bool {
    text.lines().any(|line| line.starts_with(&comment(mark)))
}

fn comment(mark: &str) -> String {
    format!("# {mark} ")
}

fn is_of(line: &str, at: &str) -> bool {
    let mut fields = line.split_whitespace();
    match (fields.next(), fields.next()) {
        (Some(device), Some(place)) => {
            !device.starts_with('#') && unescaped(place).trim_end_matches('/') == at.trim_end_matches('/')
        }
        _ => false,
    }
}

/// The line with its first field replaced; all else, blanks included, stays.
fn with_device(line: &str, device: &str) -> String {
    let start = line.len() - line.trim_start().len();
    let end = line[start..].find(char::is_whitespace).map_or(line.len(), |at| start + at);
    format!("{}{}{}", &line[..start], escaped(device), &line[end..])
}

fn escaped(field: &str) -> String {
    field.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011")
}

fn unescaped(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# device mount-point type options dump pass\n\
        UUID=1-2 / ext4 defaults 0 1\n\
        /dev/vg00/dat\t/srv/postgresql  xfs  defaults,nofail 0 0\n\
        \n\
        /dev/vg00/dat2 /srv/postgresql2 xfs defaults 0 0\n";
    const MARK: &str = "cutwater.r1.persist";

    #[test]
    fn only_the_device_of_the_one_entry_changes_and_it_goes_back_byte_for_byte() {
        let text = replaced(TEXT, "/srv/postgresql", "/dev/vg01/new", MARK).unwrap();
        let expected = TEXT.replace(
            "/dev/vg00/dat\t",
            "# cutwater.r1.persist /dev/vg00/dat\t/srv/postgresql  xfs  defaults,nofail 0 0\n/dev/vg01/new\t",
        );
        assert_eq!(text, expected);
        assert!(carries(&text, MARK) && !carries(TEXT, MARK) && !carries(&text, "cutwater.r1.other"));
        assert_eq!(restored(&text, "/srv/postgresql", "/dev/vg01/new", MARK).unwrap().as_deref(), Some(TEXT));
        assert_eq!(restored(TEXT, "/srv/postgresql", "/dev/vg01/new", MARK).unwrap(), None);
    }

    #[test]
    fn a_last_line_without_an_end_comes_back_without_one() {
        let text = "/dev/vg00/dat /srv/a xfs defaults 0 0";
        let there = replaced(text, "/srv/a/", "/dev/vg01/new", MARK).unwrap();
        assert_eq!(there, format!("# {MARK} {text}\n/dev/vg01/new /srv/a xfs defaults 0 0"));
        assert_eq!(restored(&there, "/srv/a", "/dev/vg01/new", MARK).unwrap().as_deref(), Some(text));
    }

    #[test]
    fn what_is_not_one_entry_is_refused() {
        assert_eq!(replaced(TEXT, "/srv/none", "/dev/x", MARK).unwrap_err().code, "no-entry");
        let twice = format!("{TEXT}/dev/vg02/x /srv/postgresql xfs defaults 0 0\n");
        assert_eq!(replaced(&twice, "/srv/postgresql", "/dev/x", MARK).unwrap_err().code, "several-entries");
    }

    #[test]
    fn an_entry_that_somebody_changed_is_not_restored() {
        let text = replaced(TEXT, "/srv/postgresql", "/dev/vg01/new", MARK).unwrap();
        let changed = text.replace("/dev/vg01/new", "/dev/vg02/other");
        assert_eq!(
            restored(&changed, "/srv/postgresql", "/dev/vg01/new", MARK).unwrap_err().code,
            "changed-since"
        );
    }

    #[test]
    fn a_mount_point_with_a_blank_is_found() {
        let text = "/dev/vg00/dat /srv/my\\040data xfs defaults 0 0\n";
        assert!(replaced(text, "/srv/my data", "/dev/vg01/new", MARK).is_ok());
    }
}
