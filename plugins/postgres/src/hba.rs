//! pg_hba.conf with a block before everything else that lets in this run's own user and nobody else. The first line that
//! matches a connection decides, so the block needs nothing of what stands after it. Pure. It must not know files.

use crate::address::Address;
use cutwater_sdk::Refusal;

/// The file with the block of `run` at its top; one that is there already is replaced.
///
/// # Errors
/// Another run's block is there, a block without an end, or an address whose user cannot be let in alone.
pub fn barred(content: &str, run: &str, address: &Address) -> Result<String, Refusal> {
    let rest = admitted(content, run)?;
    Ok(format!("{}{rest}", block(run, address)?))
}

/// The file without the block of `run`: byte for byte what it was before.
///
/// # Errors
/// Another run's block is there, or a block without an end.
pub fn admitted(content: &str, run: &str) -> Result<String, Refusal> {
    match find(content)? {
        None => Ok(content.to_owned()),
        Some(found) if found.run == run => {
            Ok(format!("{}{}", &content[..found.start], &content[found.end..]))
        }
        Some(found) => {
            let message = format!("clients are barred by run {}; end that run first", found.run);
            Err(Refusal::new("barred-by-another", message))
        }
    }
}

/// Whether the block of `run` is at the top of the file.
pub fn is_barred(content: &str, run: &str) -> Result<bool, Refusal> {
    Ok(find(content)?.is_some_and(|found| found.run == run && found.start == 0))
}

struct Found<'a> {
    run: &'a str,
    start: usize,
    end: usize,
}

fn find(content: &str) -> Result<Option<Found<'_>>, Refusal> {
    let mut start = None;
    let mut at = 0;
    for line in content.split_inclusive('\n') {
        let words = line.trim_end().strip_prefix("# cutwater ");
        let (begin, end) =
            (words.and_then(|w| w.strip_suffix(" begin")), words.and_then(|w| w.strip_suffix(" end")));
        match (start, begin, end) {
            (None, Some(run), _) => start = Some((run, at)),
            (Some((run, start)), _, Some(ended)) if run == ended => {
                return Ok(Some(Found { run, start, end: at + line.len() }));
            }
            _ => {}
        }
        at += line.len();
    }
    match start {
        None => Ok(None),
        Some((run, _)) => {
            let message = format!("the block of run {run} in it has no end; put the file right by hand");
            Err(Refusal::new("damaged", message))
        }
    }
}

fn block(run: &str, address: &Address) -> Result<String, Refusal> {
    let role = address.role();
    if role.contains(['"', '\n']) {
        return Err(Refusal::new("invalid-input", "the role's name cannot stand in pg_hba.conf"));
    }
    let own = match (&address.host, address.system_user.as_deref().unwrap_or("postgres")) {
        (Some(_), _) if address.tls.is_some() => format!("hostssl all \"{role}\" all scram-sha-256"),
        (Some(_), _) => format!("host all \"{role}\" all scram-sha-256"),
        (None, system) if system == role => format!("local all \"{role}\" peer"),
        (None, system) => {
            let message = format!(
                "over a unix socket only the role of the same name is let in: `as: {system}`, role {role}"
            );
            return Err(Refusal::new("invalid-input", message));
        }
    };
    let rejected = ["local all all", "local replication all", "host all all all", "host replication all all"];
    let rejected: String = rejected.iter().map(|whom| format!("{whom} reject\n")).collect();
    Ok(format!("# cutwater {run} begin\n{own}\n{rejected}# cutwater {run} end\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# TYPE DATABASE\r\nlocal all all peer\n# no end of line";

    #[test]
    fn the_block_comes_first_and_goes_without_a_trace() {
        let barred_file = barred(FILE, "r1", &Address::default()).unwrap();
        assert!(
            barred_file
                .starts_with("# cutwater r1 begin\nlocal all \"postgres\" peer\nlocal all all reject\n")
        );
        assert!(is_barred(&barred_file, "r1").unwrap());
        assert!(!is_barred(&barred_file, "r10").unwrap() && !is_barred(FILE, "r1").unwrap());
        assert_eq!(barred(&barred_file, "r1", &Address::default()).unwrap(), barred_file, "once is enough");
        assert_eq!(admitted(&barred_file, "r1").unwrap(), FILE);
        assert_eq!(admitted(FILE, "r1").unwrap(), FILE);
    }

    #[test]
    fn a_foreign_or_damaged_block_is_left_alone() {
        let other = barred(FILE, "r2", &Address::default()).unwrap();
        assert_eq!(barred(&other, "r1", &Address::default()).unwrap_err().code, "barred-by-another");
        assert_eq!(admitted(&other, "r1").unwrap_err().code, "barred-by-another");
        assert_eq!(
            admitted("# cutwater r1 begin\nlocal all all reject\n", "r1").unwrap_err().code,
            "damaged"
        );
    }
}
