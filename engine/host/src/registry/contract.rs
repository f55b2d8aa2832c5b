//! Whether a component keeps to the contract: names, versions, types. It must not know what a plugin does.

use super::LoadFault;
use crate::bindings::{CONTRACT, WIT};

const PACKAGE: &str = "cutwater:plugin/";

/// `run` of `cutwater:plugin/run@0.1.0`; none: it is not of the contract.
pub fn interface(name: &str) -> Option<&str> {
    name.strip_prefix(PACKAGE)?.split('@').next()
}

/// Looks at the names: nothing foreign is imported, and all versions are ones that this host speaks.
pub fn names(imports: &[String], exports: &[String]) -> Result<(), LoadFault> {
    let foreign: Vec<_> =
        imports.iter().filter(|name| interface(name).is_none()).map(|n| format!("`{n}`")).collect();
    if !foreign.is_empty() {
        return Err(LoadFault::Foreign(foreign));
    }
    let ours: Vec<_> = exports.iter().filter(|name| interface(name).is_some()).collect();
    for name in imports.iter().chain(ours.iter().copied()) {
        let theirs = name.split_once('@').map_or("none", |(_, version)| version);
        if let Some(way_out) = differs(theirs) {
            return Err(LoadFault::Version { theirs: theirs.to_owned(), ours: CONTRACT.to_owned(), way_out });
        }
    }
    for needed in ["plugin", "step"] {
        if !ours.iter().any(|name| interface(name) == Some(needed)) {
            return Err(unfit(format!("it does not export `{PACKAGE}{needed}`")));
        }
    }
    Ok(())
}

/// What to do about a version that does not fit, by the rule of semantic versions: below 1.0 the second number must be the
/// same, and the last one not be newer than ours.
fn differs(theirs: &str) -> Option<&'static str> {
    const REBUILD: &str = "build the plugin again with this version's SDK";
    const UPDATE: &str = "update Cutwater, or build the plugin with this version's SDK";
    let numbers =
        |text: &str| -> Option<Vec<u64>> { text.split('.').map(|part| part.parse().ok()).collect() };
    let (Some(theirs), Some(ours)) = (numbers(theirs), numbers(CONTRACT)) else { return Some(REBUILD) };
    let ([t0, t1, t2], [o0, o1, o2]) = (theirs.as_slice(), ours.as_slice()) else { return Some(REBUILD) };
    let same = t0 == o0 && (*o0 > 0 || t1 == o1);
    match (same, (t0, t1, t2) <= (o0, o1, o2)) {
        (true, true) => None,
        (_, false) => Some(UPDATE),
        (false, true) => Some(REBUILD),
    }
}

/// Looks at the types of everything that is imported and exported.
pub fn types(component: &[u8], exports: &[String]) -> Result<(), LoadFault> {
    let world = if exports.iter().any(|name| interface(name) == Some("hold")) { "holds" } else { "steps" };
    let mut resolve = wit_parser::Resolve::default();
    let defect = |what: &str| unfit(format!("the contract itself cannot be read ({what})"));
    let package = resolve.push_source("cutwater.wit", WIT).map_err(|error| defect(&error.to_string()))?;
    let world = resolve.select_world(&[package], Some(world)).map_err(|error| defect(&error.to_string()))?;
    wit_component::targets(&resolve, world, component, true).map_err(|error| unfit(format!("{error:#}")))
}

/// It does not keep to the contract.
pub fn unfit(what: String) -> LoadFault {
    LoadFault::Contract { version: CONTRACT.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_no_plugin_is_given_is_named() {
        let imports = owned(&["cutwater:plugin/log@0.1.0", "wasi:filesystem/types@0.2.0"]);
        let fault = names(&imports, &[]).unwrap_err().to_string();
        assert!(
            fault.starts_with("imports `wasi:filesystem/types@0.2.0`, which no plugin is given"),
            "{fault}"
        );
    }

    #[test]
    fn another_version_is_named_with_ours_and_the_way_out() {
        let exports = |version: &str| {
            owned(
                &["plugin", "step"].map(|i| format!("{PACKAGE}{i}@{version}")).each_ref().map(String::as_str),
            )
        };
        assert!(names(&[], &exports("0.1.0")).is_ok());
        let newer = names(&[], &exports("0.2.0")).unwrap_err().to_string();
        assert_eq!(
            newer,
            "speaks version 0.2.0 of the contract, this Cutwater speaks 0.1.0; \
             update Cutwater, or build the plugin with this version's SDK"
        );
        let older = names(&[], &exports("0.0.9")).unwrap_err().to_string();
        assert!(older.ends_with("build the plugin again with this version's SDK"), "{older}");
        assert!(matches!(names(&[], &exports("x")), Err(LoadFault::Version { .. })));
        assert!(matches!(names(&[], &[]), Err(LoadFault::Contract { .. })));
    }
}
