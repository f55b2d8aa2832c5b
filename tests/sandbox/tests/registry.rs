//! What a plugin imports is what it can do, and what is taken on is looked at first.

use cutwater_core::policy::Policy;
use cutwater_host::cache::Cache;
use cutwater_host::registry::Registry;
use cutwater_sandbox::{Bench, component};

fn names<'a>(imports: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let part = |name: &'a String| name.strip_prefix("cutwater:plugin/")?.split('@').next();
    imports.into_iter().filter_map(part).filter(|name| *name != "types").collect()
}

#[test]
fn a_component_imports_only_what_its_plugin_uses() {
    let bench = Bench::new(Policy::default());
    let lvm = component("plugins/lvm");
    let (registry, rejected) =
        Registry::load(&bench.runtime, &Cache::none(), &bench.ground, &[("lvm", &lvm)], &[]);
    assert!(rejected.is_empty(), "{rejected:?}");
    let imports = names(&registry.get("lvm").unwrap().imports);
    for absent in ["connect", "freeze", "secret", "machine"] {
        assert!(!imports.contains(&absent), "{imports:?}");
    }
    assert!(imports.contains(&"run"));
    let hostile = bench.runner.registry().get("hostile").unwrap();
    for present in ["run", "connect", "block", "freeze", "secret", "machine", "file", "checkpoint"] {
        assert!(names(&hostile.imports).contains(&present), "{:?}", hostile.imports);
    }
    assert!(hostile.exports.iter().any(|name| name.contains("/hold@")));
    assert_eq!(hostile.plugin.steps.len(), 3);
}

#[test]
fn a_name_is_taken_once_and_what_is_no_plugin_is_told() {
    let bench = Bench::new(Policy::default());
    let lvm = component("plugins/lvm");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a-copy.wasm"), &lvm).unwrap();
    std::fs::write(folder.path().join("b-text.wasm"), "no component").unwrap();
    std::fs::write(folder.path().join("c-module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(folder.path().join("d-empty.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    std::fs::create_dir(folder.path().join("e-folder.wasm")).unwrap();
    let folders = [folder.path().to_owned(), folder.path().join("missing")];
    let (registry, rejected) =
        Registry::load(&bench.runtime, &Cache::none(), &bench.ground, &[("lvm", &lvm)], &folders);
    assert_eq!(registry.all().count(), 1);
    let told: Vec<_> = rejected.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(
        told[0].contains("a-copy.wasm") && told[0].contains("is called `lvm` like the plugin from shipped"),
        "{told:#?}"
    );
    assert!(told[1].contains("b-text.wasm is no WebAssembly component"), "{told:#?}");
    assert!(told[3].contains("does not export `cutwater:plugin/plugin`"), "{told:#?}");
}

#[test]
fn a_plugin_from_the_cache_is_the_same_plugin() {
    let bench = Bench::new(Policy::default());
    let lvm = component("plugins/lvm");
    let folder = tempfile::Builder::new().prefix("cache-").tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let (cache, fault) = Cache::open(folder.path());
    assert!(fault.is_none(), "{fault:?}");
    let load = || Registry::load(&bench.runtime, &cache, &bench.ground, &[("lvm", &lvm)], &[]).0.catalog();
    let compiled = load();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(load(), compiled);
    assert_eq!(compiled["lvm"].digest.len(), 64);
}
