//! What the documentation shows is so: its examples pass, its mistakes are answered as it says, the tests that it cites are
//! there.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Place, cutwater, files, root, tree};
use std::path::{Path, PathBuf};

/// One block of a page: what stands behind the fence, and what it holds.
struct Block {
    page: PathBuf,
    line: usize,
    kind: String,
    text: String,
}

fn blocks(pages: &[PathBuf]) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    for page in pages {
        let mut open = false;
        for (line, text) in std::fs::read_to_string(page).unwrap().lines().enumerate() {
            match text.strip_prefix("```") {
                Some(_) if open => open = false,
                Some(kind) => {
                    open = true;
                    let (page, kind) = (page.clone(), kind.to_owned());
                    found.push(Block { page, line: line + 1, kind, text: String::new() });
                }
                None if open => {
                    let block = found.last_mut().unwrap();
                    block.text.push_str(text);
                    block.text.push('\n');
                }
                None => {}
            }
        }
        assert!(!open, "{} ends inside a block", page.display());
    }
    found
}

fn workflow(block: &Block) -> bool {
    let other = ["cutwater-policy:", "cutwater-conformance:"];
    block.kind == "yaml" && !other.iter().any(|kind| block.text.starts_with(kind))
}

#[test]
fn every_example_in_the_docs_passes_the_check() {
    let place = Place::new();
    let mut count = 0;
    for block in blocks(&files("docs", ".md")).iter().filter(|block| workflow(block)) {
        place.file("example.yaml", &block.text);
        let said = place.cutwater(&["check", "example.yaml"]);
        let faults = said.err.replace("warning[CW0407]", "");
        assert_eq!(said.code, 0, "{}:{}\n{}", block.page.display(), block.line, said.err);
        assert!(!faults.contains("warning["), "{}:{}\n{}", block.page.display(), block.line, said.err);
        count += 1;
    }
    assert!(count >= 10, "only {count} examples were found");
}

#[test]
fn every_mistake_in_the_docs_is_answered_as_they_say() {
    let place = Place::new();
    let blocks = blocks(&files("docs", ".md"));
    let mut count = 0;
    for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.kind == "yaml broken") {
        place.file("look.yaml", &block.text);
        let said = place.cutwater(&["check", "look.yaml"]);
        let shown = &blocks[at + 1];
        assert_eq!((said.code, shown.kind.as_str()), (3, "text"));
        assert_eq!(said.err.trim_end(), shown.text.trim_end(), "{}:{}", block.page.display(), block.line);
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn the_readme_s_workflow_passes_the_check() {
    let readme = std::fs::read_to_string(tree().join("README.md")).unwrap();
    let example: String = readme
        .lines()
        .skip_while(|line| *line != "    cutwater: 1")
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
        .collect();
    let place = Place::new();
    place.file("readme.yaml", example);
    let said = place.cutwater(&["check", "readme.yaml"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn the_policy_in_the_docs_is_read_and_heeded() {
    let blocks = blocks(&files("docs", ".md"));
    let policies: Vec<&Block> = blocks.iter().filter(|b| b.text.starts_with("cutwater-policy:")).collect();
    assert!(!policies.is_empty());
    for policy in policies {
        let place = Place::new();
        std::fs::create_dir_all(place.path("root/etc/cutwater")).unwrap();
        place.file("root/etc/cutwater/policy.yaml", &policy.text);
        std::fs::create_dir_all(place.path("root/var/lib")).unwrap();
        // Its plugins are compiled once more otherwise.
        std::os::unix::fs::symlink(root().join("var/lib/cutwater"), place.path("root/var/lib/cutwater"))
            .unwrap();
        let workflow = "cutwater: 1\nname: x\ngrants:\n  lvm: { run: [lvs, vgs, lvcreate, lvremove, lvchange] }\n  block: { read: [/dev/vg00/dat], write: [/dev/vg02/new] }\nsteps:\n  ask: { approve: \"Go on?\", by: [dba] }\n  copy: { uses: block.sync, needs: [ask], with: { from: /dev/vg00/dat, to: /dev/vg02/new } }\n  room: { uses: lvm.check-extents, with: { vg: vg00, volumes: [dat], lasting: 5m } }\n";
        place.file("x.yaml", workflow);
        let said = cutwater(&place.path(""), &place.path("root"), &["check", "x.yaml"]);
        assert_eq!(said.code, 3, "{said:?}");
        assert_eq!(said.err.matches("error[").count(), 1, "{}", said.err);
        assert!(said.err.contains("this machine's policy does not allow that to `block`"), "{}", said.err);
        assert!(!said.err.contains("CW0407"), "the role is there: {}", said.err);
    }
}

#[test]
fn every_test_that_the_promises_cite_is_there() {
    let text = std::fs::read_to_string(tree().join("docs/promises.md")).unwrap();
    let mut count = 0;
    for (file, test) in text.split('`').filter_map(|part| part.split_once("::")) {
        if file == "FILE" {
            continue;
        }
        let source = std::fs::read_to_string(tree().join(file)).unwrap_or_default();
        let (_, after) = source.split_once(&format!("fn {test}(")).unwrap_or_default();
        assert!(!after.is_empty(), "docs/promises.md cites {file}::{test}, which is not there");
        count += 1;
    }
    assert!(count > 30, "only {count} tests are cited");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut pages = files("docs", ".md");
    pages.extend(["README.md", "ARCHITECTURE.md"].map(|name| tree().join(name)));
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = page.parent().unwrap_or(Path::new("/")).join(link);
            assert!(target.exists(), "{} links to {link}", page.display());
        }
        for named in text.split(|c: char| c.is_whitespace() || "`,;()".contains(c)) {
            let named = named.trim_end_matches(['.', ':']);
            if named.starts_with("docs/") {
                assert!(tree().join(named).exists(), "{} names {named}", page.display());
            }
        }
    }
}
