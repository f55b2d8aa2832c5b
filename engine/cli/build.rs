//! Puts the shipped plugins' components into the binary. None there: the list is empty, and commands that want a plugin
//! say how to build them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let shipped = here.join("../../target/guests/shipped");
    println!("cargo::rerun-if-changed={}", shipped.display());
    let mut components: Vec<PathBuf> = std::fs::read_dir(&shipped)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    components.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    components.sort();
    let mut list =
        String::from("/// Name and component of each.\npub const COMPONENTS: &[(&str, &[u8])] = &[\n");
    for path in &components {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let file = std::fs::canonicalize(path)?;
        writeln!(list, "    ({name:?}, include_bytes!({:?})),", file.display().to_string())?;
    }
    list.push_str("];\n");
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("shipped.rs"), list)?;
    Ok(())
}
